"""A failover and a partition as a picture: writes that are acknowledged by a majority, before, while and after the node that leads is away.

`kill -9` is a failover. For the partition the leading process is stopped (SIGSTOP) and goes on later: the others hear nothing of it, no
connection is closed, and it comes back with its old opinion of itself. Redis has no failover without Sentinel and is left out."""
import contextlib
import json
import subprocess
import time

from .candor import Candor
from .etcd import Etcd
from .measure import Failed, say

CALLERS = 32
DEADLINE = "2s"  # of one write


def watch(system, command, settings, fault, mend):
    """Runs the load; `fault` happens to the leader at fault_s and `mend` at mend_s."""
    load = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    begun = time.time()
    marks = {}
    try:
        for name, at_s, act in (("fault", settings.fault_s, fault), ("mend", settings.mend_s, mend)):
            time.sleep(max(0, begun + at_s - time.time()))
            marks[name] = time.time() * 1000
            act()
        out, err = load.communicate(timeout=settings.outage_s + 60)
    finally:
        load.kill()
        load.wait()
    if not out:
        raise Failed(f"{system.name}: {err}")
    line = json.loads(out)["timeline"]
    line["marks_s"] = {name: (ms - line["begun_wall_ms"]) / 1000 for name, ms in marks.items()}
    line["gap_ms"] = gap_ms(line)
    return line


def gap_ms(line):
    """The longest time without an acknowledged write from the fault on, in whole slices."""
    longest = current = 0
    first = int(line["marks_s"]["fault"] * 1000 // line["slice_ms"])
    for count in line["done"][first:]:
        current = 0 if count > 0 else current + line["slice_ms"]
        longest = max(longest, current)
    return longest


def candor_line(kind, settings):
    with contextlib.closing(Candor(3, settings.keys, settings.value)) as system:
        system.start()
        system.load()
        command = system.bench("put", settings.outage_s, callers=CALLERS, blocking=True, ack="majority", rate=settings.outage_rate,
                               timeline_ms=settings.slice_ms, deadline=DEADLINE, node=None)
        return watch(system, command, settings, *acts(system, kind))


def etcd_line(kind, settings):
    with contextlib.closing(Etcd(3, settings.keys, settings.value)) as system:
        system.start()
        system.load()
        command = system.bench("put", settings.outage_s, CALLERS, settings.outage_rate, settings.slice_ms, DEADLINE)
        return watch(system, command, settings, *acts(system, kind))


def acts(system, kind):
    return (system.kill, system.revive) if kind == "failover" else (system.pause, system.resume)


def outage(kind, kinds, settings):
    lines = {}
    for name, run in (("Candor", candor_line), ("etcd", etcd_line)):
        if name in kinds:
            lines[name] = run(kind, settings)
            say(f"{kind}, {name}: no write was acknowledged for {lines[name]['gap_ms']} ms")
    return lines
