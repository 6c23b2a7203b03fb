"""The read contract over a real partition (docs/consistency.md)."""
import time
import unittest

from harness import Cluster, Refused, main, until


class ReadContract(unittest.TestCase):
    def test_replica_cut_off_flags_ages_and_comes_back_fresh(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            c.put("k", "v1")
            c.wait_equal()
            cut_at = time.monotonic()
            c.isolate("c")
            # The data, flagged no later than stale_after + one interval (400 + 50 ms), however slow this machine
            # polls: an answer given later than that must be stale.
            first_stale = None
            while first_stale is None:
                asked = time.monotonic()
                reply = c.get("k", "--node", "c", "--no-redirect")
                self.assertEqual(reply["value"], "v1")
                if reply["freshness"]["stale"]:
                    first_stale = reply
                else:
                    self.assertLess(asked - cut_at, 0.450 + 0.1, reply)  # 0.1: the cut itself takes time
            # Stale for a reason: no heartbeat, or no proof, within stale_after.
            age = first_stale["freshness"]["heartbeat_age_ms"]
            self.assertGreaterEqual(max(age, first_stale["freshness"]["staleness_bound_ms"]), 400)
            c.put("k", "v2")  # unseen by c
            # The client adds the time of the way back to the bound, so one slow answer may look older than the next.
            bound = first_stale["freshness"]["staleness_bound_ms"]
            later = until(lambda: (r := c.get("k", "--node", "c", "--no-redirect"))
                          ["freshness"]["heartbeat_age_ms"] > age and
                          r["freshness"]["staleness_bound_ms"] > bound and r, "age and bound grow")
            self.assertEqual(later["value"], "v1")
            self.assertEqual(later["freshness"]["state"], "STALE")

            until(lambda: "from=FRESH to=STALE" in c.log_of("c"), "a line in the log of c")

            # BOUNDED: a redirect that names the primary, and with redirects followed, its answer.
            with self.assertRaises(Refused) as refused:
                c.get("k", "--node", "c", "--level", "bounded", "--max-staleness", "100ms",
                      "--no-redirect")
            self.assertEqual(refused.exception.status, 4)
            self.assertIn("TOO_STALE", refused.exception.err)
            followed = c.get("k", "--node", "c", "--level", "bounded", "--max-staleness", "2s") \
                if later["freshness"]["staleness_bound_ms"] > 2000 else \
                c.get("k", "--node", "c", "--level", "bounded", "--max-staleness", "300ms")
            self.assertEqual(followed["value"], "v2")
            self.assertEqual(followed["freshness"]["node"], c.primary())

            c.heal()
            c.wait_fresh()  # no restart, no operator
            self.assertEqual(c.get("k", "--node", "c", "--no-redirect")["value"], "v2")
            until(lambda: "to=FRESH" in c.log_of("c").rpartition("to=STALE")[2], "a line that says so")

    def test_write_at_a_replica_is_redirected(self):
        with Cluster() as c:
            c.up().wait_fresh()
            primary = c.primary()
            replica = next(n for n in c.nodes if n != primary)
            with self.assertRaises(Refused) as refused:
                c.put("k", "v", "--node", replica, "--no-redirect")
            self.assertEqual(refused.exception.status, 4)
            self.assertIn("NOT_PRIMARY", refused.exception.err)
            reply = c.put("k", "v", "--node", replica)
            self.assertEqual(reply["freshness"]["node"], primary)

    def test_session_reads_its_writes_at_any_node(self):
        with Cluster() as c:
            c.up().wait_fresh()
            session = c.dir + "/session"
            for i in range(30):
                c.put("k", str(i), "--session", session)
                for node in c.nodes:
                    reply = c.get("k", "--node", node, "--level", "session", "--session", session,
                                  "--no-redirect")
                    self.assertEqual(reply["value"], str(i), reply)

    def test_linearizable_reads_see_every_acknowledged_write_at_every_node(self):
        with Cluster({"a": "voter", "b": "voter", "c": "voter", "r": "reader"}) as c:
            c.up().wait_fresh()
            for i in range(10):
                reply = c.put("k", str(i), "--ack", "majority")
                self.assertEqual(reply["ack"], "MAJORITY")
                for node in c.nodes:
                    reply = c.get("k", "--node", node, "--level", "linearizable", "--no-redirect")
                    self.assertEqual(reply["value"], str(i), reply)
                    self.assertGreaterEqual(reply["freshness"]["commit_seq"], reply["mod_seq"])

    def test_linearizable_read_without_a_primary_says_so_and_advises_nothing_else(self):
        with Cluster() as c:
            c.up().wait_fresh()
            primary = c.primary()
            replica = next(n for n in c.nodes if n != primary)
            c.put("k", "v")
            c.kill(primary)
            until(lambda: c.status()[replica]["state"] == "STALE", "the replica is STALE")
            for where in (("--no-redirect",), ()):
                with self.assertRaises(Refused) as refused:
                    c.get("k", "--level", "linearizable", "--node", replica, "--deadline", "500ms", *where)
                self.assertIn("NO_PRIMARY", refused.exception.err)
                self.assertNotIn("max-staleness", refused.exception.err)

    def test_without_a_majority_nothing_is_linearizable_and_majority_writes_are_unknown(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            primary = c.primary()
            c.put("k", "before")
            c.wait_equal()
            c.isolate(primary)
            where = ("--node", primary, "--no-redirect", "--deadline", "1s")
            with self.assertRaises(Refused) as refused:
                c.put("k", "unknown", "--ack", "majority", *where)
            self.assertEqual(refused.exception.status, 5)
            self.assertIn("OUTCOME_UNKNOWN", refused.exception.err)
            with self.assertRaises(Refused) as refused:
                c.get("k", "--level", "linearizable", *where)
            self.assertEqual(refused.exception.status, 5)
            c.heal()
            c.wait_fresh()
            # It was durable on the primary, which went on: now a majority has it.
            self.assertEqual(c.get("k", "--level", "linearizable")["value"], "unknown")


if __name__ == "__main__":
    main()
