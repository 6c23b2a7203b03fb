"""Candor beside Redis and etcd, on this machine and in one run: interleaved, several rounds, medians and ratios. Writes RESULTS.md,
results.json (everything that was measured, to draw again) and pictures.

Where Redis or etcd is not installed, it says how to install it and leaves out what needs it.
"""
import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time

from comparison import document, plots
from comparison.measure import Failed, anonymous_bytes, say
from comparison.candor import Candor, snapshot_seconds
from comparison.etcd import Etcd
from comparison.floors import Floors
from comparison.machine import about
from comparison.outages import outage
from comparison.redis import Redis
from comparison.rows import CELLS, ONE, PARTS, THREE
from comparison.sweeps import against_callers, against_keys, against_load, falls

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = {"Candor": Candor, "Redis": Redis, "etcd": Etcd}


def numbers(text):
    """1,10k,10M"""
    units = {"k": 1000, "M": 1000000}
    return [int(word[:-1]) * units[word[-1]] if word[-1] in units else int(word) for word in text.split(",")]


def number_of(text):
    return numbers(text)[0]


@contextlib.contextmanager
def together(kinds, nodes, settings):
    """The systems, up and with their keys."""
    systems = {"floors": Floors(settings.value)}
    with contextlib.ExitStack() as stack:
        for kind in kinds:
            system = KINDS[kind](nodes, settings.keys, settings.value)
            stack.callback(system.close)
            system.start()
            system.load()
            systems[kind] = system
            say(f"{kind} is up: {nodes} node{'s' if nodes > 1 else ''}, {settings.keys:,} keys")
        yield systems


def wanted(settings, group, kinds):
    return [name for name, (of, part, system, _, _) in CELLS.items()
            if of == group and (part in settings.only or part == "floors") and (system in kinds or system == "floors")]


def measure_cells(systems, names, settings, results):
    """Each round measures all of them in turn; every second one backwards."""
    for n in range(settings.rounds):
        for name in names if n % 2 == 0 else reversed(names):
            _, _, system, op, work = CELLS[name]
            try:
                out = systems[system].measure(op, settings.seconds, **work)
            except Failed as error:
                say(f"  {name}: {error}")
                results["left_out"].append(f"{name}: {error}")
                continue
            out.pop("timeline", None)
            results["cells"].setdefault(name, []).append(out)
            say(f"round {n + 1}/{settings.rounds}, {name}: {out['rate']:,.0f}/s, p50 {out['p50']:,.0f} us, p99 {out['p99']:,.0f} us")


@contextlib.contextmanager
def guarded(what, results):
    """What fails is left out, and the document says so: hours of other figures are not lost."""
    try:
        yield
    except (Failed, AssertionError, OSError, subprocess.SubprocessError) as error:
        say(f"{what} failed: {error}")
        results["left_out"].append(f"{what} failed: {error}")


def three_nodes(kinds, settings, results):
    names = wanted(settings, THREE, kinds)
    if not any(part in settings.only for part in ("get", "put", "lag", "callers", "load")):
        return
    with together(kinds, 3, settings) as systems:
        measure_cells(systems, names, settings, results)
        if "callers" in settings.only:
            results["curves"]["callers"] = against_callers(systems, settings)
        if "load" in settings.only:
            results["curves"]["load"] = against_load(systems, settings)


def one_node(kinds, settings, results):
    names = wanted(settings, ONE, kinds)
    if names:
        with together([k for k in kinds if k != "etcd"], 1, settings) as systems:
            measure_cells(systems, names, settings, results)


def long_runs(kinds, settings, results):
    for part, step in (("snapshot", snapshot), ("memory", memory), ("sizes", sizes)):
        if part in settings.only:
            with guarded(part, results):
                step(kinds, settings, results)
    for kind in ("failover", "partition"):
        if kind in settings.only:
            with guarded(kind, results):
                results["curves"][kind] = outage(kind, kinds, settings)


def snapshot(_kinds, settings, results):
    seconds, by_snapshot = snapshot_seconds(settings.many, settings.value)
    results["long"]["snapshot_s"] = seconds
    say(f"an empty node has {settings.many:,} keys after {seconds:.2f} s" + ("" if by_snapshot else ", without a snapshot"))


def sizes(kinds, settings, results):
    results["curves"]["keys"] = curves = against_keys(kinds, settings)
    results["long"].update(falls(curves["Candor"], settings))


