"""What nothing can be faster than: a bare request and reply over NNG, a message by PUB/SUB, an append with fdatasync()."""
import json
import os
import tempfile

from .measure import BIN, run

from harness import free_ports  # noqa: E402  (measure.py has said where)


class Floors:
    """Like a system, whose operations are floors."""
    name = "floors"

    def __init__(self, value):
        self.value = value

    def measure(self, op, seconds, callers=1):
        ports = free_ports(2)
        if op == "echo":
            command = ["candor-echo", "--address", f"tcp://127.0.0.1:{ports[0]}", "--callers", callers, "--size", self.value + 60,
                       "--seconds", max(1, round(seconds)), "--json"]
        elif op == "hop":
            command = ["candor-floors", "hop", f"{ports[0]},{ports[1]}", seconds]
        with tempfile.TemporaryDirectory(prefix="candor-compare-") as folder:
            if op == "fsync":
                command = ["candor-floors", "fsync", folder, seconds]
            out = json.loads(run([os.path.join(BIN, command[0]), *command[1:]])[0])
        return {"rate": out["ops_per_second"], "p50": out["latency_us"]["p50"], "p99": out["latency_us"]["p99"]}
