"""Redis under load: redis-benchmark, and candor-redis-load for what that does not do (WAIT, a rate, a timeline)."""
import csv
import io
import os
import shutil
import signal
import subprocess
import tempfile

from .measure import BIN, Failed, measure_json, processor_seconds, run

from harness import free_ports, until  # noqa: E402  (measure.py has said where)

LOAD = os.path.join(BIN, "candor-redis-load")
SETTINGS = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]
FIRST_RATE = 20000  # what redis-benchmark is guessed to reach, before it was seen: it counts operations, not seconds


def ask(port, *words):
    return run(["redis-cli", "-p", port, *words])[0].strip()


class Redis:
    name = "Redis"

    def __init__(self, nodes, keys, value):
        self.keys, self.value, self.nodes = keys, value, nodes
        self.dir = tempfile.mkdtemp(prefix="candor-compare-redis-")
        self.processes, self.ports, self.rates = [], free_ports(nodes), {}

    @staticmethod
    def missing():
        if shutil.which("redis-server") and shutil.which("redis-benchmark"):
            return None
        return "apt-get install redis-server"

    def start(self):
        for n, port in enumerate(self.ports):
            folder = os.path.join(self.dir, str(n))
            os.mkdir(folder)
            follow = ["--replicaof", "127.0.0.1", str(self.ports[0])] if n > 0 else []
            self.processes.append(subprocess.Popen(
                ["redis-server", "--port", str(port), "--dir", folder, "--logfile", os.path.join(folder, "log"), *SETTINGS, *follow],
                stdout=subprocess.DEVNULL, start_new_session=True))
        for n, port in enumerate(self.ports):
            until(lambda p=port: ask(p, "ping") == "PONG", "Redis answers")
            if n > 0:
                until(lambda p=port: "master_link_status:up" in ask(p, "info", "replication"), "its replica is connected")
        return self

    def pids(self):
        return [p.pid for p in self.processes]

    def load(self):
        run([LOAD, "-p", self.ports[0], "-o", "load", "-k", self.keys, "-v", self.value, "-P", 500, "-c", 4])

    def measure(self, op, seconds, callers=64, wait=False, batch=1, rate=None, timeline_ms=None):
        if not wait and rate is None and timeline_ms is None:
            return self.redis_benchmark(op, seconds, callers, batch)
        words = {"-o": "wait" if wait else {"put": "set"}.get(op, op), "-c": callers, "-k": self.keys, "-v": self.value, "-P": batch,
                 "-s": seconds, "-r": rate, "-t": timeline_ms}
        return measure_json([LOAD, "-p", self.ports[0], *(w for pair in words.items() if pair[1] for w in pair)], self.pids())

    def redis_benchmark(self, op, seconds, callers, batch):
        work = (op, callers, batch)
        count = max(callers * batch, int(self.rates.get(work, FIRST_RATE) * seconds))
        before_s = processor_seconds(self.pids())
        out, client_s = run(["redis-benchmark", "-p", self.ports[0], "-t", {"put": "set"}.get(op, op), "-c", callers, "-P", batch,
                             "-n", count, "-r", self.keys, "-d", self.value, "--csv"])
        rows = list(csv.DictReader(io.StringIO(out)))
        if not rows:
            raise Failed(f"redis-benchmark printed {out!r}")
        row = rows[0]
        self.rates[work] = float(row["rps"])
        return {"rate": float(row["rps"]), "p50": 1000 * float(row["p50_latency_ms"]), "p99": 1000 * float(row["p99_latency_ms"]),
                "p99_9": None, "server_us": 1e6 * (processor_seconds(self.pids()) - before_s) / count,
                "client_us": 1e6 * client_s / count, "errors": 0, "missing": 0, "unsent": 0, "timeline": None}

    def pid_of_first(self):
        return self.processes[0].pid

    def data_folder(self):
        return os.path.join(self.dir, "0")

    def close(self):
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
