"""kvctl as somebody meets it who has mistyped something, or has no cluster: help, messages and exit statuses."""
import json
import os
import re
import subprocess
import tempfile
import unittest

from harness import KVCTL, free_ports, main


def kvctl(*args, input="", env=None):
    environment = {k: v for k, v in os.environ.items() if k != "CANDOR_TOPOLOGY"}
    environment["XDG_RUNTIME_DIR"] = "/nonexistent"
    environment.update(env or {})
    return subprocess.run([KVCTL, *args], input=input, capture_output=True, text=True, timeout=60,
                          check=False, env=environment)


class Usage(unittest.TestCase):
    def refuses(self, *args, status=2, says=(), **kwargs):
        done = kvctl(*args, **kwargs)
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(done.stdout, "")
        for text in (says,) if isinstance(says, str) else says:
            self.assertIn(text, done.stderr)
        self.assertTrue(done.stderr.startswith("kvctl: "), done.stderr)
        return done


class Help(Usage):
    def test_lists_the_commands_in_groups(self):
        done = kvctl("--help")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr, "")
        for text in ("Reading and writing:", "Looking at a cluster:", "Operating a cluster:",
                     "\n  get ", "\n  status ", "\n  promote ", "--topology FILE", "--version"):
            self.assertIn(text, done.stdout)
        self.assertEqual(kvctl("help").stdout, done.stdout)
        self.assertFalse([line for line in done.stdout.splitlines() if line != line.rstrip()])

    def test_every_command_has_help_with_examples_and_both_ways_to_ask_agree(self):
        listed = re.findall(r"^  ([a-z][a-z-]*(?: [a-z-]+)?)  ", kvctl("--help").stdout, re.M)
        self.assertGreaterEqual(len(listed), 16)
        for name in listed:
            with self.subTest(name):
                done = kvctl("help", *name.split())
                self.assertEqual(done.returncode, 0)
                self.assertTrue(done.stdout.startswith(f"Usage: kvctl {name} [OPTIONS]"), done.stdout)
                self.assertIn("\nExamples:\n  ", done.stdout)
                self.assertIn("--output text|json", done.stdout)
                self.assertEqual(kvctl(*name.split(), "--help").stdout, done.stdout)

    def test_a_letter_has_one_meaning_in_a_command(self):
        commands = re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)  ", kvctl("--help").stdout, re.M)
        self.assertIn("cas", commands)
        self.assertIn("rollback replay", commands)
        for command in commands:
            letters = re.findall(r"^  -(\w), ", kvctl("help", *command.split()).stdout, re.M)
            self.assertIn("h", letters, command)
            self.assertEqual(len(letters), len(set(letters)), f"{command}: {letters}")

    def test_a_family_lists_its_members(self):
        done = kvctl("help", "rollback")
        self.assertEqual(done.returncode, 0)
        for member in ("rollback ls", "rollback show", "rollback drop"):
            self.assertIn(member, done.stdout)

    def test_version(self):
        done = kvctl("--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^kvctl \d+\.\d+\.\d+\n$")


