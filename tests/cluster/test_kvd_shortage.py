"""A kvd that is given too little memory says so, with the status of a shortage: it never crashes, hangs or blames the data."""
import resource
import signal
import subprocess
import unittest

from harness import BIN, DEADLINE_S, Cluster, main
from kvd_process import running

SHORTAGE = 7
ONE = {"a": "voter"}
SMALL = {"limits": {"state": "64MiB"}}


def address_space(mib):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))


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


if __name__ == "__main__":
    main()
