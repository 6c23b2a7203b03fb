"""Processes that measure, and what they and the servers have cost."""
import json
import os
import resource
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.setdefault("CANDOR_BIN", os.path.join(ROOT, "build-release/bin"))
for folder in ("tests/cluster", "docs/pictures"):
    sys.path.insert(0, os.path.join(ROOT, folder))

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A program that measures has failed."""


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def processor_seconds(pids):
    """User and system time of the processes."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_SECOND


def anonymous_bytes(pid):
    """Memory that a process has of its own, in RAM."""
    with open(f"/proc/{pid}/status") as f:
        rows = dict(line.split(":", 1) for line in f)
    return int(rows["RssAnon"].split()[0]) * 1024


def bytes_on_disk(folder):
    return int(subprocess.run(["du", "-s", "--block-size=1", folder], capture_output=True, text=True, check=True).stdout.split()[0])


def run(command, timeout_s=3600, status=(0, 1)):
    """(stdout, seconds of processor time that it took). Status 1: some of its operations failed, and it says how many."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout_s, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in status:
        raise Failed(f"{' '.join(map(str, command))}: status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def figures(out, pids, before_s, client_s):
    """One measurement, in the same words for every system, from the JSON of its generator."""
    ops = max(1, out["ops"])
    return {"rate": out["ops_per_second"], **{name: out["latency_us"].get(name) for name in ("p50", "p99", "p99_9", "p99_99")},
            "server_us": 1e6 * (processor_seconds(pids) - before_s) / ops, "client_us": 1e6 * client_s / ops,
            "errors": sum(out.get("errors", {}).values()), "missing": out.get("not_found", 0), "unsent": out.get("unsent", 0),
            "timeline": out.get("timeline")}


def measure_json(command, pids):
    before_s = processor_seconds(pids)
    out, client_s = run(command)
    return figures(json.loads(out), pids, before_s, client_s)
