"""kvctl cas, incr and txn: usage without a cluster, and effects on one."""
import base64
import concurrent.futures
import contextlib
import json
import os
import subprocess
import tempfile
import unittest

from harness import KVCTL, Cluster, main
from terminal import Terminal


def kvctl(*args, input=""):
    environment = {k: v for k, v in os.environ.items() if k not in ("CANDOR_TOPOLOGY", "CANDOR_ENDPOINTS")}
    environment["XDG_RUNTIME_DIR"] = "/nonexistent"
    return subprocess.run([KVCTL, *args], input=input, capture_output=True, text=True, timeout=60,
                          check=False, env=environment)


class Usage(unittest.TestCase):
    def refuses(self, *args, says, input=""):
        done = kvctl(*args, input=input)
        self.assertEqual(done.returncode, 2, done)
        self.assertEqual(done.stdout, "")
        self.assertIn(says, done.stderr)

    def test_cas_wants_one_expectation_and_one_value(self):
        self.refuses("cas", "k", "v", says="exactly one of --expect")
        self.refuses("cas", "k", "v", "--expect", "a", "--expect-absent", says="exactly one of --expect")
        self.refuses("cas", "k", "v", "--expect-absent", "--value-file", "-", says="both")
        self.refuses("cas", "k", "v", "--expect-mod-seq", "-1", says="--expect-mod-seq takes a number")
        self.refuses("cas", "", "v", "--expect-absent", says="1 to 511 bytes")

    def test_incr_wants_whole_numbers(self):
        self.refuses("incr", "k", "x", says="DELTA is a whole number")
        self.refuses("incr", "k", "1.5", says="DELTA is a whole number")
        self.refuses("incr", "k", "9223372036854775808", says="DELTA is a whole number")
        self.refuses("incr", "k", "-1", says="write -- before")
        self.refuses("incr", "k", "--min", "low", says="--min takes a whole number")
        self.refuses("incr", "k", "--min", "2", "--max", "1", says="no number is within")

    def test_a_txn_that_is_not_one_is_told_where(self):
        put = {"put": {"key": "k", "value": "v"}}
        for txn, says in (
                ("{", "line 1:"),
                ("[]", "it is not an object"),
                ({}, "there is nothing to do"),
                ({"them": [put]}, 'unknown member "them"'),
                ({"then": put}, "then: it is not a list"),
                ({"then": ["put"]}, "then[0]: it is not an object"),
                ({"then": [{}]}, "then[0]: give exactly one of put, delete and get"),
                ({"then": [put, {"put": {"key": "k"}}]}, 'then[1]: no "value"'),
                ({"then": [{"get": {"key": ""}}]}, "then[0]: a key has 1 to 511 bytes"),
                ({"then": [{"delete": {}}]}, 'then[0]: no "key"'),
                ({"else": [{"get": {"key": "k", "value": "v"}}]}, 'unknown member "value"'),
                ({"else": [{"get": {"key": 5}}]}, "strings"),
                ({"then": [{"put": {"key": "k", "value_b64": "!"}}]}, "is not base64"),
                ({"then": [{"put": {"key": "k", "value": "v", "value_b64": "dg=="}}]}, "both as text and as base64"),
                ({"compare": [{"key": "k"}], "then": [put]}, "compare[0]: give exactly one of exists"),
                ({"compare": [{"key": "k", "exists": 1}], "then": [put]}, "exists is true or false"),
                ({"compare": [{"key": "k", "value": "v", "op": "="}], "then": [put]}, '"op" is one of'),
                ({"compare": [{"key": "k", "mod_seq": -1}], "then": [put]}, "whole numbers"),
                ({"compare": [{"key": "k", "version": 1, "mod_seq": 1}], "then": [put]}, "exactly one of")):
            with self.subTest(says):
                self.refuses("txn", "-", input=txn if isinstance(txn, str) else json.dumps(txn), says=says)
        self.refuses("txn", "/nonexistent", says="/nonexistent: No such file")

    def test_lines_that_are_no_txn_are_told_by_number(self):
        put = "\nput k v\n"
        for lines, says in (("x\n", "line 1: 'x' is no comparison; write value(KEY) = VALUE"), ("value(k) 1\n", "line 1: value(...) takes a sign"),
                            ("value(k) ~ 1\n", "line 1: '~' is none of"), ("absent(a)\nmod(k) > x\n", "line 2: 'x' is no whole number"),
                            ("version(k) = -1\n", "line 1: '-1' is no whole number"), ("vlue(k) = 1\n", "line 1: 'vlue' is nothing that"),
                            ("exists(k) = 1\n", "line 1: exists(...) takes nothing"), ("value() = 1\n", "line 1: a key has 1 to 511 bytes"),
                            (f"value({'k' * 512}) = 1\n", "line 1: a key has 1 to 511 bytes, not 512"), ("'x\n", "line 1: the line is no text"),
                            ("value(a\0) = 1\n", "line 1: the line is no text"), ("\nfoo k\n", "line 2: 'foo' is no operation; write put"),
                            ("\nput k\n", "line 2: put takes a key and a value"), ("\nget k v\n", "line 2: get takes one key"),
                            (put + "\nput k -\n", "standard input is taken twice"), ("\nput k @/nonexistent\n", "/nonexistent: No such file"),
                            ("\n\n", "there is nothing to do"), ("", "there is nothing to do"), ("exists(k)\n", "there is nothing to do"),
                            ("\n" + "get k\n" * 4097, "line 4098: more than 4096 operations")):
            with self.subTest(says):
                self.refuses("txn", input=lines, says=says)


