"""Two primaries by forced promotion, writes on both: one epoch wins, the other's writes are archived (R28, R40)."""
import json
import unittest

from harness import Cluster, main, python_client, until


class SplitBrain(unittest.TestCase):
    def test_one_epoch_wins_and_every_discarded_write_is_archived(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            old = c.primary()
            new = next(n for n in c.nodes if n != old)
            c.put("shared", "before")
            c.wait_equal()
            c.isolate(old)
            c.kvctl("promote", new, "--force", "--yes")
            lost = {f"old-{i}": f"lost-{i}" for i in range(20)}
            for key, value in lost.items():
                c.put(key, value, "--node", old, "--no-redirect")
            c.put("shared", "by the old", "--node", old, "--no-redirect")
            for i in range(10):
                c.put(f"new-{i}", f"won-{i}", "--node", new, "--no-redirect")
            c.put("shared", "by the new", "--node", new, "--no-redirect")
            c.heal()
            c.wait_equal()

            self.assertEqual(len({r["epoch"] for r in c.status().values()}), 1)
            self.assertEqual(c.primary(), new)
            self.assertEqual(len({c.export(n) for n in c.nodes}), 1)
            self.assertEqual(c.get("shared")["value"], "by the new")

            archives = c.json("rollback", "ls", "--node", old)["archives"]
            self.assertEqual(len(archives), 1)
            shown = c.json("rollback", "show", archives[0]["id"], "--node", old)
            ops = [op for record in shown["records"] for op in record["ops"]]
            archived = {op["key"]: op["new_value"] for op in ops}
            self.assertEqual(archived, {**lost, "shared": "by the old"})
            shared = next(op for op in ops if op["key"] == "shared")
            self.assertEqual(shared["old_value"], "before")

    def test_elected_promotion_deposes_a_primary_that_was_cut_off(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            old = c.primary()
            new = next(n for n in c.nodes if n != old)
            c.put("k", "before")
            c.wait_equal()
            c.isolate(old)
            until(lambda: c.kvctl("promote", new, status=(0, 5)) and
                  c.status()[new]["role"] == "primary", "the vote is won")
            c.put("k", "old side", "--node", old, "--no-redirect")
            c.put("k", "new side", "--node", new, "--no-redirect")
            c.heal()
            c.wait_equal()
            self.assertEqual(c.get("k", "--node", old, "--no-redirect")["value"], "new side")
            self.assertEqual(c.status()[old]["role"], "replica")

    def test_session_of_the_new_epoch_does_not_write_at_the_deposed_primary(self):
        candor = python_client()
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            old = c.primary()
            new = next(n for n in c.nodes if n != old)
            c.isolate(old)
            until(lambda: c.kvctl("promote", new, status=(0, 5)) and
                  c.status()[new]["role"] == "primary", "the vote is won")
            addresses = c.addresses()
            with candor.Client([addresses[new]]) as client:
                seen = client.put(b"k", b"in the new epoch").freshness.token
            with candor.Client([addresses[old]], session=seen, deadline=1.0) as session:
                with self.assertRaises(candor.Unavailable) as refused:
                    session.put(b"k", b"would be lost")
            self.assertIs(refused.exception.reason, candor.Reason.SESSION_BEHIND)
            self.assertFalse(refused.exception.outcome_unknown)
            # Who has seen nothing newer may write there, flagged, as the contract says.
            with candor.Client([addresses[old]]) as other:
                answer = other.put(b"k2", b"v").freshness
            self.assertTrue(answer.stale or answer.epoch.owner == old)


if __name__ == "__main__":
    main()
