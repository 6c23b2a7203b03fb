"""kvctl get, scan and del of a range, and del of several keys."""
import base64
import contextlib
import json
import os
import re
import subprocess
import unittest

from harness import KVCTL, Cluster, main
from terminal import Terminal


class Ranges(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = Cluster()
        cls.addClassCleanup(cls.c.close)
        cls.c.up().wait_fresh()

    def put_keys(self, prefix, count):
        keys = [f"{prefix}{i:06d}" for i in range(count)]
        self.c.kvctl("import", "-", input="".join(json.dumps({"key": key, "value": "v"}) + "\n" for key in keys))
        return keys

    def count(self, prefix):
        return int(self.c.kvctl("scan", "--prefix", prefix, "--count-only", "-q", "--level", "linearizable")[0])

    def test_get_of_a_range_is_what_scan_prints(self):
        keys = self.put_keys("get:", 30)
        for options in (("--prefix", "get:"), ("--start", keys[3], "--end", keys[7]), ("--prefix", "get:", "--limit", 4, "--reverse"),
                        ("--prefix", "get:", "--keys-only"), ("--prefix", "get:", "--count-only"), ("--prefix", "nothing:")):
            got = self.c.kvctl("get", "-q", *options)[0]
            self.assertEqual(got, self.c.kvctl("scan", "-q", *options)[0])
            self.assertEqual([item for item in self.c.json("get", *options).items() if item[0] != "freshness"],
                             [item for item in self.c.json("scan", *options).items() if item[0] != "freshness"])
        self.assertEqual(self.c.kvctl("get", "-q", "--prefix", "get:", "--count-only")[0], "30\n")
        counted = self.c.json("get", "--prefix", "get:", "--count-only")
        self.assertEqual(list(counted), ["count", "more", "freshness"])
        self.assertEqual((counted["count"], counted["more"]), (30, False))

    def test_a_range_of_any_bytes(self):
        for byte in (b"\x01", b"\xff"):
            self.c.put(base64.b64encode(b"\xfe\x00" + byte).decode(), "v", "--key-b64")
        prefix, end = base64.b64encode(b"\xfe\x00").decode(), base64.b64encode(b"\xfe\x00\x02").decode()
        self.assertEqual(self.c.json("get", "--prefix", prefix, "--key-b64", "--count-only")["count"], 2)
        self.assertEqual(self.c.json("scan", "--start", prefix, "--end", end, "--key-b64", "--count-only")["count"], 1)
        self.assertEqual(self.c.json("del", "--prefix", prefix, "--key-b64", "--yes")["deleted"], 2)

    def test_wrong_use_is_told(self):
        for line, says in ((("get", "k", "--prefix", "p"), "'k' is one too many beside a range"),
                           (("get", "--prefix"), "--prefix needs a value"), (("get",), "missing KEY; usage: kvctl get KEY"),
                           (("get", "a", "b"), "`kvctl mget` reads several keys"), (("get", "--prefix", "p", "--raw"), "--raw goes with one KEY"),
                           (("get", "k", "--limit", "3"), "--limit goes with a range"), (("get", "k", "--count-only"), "--count-only goes with"),
                           (("get", "--prefix", "p", "--start", "s"), "--prefix excludes"), (("get", "--range", "a"), "write --start KEY --end KEY"),
                           (("get", "--prefix", "!", "--key-b64"), "is not base64"), (("del",), "missing KEY; usage: kvctl del KEY..."),
                           (("del", "k", "--prefix", "p"), "'k' is one too many"), (("del", "k", "--count-only"), "--count-only goes with"),
                           (("del", "--prefix", "x" * 512, "--yes"), "1 to 511 bytes")):
            self.assertIn(says, self.c.kvctl(*line, status=2)[1])

    def test_del_of_several_is_one_transaction_and_tells_each(self):
        for key in ("sev:a", "sev:b\t"):
            self.c.put(key, "v")
        out, _ = self.c.kvctl("del", "sev:a", "sev:none", "sev:b\t")
        self.assertRegex(out, r"^sev:a\tdeleted\nsev:none\tthere was no such key\nsev:b\\t\tdeleted\nseq \d+, epoch \d+, LOCAL\n$")
        self.c.put("sev:a", "v")
        done = self.c.json("del", "sev:a", "sev:none")
        self.assertEqual(list(done), ["keys", "deleted", "pos", "ack", "replayed", "token", "freshness"])
        self.assertEqual((done["keys"], done["deleted"]), ([{"key": "sev:a", "found": True}, {"key": "sev:none", "found": False}], 1))
        self.assertEqual(self.c.json("del", "sev:none", "sev:none2")["deleted"], 0)  # no failure, as of one

    def test_a_range_is_not_deleted_without_being_asked_for(self):
        self.put_keys("safe:", 5)
        _, err = self.c.kvctl("del", "--prefix", "safe:", status=2)
        self.assertIn("give --yes", err)
        self.assertEqual(self.c.kvctl("del", "--prefix", "safe:", "--count-only")[0], "5\n")
        self.assertEqual(self.c.json("del", "--prefix", "safe:", "--count-only"), {"count": 5})
        self.assertEqual(self.count("safe:"), 5)

    def test_on_a_terminal_it_says_how_many_and_asks(self):
        self.put_keys("ask:", 7)
        for answer, left in (("n\n", 7), ("\x03", 7), ("\n", 7), ("yes\n", 0)):
            terminal = Terminal("del", "--prefix", "ask:", "-t", self.c.topology)
            with contextlib.closing(terminal):
                terminal.expect(r"Delete 7 keys with the prefix 'ask:'\? \[y/N\] ")
                terminal.type(answer)
                self.assertEqual(terminal.wait(), 0 if left == 0 else 1, terminal.seen)
                self.assertIn("deleted 7 keys in" if left == 0 else "nothing was done", terminal.seen)
            self.assertEqual(self.count("ask:"), left)
        terminal = Terminal("del", "--prefix", "ask:", "-t", self.c.topology)
        self.assertEqual(terminal.wait(), 0, terminal.seen)  # nothing is there: nobody is asked
        self.assertEqual(terminal.seen, "deleted 0 keys\r\n")

    def test_the_question_names_what_is_meant(self):
        self.c.put("name:a'\t", "v")
        for args, says in ((("--prefix", ""), r"Delete \d+ keys? in the whole cluster\? "), (("--start", "name:"), r"Delete \d+ keys? from 'name:'\? "),
                           (("--start", "name:", "--end", "name;"), r"Delete 1 key from 'name:' to before 'name;'\? "),
                           (("--prefix", "name:a'\t"), r"Delete 1 key with the prefix 'name:a'\\t'\? ")):
            terminal = Terminal("del", *args, "-t", self.c.topology)
            with contextlib.closing(terminal):
                terminal.expect(says)
                terminal.type("n\n")
                self.assertEqual(terminal.wait(), 1)
        self.assertEqual(self.count("name:"), 1)

    def test_a_long_range_goes_and_its_neighbours_stay(self):
        keys = self.put_keys("long:", 20000)
        self.c.put("long9", "v")
        self.c.put("lonf", "v")
        done = self.c.json("del", "--start", keys[10], "--end", keys[19990], "--yes")
        self.assertEqual(list(done), ["deleted", "pos", "ack", "replayed", "token", "freshness"])
        self.assertEqual(done["deleted"], 19980)
        self.assertEqual(self.count("long:"), 20)
        out, _ = self.c.kvctl("del", "--prefix", "long:", "--yes", "--ack", "majority")
        self.assertRegex(out, r"^deleted 20 keys in [\d.]+ s, last seq \d+, epoch \d+, MAJORITY\n$")
        self.assertEqual(self.count("lon"), 2)
        self.assertEqual(self.c.json("del", "--prefix", "long:", "--yes"),
                         {"deleted": 0, "pos": None, "ack": None, "replayed": False, "token": None, "freshness": None})

    def test_an_interrupt_says_how_many_were_deleted_and_the_same_command_goes_on(self):
        self.put_keys("cut:", 30000)
        terminal = Terminal("del", "--prefix", "cut:", "--yes", "--ack", "all", "-t", self.c.topology)
        with contextlib.closing(terminal):
            terminal.expect(r"\d+ keys deleted, \d+/s|deleted 30000 keys")
            terminal.type("\x03")
            status = terminal.wait()
        if status != 0:  # it was not done before
            self.assertEqual(status, 5, terminal.seen)
            deleted = int(re.search(r"interrupted: (\d+) keys were deleted before", terminal.seen)[1])
            self.assertEqual(self.count("cut:"), 30000 - deleted)
            self.assertEqual(self.c.json("del", "--prefix", "cut:", "--yes")["deleted"], 30000 - deleted)
        self.assertEqual(self.count("cut:"), 0)

    def test_its_memory_does_not_grow_with_the_range(self):
        self.put_keys("mem:", 40000)
        code = ("import os,resource,subprocess,sys;subprocess.run(sys.argv[1:],check=True);"
                "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")

        def peak(*args):
            done = subprocess.run(["/usr/bin/python3", "-c", code, KVCTL, *args, "-t", self.c.topology], capture_output=True,
                                  text=True, check=True, env={**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=1"})
            return int(done.stdout.splitlines()[-1])
        few = peak("del", "--prefix", "mem:0000", "--yes", "-q")  # 100 keys
        many = peak("del", "--prefix", "mem:", "--yes", "-q")
        self.assertLess(many - few, 16 << 10)


if __name__ == "__main__":
    main()
