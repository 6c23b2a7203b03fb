"""A write that was acknowledged LOCAL, and asked for later: committed after a reconnect, rolled back by a failover (R70)."""
import json
import threading
import unittest

from harness import Cluster, main, python_client, until

candor = python_client()


class Awaiting(threading.Thread):
    """Asks the nodes at `addresses` for what became of a token, while something else goes on."""

    def __init__(self, addresses, token):
        super().__init__()
        self.addresses, self.token = addresses, token
        self.result = self.error = None
        self.start()

    def run(self):
        with candor.Client(self.addresses) as client:
            try:
                self.result = client.await_commit(self.token, deadline=60)
            except candor.CandorError as error:
                self.error = error

    def end(self):
        self.join(timeout=60)
        if self.is_alive():
            raise AssertionError("nobody told it")
        return self


def await_json(cluster, *args, status=0):
    """What kvctl await prints on stdout, and its error."""
    out, err = cluster.kvctl("await", "-o", "json", *args, status=status)
    return json.loads(out) if out else None, json.loads(err)["error"] if err else None


class Await(unittest.TestCase):
    def test_what_was_written_alone_is_committed_after_the_reconnect(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            primary = c.primary()
            replica = next(n for n in c.nodes if n != primary)
            c.isolate(primary)
            written = c.put("k", "v", "--node", primary)
            self.assertEqual(written["ack"], "LOCAL")
            pos, token = written["pos"], written["token"]

            def not_yet():  # where the machine is slow its answer may come too late
                known, error = await_json(c, token, "--node", primary, "--deadline", "600ms", status=5)
                return known and (known, error)
            known, error = until(not_yet, "the node says how far the write has come")
            self.assertEqual((known["pos"], known["ack"]), (pos, "LOCAL"))
            self.assertEqual((error["code"], error["reason"]), ("DEADLINE_EXCEEDED", "NO_MAJORITY"))
            addresses = c.addresses()
            waiting = [Awaiting([addresses[node]], candor.Token.parse(token)) for node in (primary, replica)]
            c.heal()
            for one in waiting:
                self.assertIsNone(one.end().error)
                self.assertEqual(one.result.pos.seq, pos["seq"])
                self.assertGreaterEqual(one.result.ack, candor.Ack.MAJORITY)
            # Every voter has it: a replica sends on to the primary, which knows.
            done, _ = await_json(c, token, "--level", "all", "--node", replica)
            self.assertEqual((done["ack"], done["freshness"]["node"]), ("ALL", primary))
            _, refused = await_json(c, token, "--level", "all", "--node", replica, "--no-redirect", status=4)
            self.assertEqual((refused["reason"], refused["primary"]), ("NOT_PRIMARY", primary))

    def test_what_a_failover_takes_back_is_told_with_its_archive(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            old = c.primary()
            new = next(n for n in c.nodes if n != old)
            addresses = c.addresses()
            c.isolate(old)
            with candor.Client([addresses[old]]) as client:
                written = client.put("k", "lost")
                token = written.freshness.token
                until(lambda: c.kvctl("promote", new, status=(0, 5)) and c.status()[new]["role"] == "primary", "the vote is won")
                at_old = Awaiting([addresses[old]], token)
                # The old primary does not know yet: within its deadline the client asks elsewhere.
                _, error = await_json(c, str(token), "--deadline", "2s", status=6)
                self.assertEqual((error["code"], error["reason"]), ("ABORTED", "ROLLED_BACK"))
                self.assertNotEqual(error["freshness"]["node"], old)
                self.assertNotIn("lost_archive", error)
                c.heal()
                told = at_old.end().error
                self.assertIsInstance(told, candor.RolledBack)
                c.wait_equal()
                with self.assertRaises(candor.RolledBack) as again:
                    client.await_commit(token)
            (archive,) = c.json("rollback", "ls", "--node", old)["archives"]
            self.assertEqual((again.exception.loss.node, again.exception.loss.archive_id), (old, archive["id"]))
            self.assertEqual([w.pos for w in again.exception.loss.writes], [written.pos])
            self.assertEqual(told.loss.archive_id, archive["id"])
            place = f"g{written.pos.epoch.generation}.t{written.pos.epoch.term}.{old}:{written.pos.seq}"
            _, error = await_json(c, place, "--node", old, status=6)
            self.assertEqual(error["lost_archive"], archive["id"])
            self.assertIn(f"kvctl rollback show {archive['id']} --node {old}", error["hint"])
            # Its seq alone stands for what is there now.
            done, _ = await_json(c, str(written.pos.seq))
            self.assertEqual((done["pos"]["owner"], done["pos"]["seq"]), (new, written.pos.seq))
            self.assertIn(done["ack"], ("MAJORITY", "ALL"))

    def test_positions_that_are_none_are_refused_at_once(self):
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            session = f"{c.dir}/s.token"
            seq = c.put("k", "v", "--session", session)["pos"]["seq"]
            done, _ = await_json(c, "--session", session)
            self.assertEqual((done["pos"]["seq"], done["ack"]), (seq, "ALL"))
            foreign = candor.Token(1, candor.Pos(candor.Epoch(1, 1, "a"), seq))
            for asked, says in ((str(foreign), "FOREIGN_CLUSTER"), (f"g1.t1.a:{seq + 1}", "the log of its epoch has come to"),
                                (f"g1.t9.z:{seq}", "its owner is no node of this topology"),
                                (f"g1.t{2 ** 61}.a:{seq}", "its counters are at their end")):
                with self.subTest(asked):
                    _, error = await_json(c, asked, "--deadline", "30s", status=2)
                    self.assertEqual(error["code"], "INVALID_ARGUMENT")
                    self.assertIn(says, error["reason"] + error["message"])
            for asked in ("", "x", "g1.t0.a:1", "g1.t1.a:0", "0", "18446744073709551617", "g1.t1.a", "AAAA"):
                with self.subTest(asked):
                    _, error = await_json(c, asked, status=2)
                    self.assertIn("is no position", error["message"])
            _, error = await_json(c, status=2)
            self.assertIn("missing POSITION", error["message"])


if __name__ == "__main__":
    main()