def memory(kinds, settings, results):
    if "Redis" not in kinds:
        return
    own = {}
    for kind in ("Candor", "Redis"):
        with contextlib.closing(KINDS[kind](1, settings.many, settings.value)) as system:
            system.start()
            system.load()
            own[kind] = anonymous_bytes(system.pids()[0])
            say(f"{settings.many:,} keys, {kind}: {own[kind] / 1e6:,.0f} MB of its own")
    results["long"].update(memory_bytes=own, memory_ratio=own["Candor"] / own["Redis"])


def installed(results):
    kinds = []
    for name, kind in KINDS.items():
        how = kind.missing()
        if how is None:
            kinds.append(name)
        else:
            say(f"{name} is left out; to measure it: {how}")
            results["left_out"].append(f"{name} is not installed: `{how}`")
    return kinds


def save(results, settings):
    with open(os.path.join(settings.out, "results.json"), "w") as f:
        json.dump(results, f, indent=1)


def write(results, settings):
    names = [] if settings.no_pictures else plots.draw(results, os.path.join(settings.out, "pictures"))
    if names is None:
        say("no pictures: apt-get install python3-matplotlib")
    notes = ""
    with contextlib.suppress(FileNotFoundError), open(os.path.join(settings.out, "missed.md")) as f:
        notes = f.read()
    with open(os.path.join(settings.out, "RESULTS.md"), "w") as f:
        f.write(document.write(results, names or [], notes))
    say(f"written: {os.path.join(settings.out, 'RESULTS.md')}")


def measure(settings):
    os.makedirs(settings.out, exist_ok=True)
    began = time.time()
    results = {"command": "bench/compare " + " ".join(sys.argv[1:]), "began": time.strftime("%Y-%m-%d"), "settings": vars(settings),
               "machine": about(settings), "cells": {}, "curves": {}, "long": {}, "left_out": []}
    kinds = installed(results)
    for step in (three_nodes, one_node, long_runs):
        with guarded(step.__name__, results):
            step(kinds, settings, results)
        results["took_s"] = time.time() - began
        save(results, settings)  # what there is already, should the machine fail later
    write(results, settings)


QUICK = {"rounds": 1, "seconds": 0.1, "keys": 500, "many": 2000, "sizes": [300, 600], "callers": [4], "rates": [100],
         "outage_s": 3.5, "fault_s": 0.5, "mend_s": 2.2, "outage_rate": 200}


def options():
    parser = argparse.ArgumentParser(prog="bench/compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, a short moment each: that the program works, not figures")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, of {','.join(PARTS)}; default: all")
    parser.add_argument("--out", default=HERE, help="where RESULTS.md, results.json and pictures/ are written; default: bench")
    parser.add_argument("--draw", action="store_true", help="write the document and the pictures from results.json again")
    parser.add_argument("--no-pictures", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement; default 4")
    parser.add_argument("--keys", type=number_of, default=100_000, help="default 100k")
    parser.add_argument("--value", type=int, default=128, help="bytes; default 128")
    parser.add_argument("--many", type=number_of, default=1_000_000, help="keys of snapshot and memory; default 1M")
    parser.add_argument("--sizes", type=numbers, default=[10_000, 100_000, 1_000_000, 10_000_000],
                        help="numbers of keys; the target speaks of 100k and 60M, which takes 25 GB; default 10k,100k,1M,10M")
    parser.add_argument("--etcd-keys-most", type=number_of, default=10_000_000, help="etcd's quota ends somewhere; default 10M")
    parser.add_argument("--callers", type=numbers, default=[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024])
    parser.add_argument("--rates", type=numbers, default=[500, 1000, 2000, 5000, 10_000, 15_000, 20_000, 30_000, 40_000, 60_000, 80_000,
                                                          100_000, 150_000, 200_000])
    parser.add_argument("--slice-ms", type=int, default=50, help="of failover and partition; default 50")
    parser.set_defaults(outage_s=12, fault_s=3, mend_s=8, outage_rate=2000)
    parser.set_defaults(**(QUICK if "--quick" in sys.argv else {}))
    settings = parser.parse_args()
    settings.only = settings.only.split(",")
    unknown = set(settings.only) - set(PARTS)
    if unknown:
        parser.error(f"--only: no part is named {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return settings


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the servers that were started
    settings = options()
    if settings.draw:
        with open(os.path.join(settings.out, "results.json")) as f:
            write(json.load(f), settings)
    else:
        measure(settings)


if __name__ == "__main__":
    main()