class Running(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = Cluster()
        cls.c.__enter__()
        try:
            cls.c.up().wait_fresh()
        except BaseException:
            cls.c.dump_logs()
            cls.c.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.c.close()

    def txn(self, txn, status=0):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(txn, file)
            file.flush()
            return self.c.json("txn", file.name, status=status)

    def test_the_sample_of_the_help_does_what_it_says(self):
        help_text = json.loads(subprocess.run([KVCTL, "help", "txn", "-o", "json"], capture_output=True, text=True,
                                              check=True).stdout)["description"]
        sample = json.loads(help_text[help_text.index("{"):help_text.index("\n\nEach comparison")])
        self.c.put("stock", "3")
        done = self.txn(sample)
        self.assertEqual([r["key"] for r in done["results"]], ["order:7", "stock"])
        self.assertEqual((done["succeeded"], done["results"][1]["value"]), (True, "3"))
        self.c.put("cart:7", "a chair")
        self.assertFalse(self.txn(sample, status=6)["succeeded"])  # it is ordered already: the other list
        self.c.get("cart:7", status=1)

    def test_cas_writes_when_the_key_is_as_expected(self):
        first = self.c.json("cas", "cas:1", "--expect-absent", "one")
        self.assertEqual(list(first), ["key", "succeeded", "pos", "ack", "replayed", "token", "freshness"])
        self.assertTrue(first["succeeded"])
        failed = self.c.json("cas", "cas:1", "--expect-absent", "two", status=6)
        self.assertFalse(failed["succeeded"])
        self.assertEqual(failed["item"]["value"], "one")
        self.assertEqual(failed["item"]["mod_seq"], first["pos"]["seq"])
        self.c.json("cas", "cas:1", "--expect", "two", "three", status=6)
        self.c.json("cas", "cas:1", "--expect", "one", "two")
        mod_seq = str(self.c.get("cas:1")["mod_seq"])
        self.c.json("cas", "cas:1", "--expect-mod-seq", mod_seq, "three", "--ack", "majority")
        self.c.json("cas", "cas:1", "--expect-mod-seq", mod_seq, "four", "--ack", "majority", status=6)
        self.assertEqual(self.c.get("cas:1")["value"], "three")
        out, err = self.c.kvctl("cas", "cas:1", "--expect", "x", "y", status=6)
        self.assertEqual(out, "")
        self.assertIn("not as expected", err)
        self.assertEqual(self.c.json("cas", "cas:none", "--expect", "x", "y", status=6)["item"]["found"], False)

    def test_a_session_goes_on_after_what_wrote_nothing(self):
        """The harness fails a command that says "broken promise"."""
        path = os.path.join(self.c.dir, "session-without-effect")
        for ack in ("local", "majority"):
            options = ("--session", path, "--ack", ack)
            self.c.json("put", "quiet", "1", *options)
            self.c.json("cas", "quiet", "--expect", "nope", "2", *options, status=6)
            self.c.json("cas", "quiet", "--expect-absent", "2", *options, status=6)
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                json.dump({"then": [{"get": {"key": "quiet"}}]}, file)
                file.flush()
                self.assertEqual(self.c.json("txn", file.name, *options)["results"][0]["value"], "1")
            self.c.kvctl("incr", "quiet", "1", "--max", "1", *options, status=6)
            self.c.json("cas", "quiet", "--expect", "1", "2", *options)
            self.c.json("del", "quiet", *options)

    def test_of_many_that_expect_the_same_one_succeeds(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda i: self.c.kvctl("cas", "cas:race", "--expect-absent", str(i), status=(0, 6)),
                                 range(8)))
        winners = [out for out, _ in done if out != ""]
        self.assertEqual(len(winners), 1, done)

    def test_incr_counts_and_keeps_its_bounds(self):
        self.assertEqual(self.c.kvctl("incr", "incr:1")[0], "1\n")
        self.assertEqual(self.c.json("incr", "incr:1", "9")["number"], 10)
        self.assertEqual(self.c.kvctl("incr", "incr:1", "--min", "0", "--", "-10")[0], "0\n")
        _, err = self.c.kvctl("incr", "incr:1", "--min", "0", "--", "-1", status=6)
        self.assertIn("OUT_OF_RANGE: key 'incr:1': 0 plus -1 is not within [0, ", err)
        self.assertEqual(self.c.get("incr:1")["value"], "0")
        self.assertEqual(self.c.kvctl("incr", "incr:2", "--initial", "100", "--max", "101")[0], "101\n")
        self.c.kvctl("incr", "incr:2", "--max", "101", status=6)
        self.c.put("incr:text", "many")
        _, err = self.c.kvctl("incr", "incr:text", status=6)
        self.assertIn("FAILED_PRECONDITION: key 'incr:text': its value is not a decimal number", err)

    def test_a_txn_does_one_list_or_the_other(self):
        self.c.put("txn:a", "10")
        self.c.put("txn:b", "1")
        transfer = {"compare": [{"key": "txn:a", "value": "10"}, {"key": "txn:b", "mod_seq": 0, "op": ">"},
                                {"key": "txn:c", "exists": False}],
                    "then": [{"put": {"key": "txn:a", "value": "7"}}, {"put": {"key": "txn:b", "value": "4"}},
                             {"get": {"key": "txn:a"}}, {"delete": {"key": "txn:none"}}],
                    "else": [{"get": {"key": "txn:a"}}]}
        done = self.txn(transfer)
        self.assertTrue(done["succeeded"])
        self.assertEqual([r["found"] for r in done["results"]], [True, True, True, False])
        self.assertEqual(done["results"][2]["value"], "7")
        self.assertEqual(done["results"][2]["mod_seq"], done["pos"]["seq"])
        self.assertEqual(self.c.get("txn:b")["mod_seq"], done["pos"]["seq"])
        again = self.txn(transfer, status=6)
        self.assertFalse(again["succeeded"])
        self.assertEqual([r["value"] for r in again["results"]], ["7"])
        out, err = self.c.kvctl("txn", "-", input=json.dumps(transfer), status=6)
        self.assertRegex(out, r"^else: seq \d+, epoch \d+, LOCAL\ntxn:a\t7\n$")
        self.assertIn("a comparison did not hold", err)

    def test_a_txn_in_lines_as_etcdctl_has_it(self):
        self.c.put("ln:stock", "3")
        lines = ("value(ln:stock) != 0\nmod_seq(ln:stock) > 0\n'absent(ln:a key)'\n\nput 'ln:a key' \"1 chair\"\n"
                 "get ln:stock\n\nget 'ln:a key'\n")
        out, _ = self.c.kvctl("txn", input=lines)
        self.assertRegex(out, r"^then: seq \d+, epoch \d+, LOCAL\nln:stock\t3\n$")
        out, _ = self.c.kvctl("txn", input=lines.rstrip("\n"), status=6)  # the other list
        self.assertRegex(out, r"^else: seq \d+, epoch \d+, LOCAL\nln:a key\t1 chair\n$")
        path = os.path.join(self.c.dir, "value-of-a-line")
        with open(path, "w", encoding="utf-8") as f:
            f.write("of a file")
        done = self.c.json("txn", input=f"exists(ln:stock)\nver(ln:stock) < 9\n\nput ln:f @{path}\nget ln:f\nput ln:at @@x\nget ln:at\ndel ln:stock\n")
        self.assertEqual([r.get("value") for r in done["results"]], [None, "of a file", None, "@x", None])
        self.assertEqual(self.c.kvctl("txn", "--literal", input="\nput ln:at @x\nget ln:at\n")[0].splitlines()[1], "ln:at\t@x")

    def test_on_a_terminal_it_asks_and_a_wrong_line_is_asked_for_again(self):
        terminal = Terminal("txn", "-t", self.c.topology)
        with contextlib.closing(terminal):
            terminal.expect("comparisons, then operations")
            terminal.expect("compare> ")
            terminal.type("nonsense\n")
            terminal.expect("is no comparison; write value")
            terminal.expect("compare> ")
            terminal.type("absent(tty:1)\n")
            terminal.expect("compare> ")
            terminal.type("\n")
            terminal.expect("then> ")
            terminal.type("put tty:1\n")
            terminal.expect("put takes a key and a value")
            terminal.expect("then> ")
            terminal.type("put tty:1 'of a person'\n")
            terminal.expect("then> ")
            terminal.type("\n")
            terminal.expect("else> ")
            terminal.type("\n")
            terminal.expect(r"then: seq \d+")
            self.assertEqual(terminal.wait(), 0)
        self.assertEqual(self.c.get("tty:1", "--level", "linearizable")["value"], "of a person")

    def test_who_gives_up_in_between_has_done_nothing(self):
        for gives_up, status in (("\x04", 1), ("\x03", -2)):
            terminal = Terminal("txn", "-t", self.c.topology)
            with contextlib.closing(terminal):
                terminal.expect("compare> ")
                terminal.type("\n")
                terminal.expect("then> ")
                terminal.type("put tty:2 v\n")
                terminal.expect("then> ")
                terminal.type(gives_up)
                self.assertEqual(terminal.wait(), status, terminal.seen)
            self.c.get("tty:2", "--level", "linearizable", status=1)

    def test_bytes_of_any_kind_go_through_a_txn(self):
        key = base64.b64encode(b"\xfftxn\x00").decode()
        value = base64.b64encode(bytes(range(256))).decode()
        done = self.txn({"then": [{"put": {"key_b64": key, "value_b64": value}}, {"get": {"key_b64": key}}]})
        self.assertEqual(done["results"][1]["value_b64"], value)


if __name__ == "__main__":
    main()
