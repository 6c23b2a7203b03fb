"""Two builds of Candor in turn, in one run: the ratios of this one's figures to the other one's.

Each round measures both builds with the same work, the one that begins taking turns. Beside the rate stands the
processor time that the nodes spent on an operation, which other work on the machine changes less.
"""
import argparse
import importlib.util
import os
import statistics
import subprocess
import sys

from comparison.measure import processor_seconds

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
THIS = os.path.join(ROOT, "build-release/bin")
sys.path.insert(0, os.path.join(ROOT, "tests/cluster"))  # where a harness finds what it imports

ONE = {"a": "voter"}
THREE = {"a": "voter", "b": "voter", "c": "voter"}
# name -> nodes, arguments of kvctl bench
WORKS = {
    "GET EVENTUAL, one node": (ONE, ["get"]),
    "GET LINEARIZABLE, three nodes": (THREE, ["get", "--level", "linearizable"]),
    "PUT LOCAL, one node": (ONE, ["put"]),
    "PUT LOCAL, three nodes": (THREE, ["put"]),
}


def harness_of(binaries):
    """The harness of the tree that the binaries were built in: options of kvctl change."""
    os.environ["CANDOR_BIN"] = binaries
    tree = os.path.dirname(os.path.dirname(binaries))
    spec = importlib.util.spec_from_file_location(f"harness of {tree}", os.path.join(tree, "tests/cluster/harness.py"))
    harness = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(harness)
    return harness


class Build:
    """A cluster of one build, and what it has shown so far."""

    def __init__(self, name, binaries, nodes):
        self.name = name
        self.cluster = harness_of(binaries).Cluster(nodes, election_timeout="2s", stale_after="1s")
        self.primary = None
        help_text = subprocess.run([os.path.join(binaries, "kvctl"), "help", "bench"], capture_output=True, text=True, check=True)
        self.loaded = ["--loaded"] if "--loaded" in help_text.stdout else []  # without it, put leaves its keys
        self.rates = []
        self.costs_us = []

    def start(self, value):
        self.cluster.up().wait_fresh()
        self.primary = self.cluster.primary()
        if self.loaded:
            self.cluster.json("bench", "load", "--value-size", f"{value}B")

    def pids(self):
        return [row["pid"] for row in self.cluster.json("node", "ls")["nodes"]]

    def measure(self, work, args, keep=True):
        pids = self.pids()
        before = processor_seconds(pids)
        out = self.cluster.json("bench", *work, "--callers", args.callers, "--value-size", f"{args.value}B",
                                "--keys", 10000, "--seconds", args.seconds, "--node", self.primary, *self.loaded,
                                timeout_s=300)
        if keep:
            self.rates.append(out["ops_per_second"])
            operations = out["ops_per_second"] * args.seconds
            self.costs_us.append((processor_seconds(pids) - before) * 1e6 / operations)


def compare(name, nodes, work, args):
    builds = [Build("other", args.other, nodes), Build("this", THIS, nodes)]
    other, this = builds
    try:
        for build in builds:
            build.start(args.value)
            build.measure(["put"], args, keep=False)  # warms up
        for n in range(args.rounds):
            for build in builds if n % 2 == 0 else reversed(builds):
                build.measure(work, args)
    finally:
        for build in builds:
            build.cluster.close()
    ratios = [mine / theirs for mine, theirs in zip(this.rates, other.rates)]
    costs = [mine / theirs for mine, theirs in zip(this.costs_us, other.costs_us)]
    print(f"{name}: {statistics.median(this.rates):.0f}/s against {statistics.median(other.rates):.0f}/s, "
          f"ratio {statistics.median(ratios):.3f} ({min(ratios):.2f}-{max(ratios):.2f}); "
          f"nodes' processor time {statistics.median(this.costs_us):.1f} us against "
          f"{statistics.median(other.costs_us):.1f} us an operation, ratio {statistics.median(costs):.3f} "
          f"({min(costs):.2f}-{max(costs):.2f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", metavar="BINARIES", help="the directory of the other build's kvd and kvctl")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--value", type=int, default=128)
    args = parser.parse_args()
    for name, (nodes, work) in WORKS.items():
        compare(name, nodes, work, args)


if __name__ == "__main__":
    main()
