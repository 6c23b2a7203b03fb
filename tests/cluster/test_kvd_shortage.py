"""A kvd that is given too little memory says so, with the status of a shortage: it never crashes, hangs or blames the data."""
import contextlib
import os
import re
import resource
import signal
import subprocess
import unittest

from harness import BIN, DEADLINE_S, Cluster, Refused, main, until
from kvd_process import running

SHORTAGE = 7
ONE = {"a": "voter"}
SMALL = {"limits": {"state": "64MiB"}}


def address_space(mib):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))


def used_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return int(re.search(r"VmSize:\s+(\d+) kB", status.read()).group(1)) // 1024


@unittest.skipIf("san" in BIN, "sanitizers need the address space for themselves")
class Memory(unittest.TestCase):
    def test_a_start_with_too_little_memory_is_a_shortage(self):
        with Cluster(ONE, **SMALL) as c:
            served = 0
            for mib in range(16, 1200, 20):
                with running(c, "a", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             preexec_fn=address_space(mib)) as node:
                    ready = node.stdout.readline()
                    if ready:
                        node.send_signal(signal.SIGTERM)
                    status = node.wait(DEADLINE_S)
                    said = node.stderr.read().decode()
                self.assertEqual(status, 0 if ready else SHORTAGE, f"{mib} MiB: {said}")
                self.assertRegex(said, r"ERROR a \w+ .*exit=7|INFO a stopped clean=yes")
                served += bool(ready)
                if served == 2:
                    return
            self.fail("it never served")

    def test_a_state_that_does_not_fit_into_the_address_space_names_limits_state(self):
        with Cluster(ONE) as c, running(c, "a", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        preexec_fn=address_space(2000)) as node:
            self.assertEqual(node.wait(DEADLINE_S), SHORTAGE)
            said = node.stderr.read().decode()
            self.assertIn("16GiB of address space", said)
            self.assertIn("ulimit -v", said)
            self.assertIn("lower limits.state", said)

    def test_a_node_that_runs_out_of_memory_refuses_or_ends_as_short_of_it(self):
        with Cluster(ONE, **SMALL) as c:
            for spare in (1, 2, 4, 8):
                with running(c, "a", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as node:
                    c.wait_fresh()
                    most = (used_mib(node.pid) + spare) << 20
                    resource.prlimit(node.pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
                    for i in range(6):
                        with contextlib.suppress(Refused):
                            c.kvctl("put", f"k{spare}.{i}", "-", "--deadline", "500ms", input="v" * 900000)
                        with contextlib.suppress(Refused):
                            c.kvctl("scan", "--deadline", "500ms", status=(0, 1, 5))
                    if node.poll() is None:
                        resource.prlimit(node.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
                        until(lambda: c.put("after", "v", "--deadline", "1s"), "writes again")
                        node.send_signal(signal.SIGTERM)
                    status = node.wait(DEADLINE_S)
                    self.assertIn(status, (0, SHORTAGE), node.stderr.read())


if __name__ == "__main__":
    main()
