"""The faults of preload_faults.c: each does what it says, until it is lifted, and kvd bears it."""
import os
import subprocess
import sys
import tempfile
import time
import unittest

from harness import Refused, main, until
from node_faults import FaultyCluster, environment, make_control

# A process that is told what to do line by line, as `--node x`.
PUPPET = """
import os, sys, time
def clocks():
    return [time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.monotonic_ns()]
def attempt(call):
    try:
        return call()
    except OSError as error:
        return error.errno
for line in sys.stdin:
    print(eval(line), flush=True)
"""


class Puppet:
    def __init__(self, node="x"):
        self.directory = tempfile.TemporaryDirectory(prefix="candor-faults-")
        self.control = make_control(self.directory.name, "x")
        self.node = node
        self.begin()

    def begin(self):
        self.process = subprocess.Popen([sys.executable, "-c", PUPPET, "--node", self.node], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=environment(self.directory.name))

    def tell(self, expression):
        self.process.stdin.write(expression + "\n")
        self.process.stdin.flush()

    def hear(self):
        return eval(self.process.stdout.readline())

    def ask(self, expression):
        self.tell(expression)
        return self.hear()

    def open(self):
        """Gives the number of a new regular file."""
        return self.ask(f"os.open({os.path.join(self.directory.name, 'file')!r}, os.O_RDWR | os.O_CREAT)")

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        self.directory.cleanup()


def rate_bounds(first, then):
    """What CLOCK_BOOTTIME ran by between two looks at it, each between two looks at CLOCK_MONOTONIC: (least, most)."""
    ran = then[1] - first[1]
    return ran / (then[2] - first[0]), ran / (then[0] - first[2])


def measured_rate(puppet):
    """Within a thousandth, however long that takes."""
    first = puppet.ask("clocks()")

    def narrow():
        low, high = rate_bounds(first, puppet.ask("clocks()"))
        return (low, high) if high - low < 0.001 else None
    return until(narrow, "the rate of the clock is known")


def gained_ns(control):
    """At most what the clock is ahead: the process reads it between the two reads here."""
    own = control.own_ns
    return own - control.real_ns


class Clock(unittest.TestCase):
    def test_boottime_runs_at_the_rate_that_it_is_told(self):
        with Puppet() as puppet:
            for ppm in (0, 20000, -45000, 0):
                puppet.control.rate_ppm = ppm
                puppet.ask("clocks()")  # what passed before this reading passed at the new rate, too
                low, high = measured_rate(puppet)
                self.assertLessEqual(low, 1 + ppm / 1e6, ppm)
                self.assertGreaterEqual(high, 1 + ppm / 1e6, ppm)

    def test_boottime_never_jumps_when_its_rate_changes_or_its_process_is_started_again(self):
        with Puppet() as puppet:
            before = puppet.ask("clocks()")
            for ppm in (45000, -45000, 0) * 5:
                puppet.control.rate_ppm = ppm
                if ppm == 0:
                    puppet.end()
                    puppet.begin()
                now = puppet.ask("clocks()")
                low, high = rate_bounds(before, now)
                self.assertLessEqual(low, 1.045)
                self.assertGreaterEqual(high, 0.955)
                self.assertGreater(now[1], before[1])
                before = now

    def test_process_of_another_node_is_not_disturbed(self):
        with Puppet("y") as puppet:
            puppet.control.rate_ppm = 45000
            puppet.control.full = 1
            low, _ = measured_rate(puppet)
            self.assertLess(low, 1.01)
            fd = puppet.open()
            self.assertEqual(puppet.ask(f"attempt(lambda: os.write({fd}, b'abc'))"), 3)
            self.assertEqual(puppet.control.own_ns, 0)


