"""Handing over, changing voters, automatic failover, many readers (R22, R26, R29)."""
import threading
import unittest

from harness import Cluster, Refused, main, python_client, until

candor = python_client()


class MajorityWriter(threading.Thread):
    """Writes numbered keys with MAJORITY; remembers what was acknowledged, and what failed for good."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.client = candor.Client(cluster.addresses().values(), deadline=5)
        self.acked, self.failed, self.halt = [], [], threading.Event()

    def run(self):
        n = 0
        while not self.halt.is_set():
            n += 1
            try:
                self.client.put(b"key-%d" % n, b"%d" % n, ack=candor.Ack.MAJORITY)
                self.acked.append(n)
            except candor.CandorError as error:
                self.failed.append((n, str(error)))

    def stop(self):
        self.halt.set()
        self.join()


def assert_all_present(test, cluster, writer):
    reader = candor.Client(cluster.addresses().values())
    missing = [n for n in writer.acked
               if reader.get(b"key-%d" % n, level=candor.LINEARIZABLE).value != b"%d" % n]
    test.assertEqual(missing, [])


class Members(unittest.TestCase):
    def test_transfer_under_load_fails_no_majority_write(self):
        with Cluster() as c:
            c.up().wait_fresh()
            writer = MajorityWriter(c)
            writer.start()
            for to in ("b", "c", "a"):
                count = len(writer.acked)
                until(lambda: len(writer.acked) > count + 5, "writes")
                c.kvctl("transfer", to)
                self.assertEqual(c.primary(), to)
            count = len(writer.acked)
            until(lambda: len(writer.acked) > count + 5, "writes after the last transfer")
            writer.stop()
            self.assertEqual(writer.failed, [])
            assert_all_present(self, c, writer)

    def test_the_next_command_after_a_transfer_finds_the_new_primary(self):
        with Cluster() as c:
            c.up().wait_fresh()
            for to in "bcabca":
                c.kvctl("transfer", to)
                self.assertEqual(c.status()[to]["role"], "primary")
                self.assertEqual(c.json("failover", "last")["failover"]["owner"], to)
                c.wait_fresh()

    def test_automatic_failover_after_kill_loses_no_majority_write(self):
        with Cluster(failover="automatic") as c:
            c.up().wait_fresh()
            writer = MajorityWriter(c)
            writer.start()
            for _ in range(5):
                old = c.primary()
                count = len(writer.acked)
                c.kill(old)
                until(lambda: len(writer.acked) > count + 5, "writes at the new primary")
                c.start(old)
                c.wait_fresh()
            writer.stop()
            assert_all_present(self, c, writer)
            c.wait_equal()

    def test_automatic_failover_after_a_silent_cut(self):
        with Cluster(failover="automatic", fault_proxy=True) as c:
            c.up().wait_fresh()
            old = c.primary()
            c.isolate(old)
            new = until(lambda: [n for n, r in c.status().items() if r["role"] == "primary" and n != old],
                        "a new primary")[0]
            c.put("k", "v", "--ack", "majority", "--node", new)
            until(lambda: c.status()[old]["role"] == "replica", "the old one steps down (R25)")
            c.heal()
            c.wait_equal()

    def test_voters_are_added_and_removed_while_writes_go_on(self):
        with Cluster({"a": "voter", "b": "voter", "c": "voter", "d": "reader"}) as c:
            c.up().wait_fresh()
            writer = MajorityWriter(c)
            writer.start()
            primary = c.primary()
            gone = next(n for n in "abc" if n != primary)
            until(lambda: c.status()["d"]["admitted"], "d is a member")
            c.kvctl("voter", "remove", gone)
            until(lambda: c.status()[gone]["role"] == "reader", "it reads")
            until(lambda: c.kvctl("voter", "add", "d", status=(0, 5)) and c.status()["d"]["role"] == "replica",
                  "d votes")
            c.kill(gone)
            count = len(writer.acked)
            until(lambda: len(writer.acked) > count + 5, "writes with the new majority")
            with self.assertRaises(Refused):
                c.kvctl("voter", "remove", primary)
            c.start(gone)
            writer.stop()
            self.assertEqual(writer.failed, [])
            c.wait_equal()
            assert_all_present(self, c, writer)

    def test_ten_readers_cut_in_half_keep_serving_flagged_reads_on_both_sides(self):
        nodes = {"p": "voter", **{f"r{i}": "reader" for i in range(10)}}
        with Cluster(nodes, fault_proxy=True, stale_after="1s", heartbeat_interval="100ms",
                     election_timeout="2s") as c:
            c.up().wait_fresh()
            c.put("k", "before")
            c.wait_equal()
            far = [f"r{i}" for i in range(5, 10)]
            near = [n for n in c.nodes if n not in far]
            for a in near:
                for b in far:
                    c.cut(a, b)
            c.put("k", "after")
            for n in near:
                until(lambda: (r := c.get("k", "--node", n, "--no-redirect"))["value"] == "after" and
                      not r["freshness"]["stale"], f"{n} has the new value, fresh")
            for n in far:
                reply = until(lambda: (r := c.get("k", "--node", n, "--no-redirect"))["freshness"]["stale"] and r,
                              f"{n} flags its answers")
                self.assertEqual(reply["value"], "before")
            c.heal()
            c.wait_equal()


if __name__ == "__main__":
    main()
