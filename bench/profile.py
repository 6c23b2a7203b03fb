"""Where the microseconds of an operation go: samples of perf over the nodes and the client, sorted by what each was doing."""
import argparse
import collections
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from comparison.candor import Candor
from comparison.document import table
from profile_kinds import OWN, kind_of

# name -> arguments of comparison.candor.Candor.bench()
WORK = {
    "get, 64 asynchronous": ("get", {"callers": 64}),
    "get, 64 threads": ("get", {"callers": 64, "blocking": True}),
    "get linearizable, 64 threads": ("get", {"callers": 64, "blocking": True, "level": "linearizable"}),
    "get linearizable at a replica, 64 threads": ("get", {"callers": 64, "blocking": True, "level": "linearizable",
                                                          "node": "replica"}),
    "16 gets a message, 16 callers": ("get", {"callers": 16, "batch": 16}),
    "get, 1 thread": ("get", {"callers": 1, "blocking": True}),
    "get linearizable, 1 thread": ("get", {"callers": 1, "blocking": True, "level": "linearizable"}),
    "put local, 64 threads": ("put", {"callers": 64, "blocking": True}),
    "put majority, 64 threads": ("put", {"callers": 64, "blocking": True, "ack": "majority"}),
    "put majority, 1 thread": ("put", {"callers": 1, "blocking": True, "ack": "majority"}),
}

MOST_SYMBOLS = 12  # of its own code, that are named


def samples(path):
    """(pid, frames) of each sample of a recording."""
    out = subprocess.run(["perf", "script", "-i", path, "-F", "pid,ip,sym,dso"], capture_output=True, text=True, check=True).stdout
    for block in out.strip().split("\n\n"):
        first, *lines = block.splitlines()
        frames = []
        for line in lines:
            found = re.match(r"\s*[0-9a-f]+ (\S+)(?:\+\S+)? .*\(([^()]*(?:\([^()]*\))?[^()]*)\)$", line)
            if found:
                frames.append((found[1], found[2]))
        yield int(first.split()[0]), frames


def switches(pids):
    """Context switches of all threads of the processes."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/status") as f:
                total += sum(int(line.split()[1]) for line in f if "ctxt_switches" in line)
    return total


def profile(system, op, work, seconds):
    """Microseconds an operation, of the servers and of the client, by kind; and the figures of the run."""
    pids = system.pids()
    with tempfile.TemporaryDirectory(prefix="candor-profile-") as folder:
        recording = os.path.join(folder, "perf.data")
        command = [str(word) for word in system.bench(op, seconds, **{"node": "primary", **work})]
        before = switches(pids)
        client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        watched = ",".join(map(str, [*pids, client.pid]))
        perf = subprocess.Popen(["perf", "record", "-q", "-F", "997", "-g", "-p", watched, "-o", recording],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        out = json.loads(client.communicate()[0])
        switched = switches(pids) - before
        perf.terminate()
        perf.wait()
        spent = {"servers": collections.Counter(), "client": collections.Counter()}
        own = collections.Counter()
        for pid, frames in samples(recording):
            kind = kind_of(frames)
            spent["client" if pid == client.pid else "servers"][kind] += 1
            if kind == OWN and frames:
                own[frames[0][0]] += 1
    for counter in (*spent.values(), own):
        for kind in counter:
            counter[kind] *= 1e6 / 997 / max(1, out["ops"])
    return {"rate": out["ops_per_second"], "p50": out["latency_us"]["p50"], "spent": spent, "own": own,
            "switches": switched / max(1, out["ops"])}


def show(name, seen):
    print(f"\n### {name}: {seen['rate']:,.0f} a second, p50 {seen['p50']:,.0f} us, {seen['switches']:.2f} context switches of the servers\n")
    kinds = sorted({*seen["spent"]["servers"], *seen["spent"]["client"]},
                   key=lambda k: -(seen["spent"]["servers"][k] + seen["spent"]["client"][k]))
    sums = [f"{sum(seen['spent'][who].values()):.1f}" for who in ("servers", "client")]
    rows = [[kind, *(f"{seen['spent'][who][kind]:.1f}" for who in ("servers", "client"))] for kind in kinds]
    print("\n".join(table(["microseconds an operation", "servers", "client"], [*rows, ["all", *sums]])))
    print("\n" + OWN + ": " + ", ".join(f"{symbol} {us:.2f}" for symbol, us in seen["own"].most_common(MOST_SYMBOLS)), flush=True)


def main():
    parser = argparse.ArgumentParser(prog="bench/profile", description=__doc__)
    parser.add_argument("--only", action="append", choices=WORK, help="one kind of work; may be repeated")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--value", type=int, default=128, help="bytes")
    parser.add_argument("--nodes", type=int, default=3)
    settings = parser.parse_args()
    if shutil.which("perf") is None:
        sys.exit("bench/profile: perf is not installed: apt-get install linux-perf")
    with contextlib.closing(Candor(settings.nodes, settings.keys, settings.value)) as system:
        system.start()
        system.load()
        for name in settings.only or WORK:
            op, work = WORK[name]
            show(name, profile(system, op, work, settings.seconds))


if __name__ == "__main__":
    main()
