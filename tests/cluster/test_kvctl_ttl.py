#!/usr/bin/env python3
"""Keys that end, as a user meets them: put --ttl, ttl, expire, persist; through failovers, copies and imports."""
import json
import os
import unittest

from harness import Cluster, Refused, main, until


class Ttl(unittest.TestCase):
    def item(self, c, key, *args):
        """What `get -o json` says, of a key that is there or not."""
        try:
            return c.json("get", key, *args)
        except Refused as refused:
            self.assertEqual(refused.status, 1, refused)
            return json.loads(refused.out)

    def gone(self, c, key, *args):
        return not self.item(c, key, "--level", "linearizable", *args)["found"]

    def test_a_key_is_put_for_a_time_asked_for_it_and_kept(self):
        with Cluster({"a": "voter"}) as c:
            c.up()
            c.kvctl("put", "k", "v", "--ttl", "1h")
            self.assertLessEqual(c.json("ttl", "k")["ttl_ms"], 3600000)
            self.assertRegex(c.kvctl("ttl", "k")[0], r"^\d+(ms|s|m|h)\n$")
            c.kvctl("persist", "k")
            self.assertEqual(c.kvctl("ttl", "k")[0], "none\n")
            self.assertIsNone(self.item(c, "k")["ttl_ms"])
            seq = self.item(c, "k")["mod_seq"]
            c.kvctl("expire", "k", "2h", "--expect-mod-seq", str(seq + 1), status=6)
            self.assertTrue(c.json("expire", "k", "2h", "--expect-mod-seq", str(seq))["succeeded"])
            self.assertGreater(c.json("ttl", "k")["ttl_ms"], 3600000)
            c.kvctl("expire", "k", "1ms")
            until(lambda: self.gone(c, "k"), "its time is over")
            for args in (("ttl", "k"), ("expire", "k", "1s"), ("persist", "k")):
                self.assertIn("no such key", c.kvctl(*args, status=1)[1])

    def test_wrong_times_are_refused(self):
        with Cluster({"a": "voter"}) as c:
            c.up()
            for args in (("put", "k", "v", "--ttl", "0s"), ("put", "k", "v", "--ttl", "soon"), ("expire", "k", "0s"),
                         ("expire", "k", "soon"), ("cas", "k", "--expect-absent", "v", "--ttl", "900000h")):
                with self.subTest(args):
                    c.kvctl(*args, status=2)
            self.assertFalse(self.item(c, "k")["found"])

    def test_locks_are_let_go_of_by_themselves(self):
        with Cluster({"a": "voter"}) as c:
            c.up()
            first = c.json("cas", "lock", "--expect-absent", "one", "--ttl", "1s")["pos"]["seq"]
            c.kvctl("cas", "lock", "--expect-absent", "two", "--ttl", "1s", status=6)

            def taken():
                return c.json("cas", "lock", "--expect-absent", "two", "--ttl", "1h")
            self.assertGreater(until(taken, "two has it")["pos"]["seq"], first)
            c.kvctl("expire", "lock", "1h", "--expect-mod-seq", str(first), status=6)

    def test_a_failover_and_a_copy_keep_the_time(self):
        with Cluster(failover="automatic") as c:
            c.up()
            c.kvctl("put", "long", "v", "--ttl", "1h", "--ack", "all")
            c.kvctl("put", "short", "v", "--ttl", "3s", "--ack", "all")
            old = c.primary()
            c.kill(old)
            until(lambda: c.primary() not in (None, old), "another leads")
            self.assertLessEqual(self.item(c, "long", "--level", "linearizable")["ttl_ms"], 3600000)
            until(lambda: self.gone(c, "short"), "its time is over")
            c.start(old)
            c.wait_equal()
            for node in "abc":
                held = self.item(c, "long", "--node", node)
                self.assertTrue(held["found"] and 0 < held["ttl_ms"] <= 3600000, held)
                self.assertFalse(self.item(c, "short", "--node", node)["found"])

    def test_export_and_import_carry_it(self):
        with Cluster({"a": "voter"}) as c:
            c.up()
            c.kvctl("put", "stays", "v")
            c.kvctl("put", "ends", "v", "--ttl", "1h")
            lines = c.kvctl("export")[0]
            self.assertEqual([("ttl_ms" in json.loads(line)) for line in lines.splitlines()], [True, False])
            path = os.path.join(c.dir, "exported.jsonl")
            with open(path, "w", encoding="utf-8") as f:
                f.write(lines)
            for key in ("stays", "ends"):
                c.kvctl("del", key)
            c.kvctl("import", path)
            self.assertIsNone(self.item(c, "stays")["ttl_ms"])
            self.assertLessEqual(self.item(c, "ends")["ttl_ms"], 3600000)
            with open(path, "w", encoding="utf-8") as f:
                f.write('{"key": "k", "value": "v", "ttl_ms": 0}\n')
            self.assertIn("ttl_ms", c.kvctl("import", path, status=2)[1])

    def test_a_watch_says_that_it_expired(self):
        with Cluster({"a": "voter"}) as c:
            c.up()
            c.kvctl("put", "k", "v", "--ttl", "1ms")
            until(lambda: self.gone(c, "k"), "its time is over")
            self.assertRegex(c.kvctl("watch", "k", "--since", "2", "--count", "2")[0], "(?s)PUT\tk\tv\n.*EXPIRE\tk\n")


if __name__ == "__main__":
    main()
