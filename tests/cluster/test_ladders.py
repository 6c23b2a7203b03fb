"""Reads that ask for several levels, over a real partition (docs/consistency.md, R70)."""
import json
import unittest

from harness import Cluster, Refused, main, until

LADDER = "linearizable:20ms,bounded:300ms,eventual"


class Ladders(unittest.TestCase):
    def test_each_node_meets_what_it_can_and_says_why_no_more(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            c.put("k", "v1")
            c.wait_equal()

            def read(*more, node="c", ladder=LADDER, deadline="10s"):
                return c.get("k", "--node", node, "--no-redirect", "--ladder", ladder, "--deadline", deadline, *more)

            for node in c.nodes:
                met = until(lambda n=node: (r := read(node=n, ladder="linearizable:5s,eventual"))["ladder"]["rung"] == 1 and r,
                            f"{node} confirms its reads")
                self.assertEqual(met["ladder"], {"rung": 1, "met": {"level": "linearizable", "within_ms": 5000}, "missed": []})

            c.isolate("c")
            cut_off = until(lambda: (r := read())["ladder"]["rung"] == 3 and r, "c is too old for the bound")
            self.assertEqual(cut_off["value"], "v1")
            self.assertEqual(cut_off["ladder"]["met"], {"level": "eventual"})
            linearizable, bounded = cut_off["ladder"]["missed"]
            self.assertIn(linearizable["reason"], ("NO_PRIMARY", "NO_MAJORITY"), cut_off)
            self.assertEqual((bounded["code"], bounded["reason"]), ("FAILED_PRECONDITION", "TOO_STALE"))
            self.assertGreater(bounded["staleness_bound_ms"], 300)

            # The middle one, and what a person reads.
            self.assertEqual(read(ladder="bounded:10ms,bounded:1h,eventual")["ladder"]["rung"], 2)
            shown = "".join(c.kvctl("get", "k", "--node", "c", "--no-redirect", "--ladder", LADDER))
            self.assertRegex(shown, r"rung 1, linearizable:20ms, was not met: ")
            self.assertRegex(shown, r"rung 2, bounded:300ms, was not met: FAILED_PRECONDITION/TOO_STALE, at most .* old")
            self.assertIn("rung 3, eventual, was met", shown)

            # Where none is met the error is the last one's, and each says why.
            with self.assertRaises(Refused) as refused:
                read(ladder="linearizable:20ms,bounded:300ms")
            self.assertIn("TOO_STALE", refused.exception.err)
            self.assertEqual(len(json.loads(refused.exception.err)["error"]["missed"]), 2)

            # A client that may ask elsewhere gets more: where no rung is met the primary is asked.
            followed = c.get("k", "--node", "c", "--ladder", "linearizable:5s,bounded:300ms", "--deadline", "20s")
            self.assertEqual(followed["ladder"]["rung"], 1)

    def test_mget_and_scan_too(self):
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            c.put("k1", "v")
            c.put("k2", "v")
            for command in (("mget", "k1", "k2"), ("scan", "--prefix", "k"), ("get", "--prefix", "k", "--count-only")):
                reply = c.json(*command, "--ladder", "linearizable:10s,eventual")
                self.assertEqual(reply["ladder"]["rung"], 1, reply)
            session = c.dir + "/session"
            c.put("k1", "w", "--session", session)
            reply = c.json("get", "k1", "--session", session, "--ladder", "session:10s,eventual")
            self.assertEqual((reply["value"], reply["ladder"]["rung"]), ("w", 1))


main()
