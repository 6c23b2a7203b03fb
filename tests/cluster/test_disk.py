"""Full and frozen disks under real processes (R6, R20)."""
import contextlib
import os
import resource
import signal
import unittest

from harness import Cluster, Refused, main, until


def pid_of(cluster, node):
    return cluster.status()[node]["pid"]


class FullDisk:
    """A quota: files of the process may not grow beyond `bytes` while this is open."""

    def __init__(self, pid, bytes):
        self.pid, self.bytes = pid, bytes

    def __enter__(self):
        self.before = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (self.bytes, self.before[1]))

    def __exit__(self, *_):
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, self.before)


class NoDescriptors:
    """The process gets no further descriptor while this is open; those that it has stay."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        self.before = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (3, self.before[1]))

    def __exit__(self, *_):
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, self.before)


class Disk(unittest.TestCase):
    def test_primary_with_a_full_disk_refuses_writes_reads_on_and_recovers(self):
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            c.put("k", "before")
            with FullDisk(pid_of(c, "a"), 4096):
                with self.assertRaises(Refused) as refused:
                    c.put("k", "x" * 5000, "--deadline", "1s")
                self.assertIn("DISK_FULL", refused.exception.err)
                self.assertEqual(c.get("k")["value"], "before")
            until(lambda: c.put("k", "after", "--deadline", "1s"), "writes again")
            self.assertEqual(c.get("k")["value"], "after")
            c.kill("a")
            c.start("a")
            c.wait_fresh()
            self.assertEqual(c.get("k")["value"], "after")

    def test_primary_with_a_full_disk_hands_over_to_a_voter_with_room(self):
        with Cluster(failover="automatic", heartbeat_interval="100ms", stale_after="1s",
                     election_timeout="2s") as c:
            c.up().wait_fresh()
            old = c.primary()
            c.put("k", "before", "--ack", "all")
            epoch = c.status()[old]["epoch"]
            with FullDisk(pid_of(c, old), 4096):
                until(lambda: c.put("k", "x" * 5000, "--ack", "majority", "--deadline", "1s"),
                      "a write at a node with room")
                status = c.status()
                self.assertNotEqual(c.primary(), old)
                self.assertGreater(status[c.primary()]["epoch"], epoch)
                until(lambda: c.status()[old]["no_room"], "its own word that it has no room")
                self.assertIn("its disk is full", c.kvctl("status", status=(0, 5))[0])
            c.wait_equal()
            self.assertFalse(c.status()[old]["no_room"])
            self.assertEqual(c.export(old), c.export(c.primary()))

    def test_in_manual_mode_log_and_status_say_what_to_do_about_a_full_disk(self):
        with Cluster() as c:
            c.up().wait_fresh()
            old = c.primary()
            c.put("k", "before", "--ack", "all")
            with FullDisk(pid_of(c, old), 4096):
                with self.assertRaises(Refused):
                    c.put("k", "x" * 5000, "--deadline", "1s")
                until(lambda: "kvctl transfer" in c.log_of(old), "the way out in the log")
                self.assertIn("kvctl transfer", c.kvctl("status", status=(0, 5))[0])
                self.assertEqual(c.primary(), old)
                c.kvctl("transfer", next(n for n in c.nodes if n != old))
                c.put("k", "x" * 5000, "--ack", "majority")
            c.wait_equal()

    def test_replica_with_a_full_disk_falls_behind_and_catches_up(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.put("k", "before")
            c.wait_equal()
            with FullDisk(pid_of(c, "c"), 4096):
                for i in range(20):
                    c.put(f"k{i}", "x" * 2000, "--ack", "majority")
                self.assertLess(c.status()["c"]["applied_seq"], c.status()["a"]["applied_seq"])
            c.wait_equal()
            self.assertEqual(c.export("c"), c.export("a"))

    def test_state_at_its_limit_takes_deletes_and_then_writes_again(self):
        with Cluster(limits={"state": "4MiB"}) as c:
            c.up().wait_fresh()
            pids = {n: row["pid"] for n, row in c.status().items()}
            put = lambda key: c.kvctl("put", key, "--value-file", "-", "--ack", "majority", "--deadline", "5s", input="x" * 100000)
            stored = []
            with self.assertRaises(Refused) as refused:
                for i in range(100):
                    put(f"k{i}")
                    stored.append(f"k{i}")
            self.assertIn("STATE_FULL", refused.exception.err)
            self.assertIn("node a has reached limits.state", refused.exception.err)
            self.assertNotIn("disk", refused.exception.err)
            self.assertGreater(len(stored), 20)
            for key in stored:
                c.kvctl("del", key, "--ack", "majority", "--deadline", "5s")
            for key in stored[:10]:
                until(lambda: put(key), "writes again")
            c.wait_equal()
            self.assertEqual({n: row["pid"] for n, row in c.status().items()}, pids)

    def test_replica_without_descriptors_for_a_segment_falls_behind_and_catches_up(self):
        with Cluster(retention={"log": "32MiB"}) as c:
            c.up().wait_fresh()
            pid = pid_of(c, "c")
            with NoDescriptors(pid):
                for i in range(70):  # more than a segment
                    c.kvctl("put", f"k{i % 7}", "--value-file", "-", "--ack", "majority", input=f"{i}" + "x" * 1000000)
                until(lambda: " shortage " in c.log_of("c"), "the shortage told")
                self.assertLess(c.log_of("c").count(" shortage "), 40)  # now and then, not each time
            c.wait_equal()
            self.assertEqual(c.export("c"), c.export("a"))
            self.assertEqual(pid_of(c, "c"), pid)  # it lived through it

    def test_vote_without_descriptors_is_given_once_there_are_some(self):
        with Cluster(failover="automatic") as c:
            c.up().wait_fresh()
            old = c.primary()
            c.put("k", "before", "--ack", "all")
            others = {n: pid_of(c, n) for n in c.nodes if n != old}
            with contextlib.ExitStack() as shortages:
                for pid in others.values():
                    shortages.enter_context(NoDescriptors(pid))
                c.kill(old)
                until(lambda: any(" shortage " in c.log_of(n) for n in others), "a vote that waits")
            until(lambda: any(c.status()[n]["role"] == "primary" for n in others), "a new primary")
            self.assertEqual(c.get("k", "--level", "linearizable")["value"], "before")
            self.assertEqual({n: pid_of(c, n) for n in others}, others)

    def test_primary_that_freezes_is_replaced_and_what_it_answers_late_reaches_nobody(self):
        with Cluster(failover="automatic") as c:
            c.up().wait_fresh()
            old = c.primary()
            c.put("k", "before", "--ack", "majority")
            pid = pid_of(c, old)
            c.pause(old)
            try:
                others = [n for n in c.nodes if n != old]
                new = until(lambda: [n for n in others if c.status()[n]["role"] == "primary"], "a new primary")[0]
                c.put("k", "after", "--ack", "majority", "--node", new)
            finally:
                os.kill(pid, signal.SIGCONT)
            c.wait_equal()
            self.assertEqual(c.get("k", "--node", old, "--level", "linearizable")["value"], "after")


if __name__ == "__main__":
    main()
