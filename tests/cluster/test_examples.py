"""The examples under a partition and failovers: right keeps its invariant, wrong breaks and says by which steps."""
import os
import sys
import unittest

from harness import ROOT, main

sys.path.insert(0, os.path.join(ROOT, "examples"))
import run as examples  # noqa: E402


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = examples.new_cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.up().wait_fresh()

    def archived(self):
        """(key, value) of every write that some node discarded."""
        shown = (self.cluster.json("rollback", "show", archive["id"], "--node", node) for node in self.cluster.nodes
                 for archive in self.cluster.json("rollback", "ls", "--node", node)["archives"])
        return {(op["key"], op.get("new_value")) for one in shown for record in one["records"] for op in record["ops"]}

    def test_right_modes_keep_their_invariants_through_a_partition_and_failovers(self):
        outputs = examples.run_right(self.cluster, examples.NAMES)
        self.assertIn("flagged stale", outputs["feed"])
        self.assertRegex(outputs["feed"], r"BOUNDED 500 ms at \w: sent on")
        self.assertRegex(outputs["lock"], r"none lost; [1-9]\d* slept longer than their lock")

    def test_a_thousand_operations_in_flight_lose_no_write(self):
        text = examples.run_right(self.cluster, examples.ALONE)["pipeline"]
        self.assertIn("kept: ", text)

    def test_wrong_bank_loses_an_update_and_a_local_write(self):
        text = examples.run_wrong(self.cluster, "bank")
        self.assertIn("BROKEN: the total is 910, not 800", text)  # 80 spent twice, 30 credited but not debited
        self.assertIn("BREAKS: it overwrites 1, which it had not seen", text)
        self.assertIn("BREAKS: rolled back by the failover", text)
        self.assertIn("session_lost", text)
        self.assertIn(("bank/dee", "70"), self.archived())  # what one recovers from

    def test_wrong_cart_misses_an_item_and_sells_twice(self):
        text = examples.run_wrong(self.cluster, "cart")
        self.assertIn("the laptop reads the cart: EMPTY", text)
        self.assertIn("FAILED_PRECONDITION/SESSION_BEHIND", text)
        self.assertIn("BROKEN: an item was not seen, and 4 lamps sold out of 2", text)

    def test_wrong_lock_loses_a_count(self):
        text = examples.run_wrong(self.cluster, "lock")
        self.assertIn("ann's time was over", text)
        self.assertIn("BREAKS: it overwrites ben's", text)
        self.assertIn("BROKEN: two have counted, and the sheet says 1", text)

    def test_wrong_feed_shows_the_old_and_the_taken_back_as_new(self):
        text = examples.run_wrong(self.cluster, "feed")
        self.assertIn("FAILED_PRECONDITION/TOO_STALE", text)
        self.assertIn("BROKEN: an old feed was shown as new, and a post that was taken back", text)


if __name__ == "__main__":
    main()
