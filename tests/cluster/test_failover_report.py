"""What failovers have cost, as the nodes tell it: the report after a kill, a transfer and a forced promotion; the forecast before one;
the archive that a lost session is told of; and the replay of what was discarded (R21, R40, R42, R44)."""
import json
import os
import time
import unittest

from harness import Cluster, Refused, main, python_client, until

candor = python_client()


def other_than(cluster, *nodes):
    return next(n for n in cluster.nodes if n not in nodes)


def last(cluster):
    return cluster.json("failover", "last")["failover"]


def of_node(failover, node):
    return next(n for n in failover["nodes"] if n["node"] == node)


def wait_heard_since(cluster, node, since):
    """A heartbeat came to the node after `since`: its bound reaches no further back."""
    def heard():
        asked = time.monotonic()
        bound_ms = cluster.status()[node]["staleness_bound_ms"]
        return bound_ms is not None and asked - bound_ms / 1000 > since
    until(heard, f"{node} hears another heartbeat")


class FailoverReport(unittest.TestCase):
    def test_founding_is_listed_but_is_no_failover(self):
        with Cluster() as c:
            c.up().wait_fresh()
            self.assertIsNone(last(c))
            (founding,) = c.json("failover", "ls")["failovers"]
            self.assertEqual(founding["cause"], "founding")
            self.assertIsNone(founding["previous"])
            self.assertIsNone(founding["unavailable_ms"])

    def test_kill_is_reported_with_the_time_without_writes(self):
        with Cluster(failover="automatic") as c:
            c.up().wait_fresh()
            old = c.primary()
            replica = other_than(c, old)
            c.put("k", "v", "--ack", "majority")
            epoch = c.status()[old]["epoch"]
            killed = time.monotonic()
            c.kill(old)
            c.put("k", "v", "--node", replica)
            waited_ms = (time.monotonic() - killed) * 1000
            failover = until(lambda: last(c), "a report")
            new = failover["owner"]
            self.assertEqual(failover["cause"], "election")
            self.assertEqual(failover["previous"]["owner"], old)
            self.assertEqual(failover["previous"]["epoch"], epoch)
            self.assertEqual(failover["epoch"], c.status()[new]["epoch"])
            self.assertTrue(of_node(failover, new)["opened_here"])
            self.assertGreater(failover["unavailable_ms"], 0)
            self.assertLess(failover["unavailable_ms"], waited_ms + 1000)
            self.assertAlmostEqual(failover["wall_ms"] / 1000, time.time(), delta=60)
            self.assertEqual(failover["discarded"], {"local": 0, "writes": 0, "archives": []})
            self.assertEqual(failover["unreachable"], [old])
            self.assertTrue(failover["old_primary_is_out"])
            c.start(old)
            c.wait_equal()
            self.assertEqual(last(c)["unreachable"], [])

    def test_refusals_before_a_promotion_are_counted_where_they_were_given(self):
        with Cluster() as c:
            c.up().wait_fresh()
            old = c.primary()
            new = other_than(c, old)
            third = other_than(c, old, new)
            c.put("k", "v", "--ack", "majority")
            with self.assertRaises(Refused):  # before it began: not of this failover
                c.put("k", "w", "--node", third, "--no-redirect")
            wait_heard_since(c, third, time.monotonic())
            c.kill(old)
            for _ in range(5):
                with self.assertRaises(Refused) as refused:
                    c.put("k", "w", "--node", third, "--no-redirect")
                self.assertEqual(refused.exception.status, 4)
            until(lambda: c.kvctl("promote", new, status=(0, 5)) and
                  c.status()[new]["role"] == "primary", "the vote is won")
            failover = until(lambda: (f := last(c)) and len(f["nodes"]) == 2 and f, "both saw it")
            self.assertEqual(failover["cause"], "promotion")
            self.assertEqual(of_node(failover, third)["refused_not_primary"], 5)
            self.assertEqual(of_node(failover, third)["redirects"], 5)
            self.assertEqual(of_node(failover, new)["refused_not_primary"], 0)

    def test_transfer_is_reported_and_discards_nothing(self):
        with Cluster() as c:
            c.up().wait_fresh()
            old = c.primary()
            new = other_than(c, old)
            c.put("k", "v", "--ack", "majority")
            c.kvctl("transfer", new)
            c.wait_equal()
            failover = until(lambda: (f := last(c)) and len(f["nodes"]) == 3 and f, "all nodes saw it")
            self.assertEqual(failover["cause"], "transfer")
            self.assertEqual(failover["previous"]["owner"], old)
            self.assertEqual(failover["owner"], new)
            self.assertFalse(failover["old_primary_is_out"])
            self.assertEqual(failover["discarded"]["writes"], 0)
            self.assertIsNotNone(of_node(failover, old)["gap_ms"])
            before = of_node(failover, old)["refused_not_primary"]
            with self.assertRaises(Refused):
                c.put("k", "w", "--node", old, "--no-redirect")
            after = of_node(last(c), old)
            self.assertEqual(after["refused_not_primary"], before + 1)
            self.assertEqual(after["redirects"], before + 1)
            c.kvctl("transfer", old)
            until(lambda: [f["cause"] for f in c.json("failover", "ls")["failovers"]] ==
                  ["founding", "transfer", "transfer"], "both transfers are listed")

    def test_forced_promotion_names_what_was_discarded_and_where_it_is(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            old = c.primary()
            new = other_than(c, old)
            c.put("shared", "before")
            c.wait_equal()
            c.isolate(old)
            c.kvctl("promote", new, "--force", "--yes")
            for i in range(20):
                c.put(f"old-{i}", "lost", "--node", old, "--no-redirect")
            with self.assertRaises(Refused):
                c.put("unknown", "maybe", "--ack", "majority", "--node", old, "--no-redirect",
                      "--deadline", "300ms")
            c.put("shared", "won", "--node", new, "--no-redirect")
            self.assertTrue(last(c)["old_primary_is_out"])
            c.heal()
            c.wait_equal()
            failover = last(c)
            self.assertEqual(failover["cause"], "forced")
            self.assertEqual((failover["previous"]["owner"], failover["owner"]), (old, new))
            self.assertFalse(failover["old_primary_is_out"])
            self.assertEqual(failover["discarded"]["local"], 20)
            self.assertEqual(failover["discarded"]["writes"], 21)
            (archive,) = failover["discarded"]["archives"]
            self.assertEqual(archive["node"], old)
            self.assertEqual(archive["id"], c.json("rollback", "ls")["archives"][0]["id"])
            text = c.kvctl("failover", "last")[0]
            self.assertIn(f"archive {archive['id']} of {old}: 20 LOCAL of 21 writes", text)

    def test_what_a_primary_told_before_its_epoch_ended_is_not_of_the_failover(self):
        # Long intervals: the old primary's next event after its answer is the news of the other epoch.
        with Cluster(fault_proxy=True, heartbeat_interval="2s", stale_after="8s", election_timeout="10s") as c:
            c.up().wait_fresh()
            old = c.primary()
            new = other_than(c, old)
            c.isolate(old)
            c.kvctl("promote", new, "--force", "--yes")
            with self.assertRaises(Refused):
                c.put("unknown", "maybe", "--ack", "majority", "--node", old, "--no-redirect",
                      "--deadline", "300ms")
            c.heal()
            c.wait_equal()
            self.assertEqual(of_node(last(c), old)["outcome_unknown"], 0)


class Forecast(unittest.TestCase):
    def test_dry_run_counts_what_the_primary_alone_has_acknowledged(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            old = c.primary()
            new = other_than(c, old)
            c.put("safe", "v", "--ack", "all")
            c.wait_equal()
            forecast = c.json("promote", new, "--dry-run")
            self.assertEqual(forecast["primary"], old)
            self.assertEqual(forecast["at_risk"]["local"], 0)
            self.assertIsNone(forecast["at_risk"]["oldest_age_ms"])

            c.isolate(old)
            began = time.time()
            for i in range(3):
                c.put(f"alone-{i}", "v", "--node", old)
            c.put("alone-0", "again", "--node", old)
            with self.assertRaises(Refused):
                c.put("waits", "v", "--ack", "majority", "--node", old, "--no-redirect",
                      "--deadline", "300ms")
            forecast = c.json("promote", new, "--dry-run")
            at_risk = forecast["at_risk"]
            self.assertEqual(at_risk["by"], old)
            self.assertEqual((at_risk["local"], at_risk["waiting"], at_risk["clients"]), (4, 1, 4))
            self.assertEqual([k["key"] for k in at_risk["keys"]], ["alone-0", "alone-1", "alone-2"])
            self.assertFalse(at_risk["more_keys"])
            self.assertLess(at_risk["oldest_age_ms"], (time.time() - began) * 1000 + 1000)
            self.assertEqual(c.status()[old]["at_risk"], 4)  # the gauge counts the same, not what waits
            self.assertEqual(forecast["records_beyond"], 5)
            self.assertEqual(forecast["committed_beyond"], 0)
            text = c.kvctl("promote", new, "--dry-run")[0]
            self.assertIn(f"4 acknowledged LOCAL writes that {new} lacks, of 4 clients", text)
            self.assertIn("keys: alone-0, alone-1, alone-2\n", text)
            self.assertEqual(c.status()[old]["role"], "primary")  # it has done nothing

            # What others hold is all that is left to count when the primary does not answer.
            c.pause(old)
            forecast = c.json("promote", new, "--dry-run")
            self.assertIsNone(forecast["primary"])
            self.assertEqual(forecast["unreachable_nodes"], 1)
            self.assertEqual(forecast["at_risk"]["by"], other_than(c, old, new))
            self.assertEqual(forecast["at_risk"]["local"], 0)
            text = c.kvctl("promote", new, "--dry-run")[0]
            self.assertIn("No primary answers", text)
            c.resume(old)

    def test_dry_run_is_status_5_when_it_cannot_tell(self):
        with Cluster() as c:
            c.up().wait_fresh()
            old = c.primary()
            new = other_than(c, old)
            third = other_than(c, old, new)
            c.kvctl("promote", old, "--dry-run")  # nothing is at risk
            c.kill(new)
            out, _ = c.kvctl("promote", new, "--dry-run", status=5)
            self.assertIn(f"{new} does not answer: it cannot be promoted now.", out)
            self.assertFalse(c.json("promote", new, "--dry-run", status=5)["reachable"])
            c.kill(old)
            out, _ = c.kvctl("promote", third, "--dry-run", status=5)
            self.assertIn("What is at risk could not be counted", out)
            self.assertIsNone(c.json("promote", third, "--dry-run", status=5)["at_risk"])


class Replay(unittest.TestCase):
    def test_replay_restores_what_was_not_overwritten_and_reports_the_rest(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            old = c.primary()
            new = other_than(c, old)
            for key in ("kept", "gone", "shared", "taken"):
                c.put(key, "before")
            c.wait_equal()
            c.isolate(old)
            c.kvctl("promote", new, "--force", "--yes")
            at_old = ("--node", old, "--no-redirect")
            for i in range(5):
                c.put(f"new-{i}", f"lost-{i}", *at_old)
            c.put("kept", "first", *at_old)      # two writes of one key
            c.put("kept", "second", *at_old)
            c.kvctl("del", "gone", *at_old)
            c.put("shared", "old side", *at_old)  # overwritten on the other side
            c.put("new-4", "again", *at_old)      # and made anew there
            c.kvctl("del", "taken", *at_old)
            c.put("shared", "new side", "--node", new)
            c.put("new-4", "theirs", "--node", new)
            c.heal()
            c.wait_equal()
            (archive,) = c.json("rollback", "ls")["archives"]
            expected = {"writes": 11, "replayed": 8, "already_there": 0, "conflict_count": 3}

            # Looking first changes nothing.
            before = c.export(new)
            dry = c.json("rollback", "replay", archive["id"], "--dry-run", status=6)
            self.assertEqual({k: dry[k] for k in expected}, expected)
            self.assertTrue(dry["dry_run"])
            self.assertEqual(c.export(new), before)

            reply = c.json("rollback", "replay", archive["id"], status=6)
            self.assertEqual({k: reply[k] for k in expected}, expected)
            self.assertEqual(reply["node"], old)
            conflicts = [(r["key"], r["archived"], r["overwrote"], r["present"]) for r in reply["conflicts"]]
            self.assertEqual(conflicts, [("new-4", "lost-4", None, "theirs"),
                                         ("shared", "old side", "before", "new side"),
                                         ("new-4", "again", "lost-4", "theirs")])
            self.assertEqual(dry["conflicts"], reply["conflicts"])
            for i in range(4):
                self.assertEqual(c.get(f"new-{i}")["value"], f"lost-{i}")
            self.assertEqual(c.get("kept")["value"], "second")
            self.assertEqual(c.get("shared")["value"], "new side")
            self.assertEqual(c.get("new-4")["value"], "theirs")
            for key in ("gone", "taken"):
                self.assertFalse(c.json("get", key, status=1)["found"])

            # Again: what is there already is no conflict.
            reply = c.json("rollback", "replay", archive["id"], "--node", old, status=6)
            self.assertEqual((reply["replayed"], reply["already_there"], reply["conflict_count"]), (0, 8, 3))
            text = until(lambda: c.kvctl("rollback", "replay", archive["id"], status=6)[0], "all nodes tell what they hold")
            self.assertIn("shared\tput old side\tnow new side\n", text)
            self.assertIn(f"replayed 0 of 11 writes of {archive['id']}; 8 already there; 3 conflicts\n", text)

            # A key that was written since it was replayed is newer.
            c.put("kept", "third")
            reply = c.json("rollback", "replay", archive["id"], status=6)
            self.assertEqual([r["key"] for r in reply["conflicts"]].count("kept"), 2)
            self.assertEqual(c.get("kept")["value"], "third")


class LostSession(unittest.TestCase):
    def test_node_that_rolled_back_names_the_archive_and_the_writes_of_the_client_that_asks(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            old = c.primary()
            new = other_than(c, old)
            session = candor.Client([c.addresses()[old]], follow_redirects=False)
            session.put(b"safe", b"v", ack=candor.Ack.ALL)
            c.wait_equal()
            c.isolate(old)
            c.kvctl("promote", new, "--force", "--yes")
            written = [session.put(b"lost-%d" % i, b"v").pos for i in range(3)]
            file = os.path.join(c.dir, "session")
            c.put("of another", "v", "--session", file, "--node", old)
            c.heal()
            c.wait_equal()
            (archive,) = c.json("rollback", "ls")["archives"]

            with self.assertRaises(candor.SessionLost) as raised:
                session.get(b"lost-0", level=candor.SESSION)
            lost = raised.exception.loss
            self.assertEqual(lost.archive_id, archive["id"])
            self.assertIn(f"archive {archive['id']} of {old} has it", raised.exception.message)
            self.assertEqual([w.number for w in lost.writes], [2, 3, 4])
            self.assertEqual([w.pos.seq for w in lost.writes], [p.seq for p in written])
            self.assertEqual({w.pos.epoch.owner for w in lost.writes}, {old})
            self.assertFalse(lost.more)

            # Who holds no such archive names none.
            elsewhere = candor.Client([c.addresses()[new]], session=session.session)
            with self.assertRaises(candor.SessionLost) as raised:
                elsewhere.get(b"lost-0", level=candor.SESSION)
            self.assertEqual((raised.exception.loss.archive_id, raised.exception.loss.writes), ("", ()))

            with self.assertRaises(Refused) as refused:
                c.json("get", "of another", "--session", file, "--node", old, "--no-redirect")
            self.assertEqual(refused.exception.status, 6)
            error = json.loads(refused.exception.err.splitlines()[-1])["error"]
            self.assertEqual((error["reason"], error["lost_archive"]), ("SESSION_LOST", archive["id"]))


if __name__ == "__main__":
    main()