class Mistyped(Usage):
    def test_commands_are_suggested(self):
        self.refuses("gte", "k", says="did you mean `kvctl get`?")
        self.refuses("statsu", says="did you mean `kvctl status`?")
        self.refuses("rollback", "shwo", "x", says="did you mean `kvctl rollback show`?")
        self.refuses("xyzzyxyzzy", says=("unknown command 'xyzzyxyzzy'", "kvctl --help"))
        self.refuses("help", "gte", says="did you mean `kvctl get`?")
        self.refuses(says="no command")
        self.refuses("--node", "a", "get", "k", says="options stand behind the command")

    def test_options_are_suggested(self):
        self.refuses("get", "k", "--levle", "session", says=("--levle", "did you mean --level?"))
        self.refuses("get", "k", "-Z", says=("unknown option -Z", "write --"))

    def test_option_values_are_checked_before_anybody_is_asked(self):
        self.refuses("get", "k", "--level", "sesion", says="eventual|bounded|session|linearizable")
        self.refuses("get", "k", "--level", says="--level needs a value")
        self.refuses("get", "k", "--raw=yes", says="--raw takes no value")
        self.refuses("get", "k", "--deadline", "5", says="'5' is not a duration")
        self.refuses("get", "k", "--deadline", "1s", "--deadline", "2s", says="given twice")
        self.refuses("scan", "--limit", "-3", says="--limit takes a number")
        self.refuses("scan", "--limit", "0", says="--limit takes a number")
        self.refuses("bench", "get", "--callers", "x", says="--callers takes a number")
        self.refuses("bench", "put", "--value-size", "5MB", says="is not a size")
        self.refuses("bench", "delete", says="takes get or put")

    def test_operands_are_counted(self):
        self.refuses("get", says="it takes KEY")
        self.refuses("get", "a", "b", says="'b' is one too many")
        self.refuses("put", "only-a-key", says="no VALUE")
        self.refuses("status", "b", says="takes no operands")

    def test_options_that_contradict_each_other(self):
        self.refuses("get", "k", "--level", "eventual", "--max-staleness", "1s", says="--max-staleness goes with")
        self.refuses("get", "k", "--level", "bounded", says="needs --max-staleness")
        self.refuses("get", "k", "--level", "session", says="--session FILE")
        self.refuses("get", "k", "--new-session", "--endpoint", "tcp://127.0.0.1:1", says="--session FILE")
        self.refuses("put", "k", "v", "--value-file", "-", says="both")
        self.refuses("scan", "--prefix", "p", "--start", "s", says="--prefix excludes")

    def test_keys_and_values_out_of_bounds(self):
        self.refuses("get", "", says="1 to 511 bytes")
        self.refuses("get", "x" * 512, says="1 to 511 bytes, not 512")
        self.refuses("get", "no base64!", "--key-b64", says="is not base64")
        self.refuses("put", "k", "--value-file", "/nonexistent", says="/nonexistent: No such file")

    def test_operands_behind_two_dashes_may_begin_with_a_dash(self):
        self.refuses("get", "-k", says="unknown option -k")
        done = kvctl("get", "--endpoint", "tcp://127.0.0.1:1", "--deadline", "50ms", "--", "-k")
        self.assertEqual(done.returncode, 5, done)


class NoCluster(Usage):
    def test_without_a_topology_it_says_how_to_name_one(self):
        self.refuses("get", "k", says=("which cluster?", "--topology FILE", "$CANDOR_TOPOLOGY", "--endpoint"))
        self.refuses("get", "k", "--topology", "/nonexistent.yaml", says="/nonexistent.yaml")
        self.refuses("get", "k", env={"CANDOR_TOPOLOGY": "/nonexistent.yaml"}, says="/nonexistent.yaml")

    def test_a_malformed_address_is_named(self):
        self.refuses("get", "k", "--endpoint", "127.0.0.1:7000", says="tcp://127.0.0.1:7000")

    def test_nobody_at_the_address_is_status_5_within_the_deadline(self):
        address = f"tcp://127.0.0.1:{free_ports(1)[0]}"
        for args in (("get", "k"), ("put", "k", "v"), ("scan",), ("health",)):
            with self.subTest(args):
                done = kvctl(*args, "--endpoint", address, "--deadline", "200ms")
                self.assertEqual(done.returncode, 5, done)
        done = kvctl("get", "k", "--endpoint", address, "--deadline", "200ms", "-o", "json", "--quiet")
        error = json.loads(done.stderr)["error"]
        self.assertEqual(error["code"], "UNAVAILABLE")
        self.assertIsNone(error["freshness"])
        self.assertEqual(set(error), {"code", "reason", "message", "primary", "endpoint", "freshness"})

    def test_errors_under_json_are_a_message_and_an_object(self):
        done = kvctl("get", "k", "--level", "nonsense", "-o", "json")
        text, line = done.stderr.splitlines()
        self.assertTrue(text.startswith("kvctl: get: "))
        self.assertEqual(json.loads(line)["error"]["code"], "INVALID_ARGUMENT")


TOPOLOGY = """cluster: usage
failover: manual
initial_primary: alpha
nodes:
  - {{id: alpha, rpc: "tcp://127.0.0.1:{0}", peer: "tcp://127.0.0.1:{6}", stream: "tcp://127.0.0.1:{1}", heartbeat: "tcp://127.0.0.1:{2}", data: a, role: voter}}
  - {{id: beta, rpc: "tcp://127.0.0.1:{3}", peer: "tcp://127.0.0.1:{7}", stream: "tcp://127.0.0.1:{4}", heartbeat: "tcp://127.0.0.1:{5}", data: b, role: voter}}
"""


