"""Candor beside a bare NNG REQ/REP echo of the same message size, in turn, in one run: quotes medians and ratios.

The machine may be noisy and shared: only the ratios mean anything.
"""
import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.path.join(ROOT, "build-release/bin")
os.environ["CANDOR_BIN"] = BIN
sys.path.insert(0, os.path.join(ROOT, "tests/cluster"))
from harness import Cluster, free_ports, until  # noqa: E402

DATA = "/usr/share/unicode/UnicodeData.txt"


def echo_rate(callers, size, seconds):
    port = free_ports(1)[0]
    done = subprocess.run([f"{BIN}/candor-echo", "--address", f"tcp://127.0.0.1:{port}", "--callers", str(callers),
                           "--size", str(size), "--seconds", str(seconds), "--json"],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["ops_per_second"]


def bench_rate(cluster, op, args):
    out = cluster.json("bench", op, "--callers", args.callers, "--value-size", f"{args.value}B",
                       "--keys", 10000, "--seconds", args.seconds, "--node", "a", "--loaded", timeout_s=300)
    return out


@contextlib.contextmanager
def node_beside():
    """One node in this process's own session. `kvctl up` gives nodes a session of their own, and Linux schedules sessions as groups:
    two busy ones preempt each other at every wake-up. The echo is one process, so it is compared with a node beside its caller."""
    c = Cluster({"a": "voter"})
    with open(os.path.join(c.dir, "a.log"), "w") as log:
        node = subprocess.Popen([f"{BIN}/kvd", "--topology", c.topology, "--node", "a"], stdout=log, stderr=log)
    try:
        until(lambda: c.status()["a"]["state"] == "FRESH", "a serves")
        yield c
    finally:
        node.terminate()
        node.wait()
        c.close()


def throughput(args):
    """Echo, get, put, in turn; each round gives one ratio each."""
    floors = {"get": 0.7, "put": 0.4, "put, the node in a session of its own": None}
    rates = {name: [] for name in floors}
    ratios = {name: [] for name in floors}
    with node_beside() as beside, Cluster({"a": "voter"}) as apart:
        apart.up().wait_fresh()
        for c in (beside, apart):
            c.json("bench", "load", "--value-size", f"{args.value}B")
            bench_rate(c, "put", args)  # warms up
        for n in range(args.rounds):
            echo = echo_rate(args.callers, args.value + 60, args.seconds)
            for name in floors:
                figures = bench_rate(apart if "session" in name else beside, name.split(",")[0], args)
                rates[name].append(figures["ops_per_second"])
                ratios[name].append(figures["ops_per_second"] / echo)
                print(f"round {n + 1}: {name} {figures['ops_per_second']:.0f}/s, echo {echo:.0f}/s, "
                      f"ratio {ratios[name][-1]:.2f}, p50 {figures['latency_us']['p50']} us, "
                      f"p99 {figures['latency_us']['p99']} us", flush=True)
    for name, floor in floors.items():
        print(f"{name}: median {statistics.median(rates[name]):.0f}/s, ratio to echo {statistics.median(ratios[name]):.2f} "
              f"({min(ratios[name]):.2f}-{max(ratios[name]):.2f})" + (f", floor {floor}" if floor else ""))


def imports():
    with Cluster() as c:
        c.up().wait_fresh()
        started = time.monotonic()
        out = c.json("import", DATA, "--separator", ";", "--key-field", "1")
        print(f"import of UnicodeData.txt into three nodes: {out['imported']} records in {time.monotonic() - started:.2f} s")


def restart(keys):
    with Cluster({"a": "voter"}) as c:
        c.up().wait_fresh()
        path = os.path.join(c.dir, "keys.jsonl")
        with open(path, "w") as f:
            for i in range(keys):
                f.write(f'{{"key":"key-{i:08d}","value":"0123456789abcdef"}}\n')
        started = time.monotonic()
        c.json("import", path, "--format", "jsonl", timeout_s=600)
        print(f"import of {keys} small keys: {time.monotonic() - started:.1f} s")
        c.kill("a")
        started = time.monotonic()
        c.start("a")
        until(lambda: c.status()["a"]["state"] == "FRESH", "a serves again")
        print(f"a node with {keys} keys serves again {time.monotonic() - started:.2f} s after kill -9")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--value", type=int, default=128)
    parser.add_argument("--keys", type=int, default=1000000, help="of the restart measurement; 0: none")
    args = parser.parse_args()
    throughput(args)
    imports()
    if args.keys:
        restart(args.keys)


if __name__ == "__main__":
    main()
