"""One lost link between a replica and its primary, and a node between them (R72-R75); and who is cut off (R74)."""
import time
import unittest

from harness import Cluster, Refused, main, until


class Relay(unittest.TestCase):
    def test_one_lost_link_costs_nobody_fresh(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            primary = c.primary()
            far, near = [n for n in c.nodes if n != primary]
            c.put("k", "0")
            c.wait_equal()
            epoch = c.get("k", "--node", primary)["freshness"]["epoch"]
            c.cut(primary, far)
            until(lambda: f"relayed primary={primary} through={near}" in c.log_of(far), "the other node relays")
            until(lambda: c.status()[far]["relay"] == near, "kvctl status names the relay")
            answers = stale = n = 0
            began = time.monotonic()
            while time.monotonic() - began < 3:
                n += 1
                c.put("k", str(n), "--node", primary)
                reply = c.get("k", "--node", far, "--no-redirect")["freshness"]
                answers += 1
                stale += reply["stale"]
                if not reply["stale"]:
                    self.assertIsNone(reply["cut_off"])
            # A machine that is busy elsewhere may hold a heartbeat back; nobody who is cut off would be FRESH at all.
            self.assertLess(stale, answers / 2)
            # The bound is of the data: they are read no later than it says.
            until(lambda: c.get("k", "--node", far, "--no-redirect")["value"] == str(n), "the newest value comes")
            reply = until(lambda: (r := c.get("k", "--node", far, "--no-redirect", "--level", "bounded",
                                              "--max-staleness", "2s")) and r, "a bounded read is served")
            self.assertEqual((reply["value"], reply["freshness"]["node"]), (str(n), far))
            # It cannot ask the primary for its commit.
            with self.assertRaises(Refused) as refused:
                c.get("k", "--node", far, "--level", "linearizable", "--no-redirect")
            self.assertIn("NO_PRIMARY", refused.exception.err)
            # Nobody has stood for election.
            self.assertEqual(c.get("k", "--node", far, "--no-redirect")["freshness"]["epoch"], epoch)
            c.heal()
            until(lambda: "relay_left" in c.log_of(far), "it hears the primary itself")
            c.wait_fresh()

    def test_a_start_behind_a_lost_link(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            primary = c.primary()
            far = next(n for n in c.nodes if n != primary)
            c.cut(primary, far)
            c.kill(far)
            c.put("k", "meanwhile", "--node", primary)
            c.start(far)
            until(lambda: (r := c.get("k", "--node", far, "--no-redirect"))["value"] == "meanwhile" and
                  not r["freshness"]["stale"], "it attaches through the relay, and is FRESH")

    def test_who_is_cut_off_is_told(self):
        with Cluster(fault_proxy=True, failover="manual") as c:
            c.up().wait_fresh()
            c.put("k", "v")
            c.wait_equal()
            cut_off = lambda node: c.get("k", "--node", node, "--no-redirect")["freshness"]["cut_off"]
            far = next(n for n in c.nodes if n != c.primary())
            c.isolate(far)
            until(lambda: cut_off(far) == "me", "it hears nobody")
            others = [n for n in c.nodes if n != far]
            self.assertEqual([cut_off(n) for n in others], [None, None])
            said = "".join(c.kvctl("status", status=(0, 5)))
            self.assertIn(f"{far}: cut off: no other node hears it", said)
            c.heal()
            c.wait_fresh()
            primary = c.primary()
            c.isolate(primary)
            until(lambda: cut_off(primary) == "me", "it hears nobody")
            for node in c.nodes:
                if node != primary:
                    until(lambda: cut_off(node) == "primary", "the others hear each other")


if __name__ == "__main__":
    main()