class NodesDown(Usage):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="candor-usage-")
        self.topology = os.path.join(self.dir.name, "t.yaml")
        with open(self.topology, "w") as f:
            f.write(TOPOLOGY.format(*free_ports(8)))
        self.addCleanup(self.dir.cleanup)

    def run_on(self, *args, **kwargs):
        return kvctl(*args, "--topology", self.topology, **kwargs)

    def test_unknown_nodes_are_suggested(self):
        self.refuses("get", "k", "--node", "alhpa", "--topology", self.topology, says="did you mean 'alpha'?")
        self.refuses("promote", "zzz", "--topology", self.topology, says="the nodes are alpha, beta")

    def test_status_has_a_row_for_unreachable_nodes_and_says_why(self):
        done = self.run_on("status")
        self.assertEqual(done.returncode, 5, done)
        self.assertNotIn("\033", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^alpha +- +UNREACHABLE ")
        done = self.run_on("status", "-o", "json")
        nodes = json.loads(done.stdout)["nodes"]
        self.assertEqual([n["node"] for n in nodes], ["alpha", "beta"])
        for node in nodes:
            self.assertEqual(node["state"], "UNREACHABLE")
            self.assertIsNone(node["role"])
            self.assertIsNone(node["applied_seq"])
            self.assertIn("127.0.0.1", node["error"])

    def test_options_may_stand_inside_a_familys_name(self):
        done = kvctl("rollback", "--topology", self.topology, "-o", "json", "ls", "--node", "beta",
                     "--deadline", "100ms")
        self.assertEqual(done.returncode, 5, done)
        self.assertEqual(json.loads(done.stdout), {"archives": []})

    def test_what_cannot_be_taken_back_is_not_done_without_a_terminal_or_yes(self):
        done = self.run_on("promote", "alpha", "--force")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("--yes", done.stderr)
        self.assertIn("alpha does not answer", done.stderr)
        self.assertEqual(self.run_on("accept-history", "alpha").returncode, 2)

    def test_import_names_the_line_that_is_wrong(self):
        for text, says in ((b'{"key": "k"}\n', ':1: it needs a string "value"'),
                           (b"\n\nnot json\n", ":3: not a JSON object"),
                           (b'{"key": "", "value": "v"}\n', "the key is empty"),
                           (b'{"key": "' + b"k" * 512 + b'", "value": "v"}\n', "longer than 511"),
                           (b'{"key_b64": "!", "value": "v"}\n', 'base64 "key_b64"')):
            with self.subTest(says):
                path = os.path.join(self.dir.name, "in.jsonl")
                with open(path, "wb") as f:
                    f.write(text)
                done = self.run_on("import", path)
                self.assertEqual(done.returncode, 2, done)
                self.assertIn(says, done.stderr)
                self.assertIn("0 operations were acknowledged", done.stderr)
        done = self.run_on("import", "-", "--key-field", "3", "--separator", ";", input="a;b\n")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("it has no such field", done.stderr)
        self.refuses("import", "/nonexistent.jsonl", "--topology", self.topology, says="No such file")

    def test_a_session_file_that_is_none_is_refused_and_kept(self):
        path = os.path.join(self.dir.name, "session")
        whole = "CQcAAAAAAAAAEgsKBwgBEAEaAWEQBQ==\n"
        with open(path, "w") as f:
            f.write(whole)
        self.assertEqual(self.run_on("get", "k", "--session", path, "--deadline", "10ms").returncode, 5)
        for length in range(1, len(whole)):
            with open(path, "w") as f:
                f.write(whole[:length])
            done = self.run_on("get", "k", "--session", path)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn("does not hold a session token", done.stderr)
        for content in ("garbage", "AAAA", "=" * 300):
            with open(path, "w") as f:
                f.write(content)
            done = self.run_on("get", "k", "--session", path)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn("does not hold a session token", done.stderr)
            with open(path) as f:
                self.assertEqual(f.read(), content)


if __name__ == "__main__":
    main()
