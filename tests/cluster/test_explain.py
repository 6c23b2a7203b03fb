"""kvctl explain: what every node would answer, and why, is what it does answer; and the contract's own sentences say so."""
import json
import os
import re
import unittest

from harness import ROOT, Cluster, Refused, main, until

LEVELS = (("--level", "eventual"), ("--max-staleness", "2s"), ("--level", "linearizable"))


def plain(text):
    return re.sub(r"\s+", " ", text.replace("`", ""))


with open(os.path.join(ROOT, "docs/consistency.md"), encoding="utf-8") as f:
    CONTRACT = plain(f.read())


class Explain(unittest.TestCase):
    def nodes(self, cluster, *args, status=0):
        """Rows by node; each sentence is one of docs/consistency.md."""
        told = cluster.json("explain", *args, status=status)
        for row in told["nodes"]:
            for sentence in filter(None, (row["contract"], row["worst_case"])):
                self.assertIn(plain(sentence), CONTRACT)
        return {row["node"]: row for row in told["nodes"]}

    def expect_as_told(self, cluster, node, row, *args):
        """The node does what it said."""
        # Of a wait nobody waits for the end.
        deadline = ("--deadline", "1s") if row["verdict"] == "waits" else ()
        try:
            answer = cluster.get("k", "--node", node, "--no-redirect", *args, *deadline, status=(0, 1))
        except Refused as refused:
            error = json.loads(refused.err)["error"]
            self.assertEqual((error["code"], error["reason"]), (row["code"], row["reason"] or "NONE"), (node, args, row))
            self.assertEqual(error["primary"], row["primary"])
            self.assertNotEqual(row["verdict"], "answers")
            return
        self.assertEqual(row["verdict"], "answers", (node, args, row, answer))
        self.assertEqual((answer["found"], answer["mod_seq"]), (row["item"]["found"], row["item"]["mod_seq"]))

    def test_what_nodes_would_answer_is_what_they_answer(self):
        with Cluster({"a": "voter", "b": "voter", "c": "voter", "d": "reader"}, fault_proxy=True) as c:
            c.up().wait_fresh()
            session = f"{c.dir}/s.token"
            c.put("k", "v", "--ack", "majority", "--session", session)
            c.wait_equal()
            levels = (*LEVELS, ("--session", session))
            for level in levels:
                rows = self.nodes(c, "get", "k", *level)
                self.assertEqual({row["verdict"] for row in rows.values()}, {"answers"}, (level, rows))
            rows = self.nodes(c, "get", "k", "--session", session)
            self.assertEqual({row["token"] for row in rows.values()}, {"here"})
            replica = next(row for row in rows.values() if row["freshness"]["role"] == "replica")
            # Silence would make it STALE; it would still have what the session has seen.
            self.assertEqual(replica["then"], {"state": "STALE", "verdict": "answers", "reason": None})
            self.assertLessEqual(replica["holds_for_ms"], replica["stale_after_ms"])

            primary = c.primary()
            cut = next(n for n in ("a", "b", "c") if n != primary)
            c.isolate(cut)
            c.put("k", "newer", "--session", session)

            def settled():
                rows = c.status()
                bound = rows[cut]["staleness_bound_ms"]
                return (rows[cut]["state"] == "STALE" and (bound is None or bound > 2000)
                        and len({row["applied_seq"] for node, row in rows.items() if node != cut}) == 1)
            until(settled, f"{cut} is STALE, by more than 2 s, and the others have the write")
            wanted = {"EVENTUAL": "answers", "BOUNDED": "redirects", "LINEARIZABLE": "redirects", "SESSION": "waits"}
            for level, verdict in zip(levels, wanted.values()):
                rows = self.nodes(c, "get", "k", *level)
                self.assertEqual(rows[cut]["verdict"], verdict, rows[cut])
                for node, row in rows.items():
                    self.expect_as_told(c, node, row, *level)
            self.assertEqual(self.nodes(c, "get", "k", "--session", session)[cut]["token"], "behind")

    def test_who_would_have_to_acknowledge_a_write(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            c.put("k", "v")
            c.wait_equal()
            primary = c.primary()
            others = [n for n in c.nodes if n != primary]
            rows = self.nodes(c, "put", "k", "--ack", "majority")
            self.assertEqual((rows[primary]["verdict"], rows[primary]["needed"], rows[primary]["answering"]), ("answers", 2, 3))
            for other in others:
                self.assertEqual((rows[other]["verdict"], rows[other]["reason"], rows[other]["primary"]),
                                 ("redirects", "NOT_PRIMARY", primary))
            last = c.status()[primary]["applied_seq"]
            c.isolate(primary)

            def alone():
                row = self.nodes(c, "put", "k", "--ack", "majority")[primary]
                return row["answering"] == 1 and row
            row = until(alone, "the primary hears nobody")
            self.assertEqual((row["verdict"], row["reason"]), ("waits", "OUTCOME_UNKNOWN"))
            self.assertEqual({v["node"]: v["answers"] for v in row["voters"]}, {primary: True, **{n: False for n in others}})
            self.assertEqual(self.nodes(c, "put", "k", "--ack", "local")[primary]["verdict"], "answers")
            c.put("k", "alone", "--node", primary, "--no-redirect")
            row = self.nodes(c, "put", "k", "--ack", "all")[primary]
            self.assertEqual((row["verdict"], row["needed"], row["at_risk"], row["last_seq"]), ("waits", 3, 1, last + 1))

    def test_a_silent_node_has_a_row_and_the_drawing_a_line(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.put("k", "v")
            c.wait_equal()
            dead = next(n for n in c.nodes if n != c.primary())
            c.kill(dead)
            rows = self.nodes(c, "get", "k")
            self.assertEqual((rows[dead]["answered"], rows[dead]["verdict"], rows[dead]["freshness"]), (False, "unknown", None))
            self.assertTrue(rows[dead]["error"])
            self.assertEqual({len(row) for row in rows.values()}, {len(rows[dead])})
            out, _ = c.kvctl("explain", "get", "k", "--draw")
            self.assertRegex(out, rf"(?m)^{dead} .*does not answer")
            self.assertRegex(out, rf"(?m)^{dead}  does not answer$")
            self.assertRegex(out, r"(?m)^ +-\d+ms +now +\+\d+ms$")
            self.assertIn("EVENTUAL, at worst: data as old as the node's last contact", out)
            out, _ = c.kvctl("explain", "put", "k", "--ack", "all", "--draw")
            self.assertRegex(out, r"ALL needs 3 of 3 voters")
            for node in set(c.nodes) - {dead}:
                c.kill(node)
            told = self.nodes(c, "get", "k", status=5)
            self.assertFalse(any(row["answered"] for row in told.values()))


if __name__ == "__main__":
    main()
