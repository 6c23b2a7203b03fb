"""A node whose thread hangs ends, with the stack in its log; one that only waits does not."""
import re
import signal
import subprocess
import time
import unittest

from harness import DEADLINE_S, Cluster, Refused, main, until
from kvd_process import running
from node_faults import NODE_IN_LOCK, NODE_SPINS, WRITER_IN_LOCK, FaultyCluster

ONE = {"a": "voter"}
HUNG = 5
FOR_EVER_MS = 3600 * 1000


def attempt_put(cluster):
    try:
        cluster.put("k", "stuck", "--deadline", "300ms")
    except Refused:
        pass


class Hang(unittest.TestCase):
    def check(self, hang, thread, *args):
        with FaultyCluster(ONE) as c:
            with running(c, "a", "--hang-timeout", "2s", *args, env=c.environment, stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE) as node:
                c.wait_fresh()
                c.put("k", "v")
                c.controls["a"].hang = hang
                attempt_put(c)
                status = node.wait(DEADLINE_S)
                said = node.stderr.read().decode()
            self.assertEqual(status, HUNG, said)
            # The other one may wait for a lock that this one holds, and be told first.
            self.assertRegex(said, r"ERROR a hung thread=(node|writer) for_ms=\d+ .*exit=5")
            stacks = dict(re.findall(r"ERROR a stack thread=(\S+) tid=\d+ state=\w frames=\"(.*)\"", said))
            self.assertRegex(stacks[thread], r"kvd\+0x[0-9a-f]+", said)
            self.assertIn("preload_faults.so", stacks[thread])
            self.assertLessEqual({"node", "writer", "kvd"}, stacks.keys(), said)
            # What it had acknowledged is there when it is started again.
            c.controls["a"].hang = 0
            with running(c, "a", env=c.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
                c.wait_fresh()
                self.assertIn(c.get("k")["value"], ("v", "stuck"))

    def test_a_node_thread_that_waits_for_a_lock_for_ever_ends_the_process(self):
        self.check(NODE_IN_LOCK, "node")

    def test_a_node_thread_that_spins_ends_the_process(self):
        self.check(NODE_SPINS, "node")

    def test_a_writer_that_waits_for_a_lock_for_ever_ends_the_process(self):
        self.check(WRITER_IN_LOCK, "writer")

    def test_sigterm_ends_a_node_that_hangs_without_a_watchdog(self):
        with FaultyCluster(ONE) as c, \
             running(c, "a", "--hang-timeout", "0", "--stop-timeout", "1s", env=c.environment,
                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as node:
            c.wait_fresh()
            c.controls["a"].hang = NODE_IN_LOCK
            attempt_put(c)
            node.send_signal(signal.SIGTERM)
            self.assertEqual(node.wait(DEADLINE_S), 6)
            said = node.stderr.read().decode()
            self.assertRegex(said, "stop_forced")
            self.assertRegex(said, r"ERROR a stack thread=node .*preload_faults.so")


class Wait(unittest.TestCase):
    def test_a_disk_that_hangs_is_reported_and_the_node_goes_on_to_be_read(self):
        with FaultyCluster(ONE) as c, \
             running(c, "a", "--hang-timeout", "2s", "--log-file", f"{c.dir}/log", env=c.environment,
                     stdout=subprocess.DEVNULL) as node:
            c.wait_fresh()
            c.put("k", "v")
            c.controls["a"].sync_delay_ms = FOR_EVER_MS
            attempt_put(c)

            def reports():
                with open(f"{c.dir}/log", encoding="utf-8") as log:
                    return re.findall(r"WARN a no_progress thread=writer for_ms=(\d+)", log.read())
            until(lambda: len(reports()) >= 2, "two reports")
            self.assertIsNone(node.poll())
            self.assertEqual(c.get("k", "--level", "eventual")["value"], "v")
            c.controls["a"].heal()
            until(lambda: c.put("k", "after", "--deadline", "1s"), "writes again")

    def test_a_pause_of_the_whole_process_does_not_count(self):
        with Cluster(ONE) as c, running(c, "a", "--hang-timeout", "2s", stdout=subprocess.DEVNULL) as node:
            c.wait_fresh()
            for _ in range(3):
                node.send_signal(signal.SIGSTOP)
                time.sleep(3)  # the length of the pause is what is tested
                node.send_signal(signal.SIGCONT)
                c.put("k", "v", "--deadline", "20s")
            self.assertIsNone(node.poll())

    def test_an_idle_node_makes_progress(self):
        nodes = {"a": "voter", "b": "voter"}
        with Cluster(nodes) as c, \
             running(c, "b", "--hang-timeout", "2s", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as node:
            until(lambda: c.status()["b"]["state"] is not None, "b answers; alone, it has nothing to do")
            time.sleep(5)  # longer than the time that a thread may be silent
            self.assertIsNone(node.poll())
            node.send_signal(signal.SIGTERM)
            self.assertEqual(node.wait(DEADLINE_S), 0)
            self.assertNotIn("no_progress", node.stderr.read().decode())


class Ask(unittest.TestCase):
    def test_sigusr1_logs_where_the_threads_are(self):
        with Cluster(ONE) as c, running(c, "a", "--log-file", f"{c.dir}/log", stdout=subprocess.DEVNULL) as node:
            c.wait_fresh()
            node.send_signal(signal.SIGUSR1)

            def named():
                with open(f"{c.dir}/log", encoding="utf-8") as log:
                    return set(re.findall(r"INFO a stack thread=(\S+) .*frames=\".*kvd\+0x", log.read()))
            until(lambda: {"node", "writer", "kvd"} <= named(), "the stacks")
            c.put("k", "v")


if __name__ == "__main__":
    main()
