"""Values as kvctl takes them: text, files, what is piped in; and several of them as one."""
import json
import os
import subprocess
import unittest

from harness import KVCTL, Cluster, main


class Values(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = Cluster({"a": "voter"})
        cls.addClassCleanup(cls.c.close)
        cls.c.up().wait_fresh()
        cls.file = os.path.join(cls.c.dir, "value")
        with open(cls.file, "wb") as f:
            f.write(b"of a file\n")

    def run_kvctl(self, *args, input=None, stdin=None, status=0):
        given = {"input": input} if input is not None else {"stdin": stdin or subprocess.DEVNULL}
        done = subprocess.run([KVCTL, "-t", self.c.topology, *args], capture_output=True, timeout=60, check=False, **given)
        self.assertEqual(done.returncode, status, done)
        return done

    def value(self, key):
        return self.run_kvctl("get", key, "--raw").stdout

    def test_put_takes_what_is_piped_in(self):
        self.run_kvctl("put", "v1", input=b"a\0b\n")
        self.assertEqual(self.value("v1"), b"a\0b\n")
        with open(self.file, "rb") as f:
            self.run_kvctl("put", "v1", stdin=f)
        self.assertEqual(self.value("v1"), b"of a file\n")
        self.run_kvctl("put", "v1", input=b"")
        self.assertEqual(self.value("v1"), b"")

    def test_nothing_is_taken_from_where_nobody_gives_anything(self):
        for command in (("put", "none"), ("cas", "none", "--expect-absent")):
            self.assertIn(b"missing VALUE", self.run_kvctl(*command, status=2).stderr)  # /dev/null
        done = self.run_kvctl("shell", input=b"put none\nput after 1\n", status=2)
        self.assertIn(b"missing VALUE", done.stderr)  # the lines of a script are no value
        self.assertIn(b"standard input holds the shell's lines", self.run_kvctl("shell", input=b"put none -\n", status=2).stderr)
        self.run_kvctl("get", "none", status=1)

    def test_a_file_and_standard_input_wherever_a_value_is(self):
        self.run_kvctl("put", "v2", "@" + self.file)
        self.assertEqual(self.value("v2"), b"of a file\n")
        self.run_kvctl("cas", "v2", "--expect", "@" + self.file, "-", input=b"piped")
        self.assertEqual(self.value("v2"), b"piped")
        self.run_kvctl("cas", "v2", "--expect", "-", "@" + self.file, input=b"piped")
        self.run_kvctl("cas", "v2", "--expect-mod-seq", str(self.c.get("v2")["mod_seq"]), input=b"once more")
        self.assertEqual(self.value("v2"), b"once more")
        self.run_kvctl("mset", "v2", "@" + self.file, "v3", "-", "v4", "text", input=b"piped")
        self.assertEqual([self.value(key) for key in ("v2", "v3", "v4")], [b"of a file\n", b"piped", b"text"])
        txn = {"compare": [{"key": "v2", "value_file": self.file}], "then": [{"put": {"key": "v5", "value_file": self.file}}]}
        self.run_kvctl("txn", "-", input=json.dumps(txn).encode())
        self.assertEqual(self.value("v5"), b"of a file\n")

    def test_values_that_begin_with_what_means_something(self):
        for given, wanted in ((("@@",), b"@"), (("@@home",), b"@home"), (("--literal", "@home"), b"@home"), (("--literal", "-"), b"-"),
                              (("--literal", "--", "-5"), b"-5"), (("--", "-5"), b"-5"), (("a@b",), b"a@b"), (("",), b"")):
            self.run_kvctl("put", "v6", *given)
            self.assertEqual(self.value("v6"), wanted, given)
        self.run_kvctl("mset", "--literal", "v6", "-", "v7", "@x")
        self.assertEqual((self.value("v6"), self.value("v7")), (b"-", b"@x"))
        self.run_kvctl("cas", "v6", "--literal", "--expect", "-", "@@")
        self.assertEqual(self.value("v6"), b"@@")

    def test_what_cannot_be_read_is_named_and_nothing_is_written(self):
        for args, says in ((("put", "v8", "@/nonexistent"), b"/nonexistent: No such file"), (("put", "v8", "@"), b"@ names no file"),
                           (("put", "v8", "@/"), b"/: Is a directory"), (("mset", "v8", "1", "v9", "@/nonexistent"), b"/nonexistent"),
                           (("mset", "v8", "-", "v9", "-"), b"standard input is taken twice"), (("mset", "v8", "1", "v9"), b"missing VALUE of 'v9'"),
                           (("cas", "v8", "--expect", "-", "-"), b"standard input is taken twice"),
                           (("put", "v8", "v", "--value-file", self.file), b"both a VALUE and --value-file")):
            self.assertIn(says, self.run_kvctl(*args, input=b"x", status=2).stderr)
        large = os.path.join(self.c.dir, "large")
        with open(large, "wb") as f:
            f.truncate((16 << 20) + 1)
        self.assertIn(b"more than the limit", self.run_kvctl("put", "v8", "@" + large, status=2).stderr)
        self.run_kvctl("get", "v8", status=1)

    def test_mset_writes_all_or_none_at_one_position(self):
        done = json.loads(self.run_kvctl("mset", "m1", "1", "m2", "2", "m1", "3", "-o", "json").stdout)
        self.assertEqual(list(done), ["keys", "written", "pos", "ack", "replayed", "token", "freshness"])
        self.assertEqual([(k["key"], k["found"]) for k in done["keys"]], [("m1", False), ("m2", False), ("m1", True)])
        self.assertEqual(self.value("m1"), b"3")
        self.assertEqual({self.c.get(key)["mod_seq"] for key in ("m1", "m2")}, {done["pos"]["seq"]})
        self.assertRegex(self.run_kvctl("mset", "m1", "1", "m2", "2", "--ack", "majority").stdout,
                         rb"^seq \d+, epoch \d+, MAJORITY, 2 keys\n$")
        large = os.path.join(self.c.dir, "over")
        with open(large, "wb") as f:
            f.truncate((1 << 20) + 1)
        self.assertIn(b"TOO_LARGE", self.run_kvctl("mset", "m1", "none", "m2", "@" + large, status=2).stderr)
        self.assertEqual(self.value("m1"), b"1")


if __name__ == "__main__":
    main()
