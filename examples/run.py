"""Runs the examples on three nodes with automatic failover and a fault proxy between them, and checks how they end:
right keeps its invariant through a partition and kill -9 of the primary (status 0), wrong breaks it and says how (status 1).
"""
import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests/cluster"))
from harness import BIN, Cluster, Refused, until  # noqa: E402

NAMES = ("bank", "cart", "feed", "lock")
ALONE = ("pipeline",)  # right only, and not beside others: a thousand operations at once keep the machine busy
END_S = 180  # a program's last calls may wait for the next primary
# A primary that was cut off takes LOCAL writes for election_timeout (R25), and knows after stale_after that it is cut off:
# between the two the wrong stories write.
TIMERS = {"heartbeat_interval": "100ms", "stale_after": "500ms", "election_timeout": "2s"}


class Differs(AssertionError):
    pass


class Program:
    """One example, running. The faults that it asks for, `$ kvctl ...`, are made here."""

    def __init__(self, cluster, name, mode, show):
        self.cluster, self.name, self.mode, self.show = cluster, name, mode, show
        self.lines, self.progress, self.failure = [], 0, None
        endpoints = [word for address in cluster.addresses().values() for word in ("--endpoint", address)]
        self.process = subprocess.Popen([os.path.join(BIN, f"example-{name}"), f"--{mode}", *endpoints],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if self.show and not line.startswith("so far"):
                print(f"  {self.name}: {line}", end="", flush=True)
            self.progress += line.startswith("so far")
            if line.startswith("$ kvctl "):
                self._make_fault(shlex.split(line)[2:])

    def _make_fault(self, words):
        try:
            self.cluster.kvctl(*words)
        except (Refused, subprocess.TimeoutExpired) as error:
            self.failure = error
            self.process.kill()

    def check_alive(self):
        if self.process.poll() is not None:
            self.thread.join(10)
            raise Differs(f"{self.name} --{self.mode} ended by itself with {self.process.returncode}:\n" + self.text())

    def wait_progress(self):
        """It has worked after the call began, twice: the first report may have been on its way."""
        wanted = self.progress + 2

        def worked():
            self.check_alive()
            return self.progress >= wanted
        until(worked, f"{self.name} works")

    def text(self):
        return "\n".join(self.lines)

    def end(self, wanted):
        status = self.process.wait(END_S)
        self.thread.join(10)
        if self.failure:
            raise self.failure
        if status != wanted:
            raise Differs(f"{self.name} --{self.mode} ended with {status}, not {wanted}:\n{self.text()}")

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def primary_of(cluster, other_than=None):
    return until(lambda: [n for n, r in cluster.status().items()
                          if r["role"] == "primary" and r["state"] == "FRESH" and n != other_than],
                 "a primary with its majority")[0]


def partition(cluster, programs):
    """A replica is cut off until it says so and everybody has gone on working."""
    replica = next(n for n in cluster.nodes if n != primary_of(cluster))
    cluster.isolate(replica)
    until(lambda: cluster.status()[replica]["state"] == "STALE", f"{replica} is cut off")
    for program in programs:
        program.wait_progress()
    cluster.heal()
    cluster.wait_fresh()


def failover(cluster, programs, cut_first):
    """The primary is killed, perhaps cut off before: then it has writes that nobody else has."""
    old = primary_of(cluster)
    if cut_first:
        cluster.isolate(old)
        until(lambda: cluster.status()[old]["state"] == "STALE", f"{old} is cut off")
    cluster.kill(old)
    primary_of(cluster, other_than=old)
    cluster.heal()
    cluster.start(old)
    cluster.wait_fresh()
    for program in programs:
        program.wait_progress()


@contextlib.contextmanager
def running(cluster, names, mode, show):
    programs = [Program(cluster, name, mode, show) for name in names]
    try:
        yield programs
    finally:
        for program in programs:
            program.kill()


def run_right(cluster, names, failovers=2, show=False):
    """All of `names` at once, under the same faults. Returns their outputs by name."""
    with running(cluster, names, "right", show) as programs:
        for program in programs:
            program.wait_progress()
        partition(cluster, programs)
        for n in range(failovers):
            started = time.monotonic()
            failover(cluster, programs, cut_first=n % 2 == 0)
            if show:
                print(f"failover {n + 1} of {failovers}: everybody works again after {time.monotonic() - started:.1f} s",
                      flush=True)
        for program in programs:
            program.interrupt()
        for program in programs:
            program.end(0)
            if not program.lines[-1].startswith("kept: ") or "BROKEN" in program.text():
                raise Differs(f"{program.name} ended with 0 without keeping:\n{program.text()}")
        return {program.name: program.text() for program in programs}


def run_wrong(cluster, name, show=False):
    """Returns its output, which names the steps that broke it."""
    cluster.wait_fresh()
    with running(cluster, [name], "wrong", show) as (program,):
        program.end(1)
        if "BREAKS: " not in program.text() or "BROKEN: " not in program.text():
            raise Differs(f"{name} ended with 1, but does not say why:\n{program.text()}")
        return program.text()


def new_cluster():
    return Cluster(fault_proxy=True, failover="automatic", **TIMERS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="|".join(NAMES + ALONE), help="default: all of them")
    parser.add_argument("--failovers", type=int, metavar="N", help="the right mode alone, through N failovers")
    parser.add_argument("--right", action="store_true", help="only the right mode")
    parser.add_argument("--wrong", action="store_true", help="only the wrong mode")
    args = parser.parse_args()
    names = args.names or list(NAMES + ALONE)
    if not set(names) <= set(NAMES + ALONE):
        parser.error(f"there are {', '.join(NAMES + ALONE)}")
    together = [name for name in names if name not in ALONE]
    groups = ([together] if together else []) + [[name] for name in names if name in ALONE]
    try:
        with new_cluster() as cluster:
            cluster.up().wait_fresh()
            if not args.wrong:
                for group in groups:
                    print(f"right: {', '.join(group)}, a partition, {args.failovers or 2} failovers", flush=True)
                    run_right(cluster, group, args.failovers or 2, show=True)
            if not args.right and not args.failovers:
                for name in together:
                    print(f"wrong: {name}", flush=True)
                    run_wrong(cluster, name, show=True)
    except Differs as difference:
        print(f"It differs from what it should be: {difference}", file=sys.stderr)
        return 1
    print("as it should be: right kept, wrong broke" if not (args.right or args.wrong or args.failovers)
          else "as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