class Disk(unittest.TestCase):
    def test_sync_takes_as_long_as_it_is_told(self):
        with Puppet() as puppet:
            fd = puppet.open()
            puppet.control.sync_delay_ms = 50
            for n, call in enumerate(("fsync", "fdatasync"), 1):
                before, after = puppet.ask(f"(time.monotonic_ns(), os.{call}({fd}), time.monotonic_ns())")[::2]
                self.assertGreaterEqual(after - before, 49e6)  # it counts whole milliseconds
                self.assertEqual(puppet.control.slow_syncs, n)

    def test_sync_that_hangs_ends_when_the_fault_is_lifted(self):
        with Puppet() as puppet:
            fd = puppet.open()
            puppet.control.sync_delay_ms = 3600 * 1000
            puppet.tell(f"os.fdatasync({fd})")
            until(lambda: puppet.control.slow_syncs == 1, "the fdatasync hangs")
            puppet.control.sync_delay_ms = 0
            self.assertIsNone(puppet.hear())

    def test_full_disk_refuses_writes_and_takes_them_when_there_is_room(self):
        with Puppet() as puppet:
            fd = puppet.open()
            calls = [f"os.write({fd}, b'abc')", f"os.writev({fd}, [b'abc'])", f"os.pwrite({fd}, b'abc', 0)",
                     f"os.posix_fallocate({fd}, 0, 3)"]
            puppet.control.full = 1
            for n, call in enumerate(calls, 1):
                self.assertEqual(puppet.ask(f"attempt(lambda: {call})"), 28, call)  # ENOSPC
                self.assertEqual(puppet.control.refused_writes, n)
            self.assertEqual(puppet.ask(f"os.fstat({fd}).st_size"), 0)
            puppet.control.full = 0
            for call in calls:
                self.assertIn(puppet.ask(f"attempt(lambda: {call})"), (3, None), call)
            self.assertEqual(puppet.control.refused_writes, len(calls))

    def test_full_disk_has_room_to_overwrite_the_head_of_a_file_and_nothing_else(self):
        with Puppet() as puppet:
            fd = puppet.open()
            puppet.ask(f"os.write({fd}, bytes(20000))")
            puppet.control.full = 1
            for at, expected in ((0, 3), (8189, 3), (8190, 28), (19997, 28), (20000, 28)):
                self.assertEqual(puppet.ask(f"attempt(lambda: os.pwrite({fd}, b'abc', {at}))"), expected, at)


class Nodes(unittest.TestCase):
    def test_primary_whose_disk_stalls_longer_than_writer_stall_is_replaced(self):
        with FaultyCluster(failover="automatic") as c:
            c.up().wait_fresh()
            old = c.primary()
            c.put("k", "before", "--ack", "majority")
            c.controls[old].sync_delay_ms = 3600 * 1000
            with self.assertRaises(Refused):  # it owes an fsync from here on
                c.put("k", "stuck", "--node", old, "--no-redirect", "--deadline", "300ms")
            others = [n for n in c.nodes if n != old]
            new = until(lambda: [n for n in others if c.status()[n]["role"] == "primary"], "a new primary")[0]
            c.put("k", "after", "--ack", "majority", "--node", new)
            c.controls[old].heal()
            c.wait_equal()
            self.assertEqual(c.get("k", "--node", old, "--level", "linearizable")["value"], "after")

    def test_primary_with_a_full_disk_says_so_and_goes_on_when_there_is_room(self):
        with FaultyCluster() as c:
            c.up().wait_fresh()
            c.put("k", "before", "--ack", "majority")
            c.controls["a"].full = 1
            with self.assertRaises(Refused) as refused:
                c.put("k", "lost", "--node", "a", "--deadline", "1s")
            self.assertIn("DISK_FULL", refused.exception.err)
            self.assertGreater(c.controls["a"].refused_writes, 0)
            self.assertEqual(c.get("k")["value"], "before")
            c.controls["a"].heal()
            until(lambda: c.put("k", "after", "--ack", "majority", "--deadline", "1s"), "writes again")
            c.wait_equal()

    def test_node_whose_clock_is_fast_within_the_bound_is_fresh(self):
        with FaultyCluster(clock_drift_ppm=50000) as c:
            c.controls["b"].rate_ppm = 45000
            c.up().wait_fresh()
            until(lambda: gained_ns(c.controls["b"]) > 10 * 1000 * 1000, "the clock of b gains")
            self.assertLessEqual(gained_ns(c.controls["a"]), 0)
            c.wait_fresh()


if __name__ == "__main__":
    main()
