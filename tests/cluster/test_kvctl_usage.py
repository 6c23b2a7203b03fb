"""kvctl as somebody meets it who has mistyped something, or has no cluster: help, messages and exit statuses."""
import json
import os
import re
import subprocess
import tempfile
import unittest

from harness import KVCTL, free_ports, main, on_a_terminal


def kvctl(*args, input="", env=None, stdin=None):
    environment = {k: v for k, v in os.environ.items() if k not in ("CANDOR_TOPOLOGY", "CANDOR_ENDPOINTS")}
    environment["XDG_RUNTIME_DIR"] = "/nonexistent"
    environment.update(env or {})
    given = {"input": input} if stdin is None else {"stdin": stdin}
    return subprocess.run([KVCTL, *args], **given, capture_output=True, text=True, timeout=60, check=False, env=environment)


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

    def test_a_letter_has_one_meaning_everywhere(self):
        meanings = {}
        commands = [c["command"] for c in json.loads(kvctl("help", "-o", "json").stdout)["commands"]]
        self.assertIn("cas", commands)
        self.assertIn("rollback replay", commands)
        for command in commands:
            letters = []
            for option in json.loads(kvctl("help", *command.split(), "-o", "json").stdout)["options"]:
                if option["letter"]:
                    letters.append(option["letter"])
                    meanings.setdefault(option["letter"], {})[option["name"]] = command
            self.assertIn("h", letters, command)
            self.assertEqual(len(letters), len(set(letters)), f"{command}: {letters}")
        self.assertEqual({letter: names for letter, names in meanings.items() if len(names) > 1}, {})

    def test_no_message_needs_the_rules_of_the_protocol(self):
        for command in json.loads(kvctl("help", "-o", "json").stdout)["commands"]:
            self.assertIsNone(re.search(r"\bR\d+\b", kvctl("help", *command["command"].split()).stdout), command)
        self.assertIsNone(re.search(r"\bR\d+\b", kvctl("topology", "reference").stdout))

    def test_a_family_lists_its_members(self):
        done = kvctl("help", "rollback")
        self.assertEqual(done.returncode, 0)
        for member in ("rollback ls", "rollback show", "rollback drop"):
            self.assertIn(member, done.stdout)

    def test_version(self):
        done = kvctl("--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^kvctl \d+\.\d+\.\d+\n$")
        self.assertEqual(kvctl("version").stdout, done.stdout)
        for variables in ({"CANDOR_ENDPOINTS": "nonsense"}, {"CANDOR_CONTEXT": "nosuch"}):
            self.assertEqual(kvctl("--version", env=variables).stdout, done.stdout)  # it asks nobody
        version = json.loads(kvctl("--version", "-o", "json").stdout)
        self.assertEqual(list(version), ["version", "nodes"])
        self.assertEqual(f"kvctl {version['version']}\n", done.stdout)

    def test_help_as_json_is_one_document_with_all_that_the_text_has(self):
        for command in json.loads(kvctl("help", "-o", "json").stdout)["commands"]:
            words = command["command"].split()
            done = kvctl(*words, "--help", "-o", "json")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            text = kvctl("help", *words).stdout
            for option in json.loads(done.stdout)["options"]:
                self.assertIn(f"--{option['name']}", text)
        members = json.loads(kvctl("help", "rollback", "-o", "json").stdout)["commands"]
        self.assertIn("rollback ls", [m["command"] for m in members])

    def test_help_breaks_between_words_on_a_narrow_terminal(self):
        for columns in (52, 66, 80):
            for words in ((), ("get",), ("txn",)):
                for line in on_a_terminal(columns, "help", *words, says=" ".join(("Usage: kvctl", *words))):
                    if not line.lstrip().startswith(("kvctl ", "Usage: ", "echo ", "# ")):
                        self.assertLessEqual(len(line), columns, line)

    def test_an_error_breaks_between_words_on_a_narrow_terminal(self):
        lines = on_a_terminal(40, "get", "k", says="which cluster?", status=2)
        self.assertGreater(len(lines), 2)
        self.assertTrue(all(len(line) <= 40 for line in lines), lines)
        whole = kvctl("get", "k").stderr
        self.assertEqual(" ".join(" ".join(lines).split()), whole.strip())


class Mistyped(Usage):
    def test_commands_are_suggested(self):
        self.refuses("gte", "k", says="did you mean `kvctl get`?")
        self.refuses("statsu", says="did you mean `kvctl status`?")
        self.refuses("rollback", "shwo", "x", says="did you mean `kvctl rollback show`?")
        self.refuses("rollback", says=("a second word is missing", "kvctl help rollback"))
        self.refuses("xyzzyxyzzy", says=("unknown command 'xyzzyxyzzy'", "kvctl help"))
        self.refuses("help", "gte", says="did you mean `kvctl get`?")
        self.refuses(says="no command")
        self.refuses("--level", "session", "get", "k", says="before the command")

    def test_what_cannot_be_taken_back_is_never_suggested(self):
        for typed in (("dle", "k"), ("promoet", "a"), ("donw",), ("node", "kil", "a"), ("rollback", "dorp", "x"),
                      ("voter", "remvoe", "a"), ("tranfer", "a"), ("accept-histroy", "a"), ("fault", "cutt", "a", "b")):
            self.assertNotIn("did you mean", self.refuses(*typed, says="unknown command").stderr)
        for typed in (("promote", "a", "--froce"), ("down", "--kil"), ("rollback", "drop", "x", "--yse")):
            self.assertNotIn("did you mean", self.refuses(*typed, says="unknown option").stderr)

    def test_words_of_other_stores_lead_to_what_does_it_here(self):
        for typed, says in ((("set", "k", "v"), "`kvctl put KEY VALUE`"), (("SET", "k", "v"), "`kvctl put KEY VALUE`"),
                            (("GET", "k"), "did you mean `kvctl get`?"),
                            (("keys", "*"), "scan --keys-only"), (("ls", "/"), "scan --keys-only"),
                            (("members",), "`kvctl status`"), (("endpoint", "health"), "`kvctl health`"),
                            (("pttl", "k"), "kvctl ttl KEY"), (("setex", "k", "10"), "--ttl DURATION"),
                            (("multi",), "`kvctl txn`"), (("flushall",), "kvctl help del"), (("select", "1"), "kvctl context use"),
                            (("htop",), "`kvctl top`"), (("kv", "get", "k"), "`kvctl get`"), (("info",), "`kvctl status`"),
                            (("setnx", "k", "v"), "--expect-absent"), (("move-leader",), "kvctl help transfer"),
                            (("cat", "k"), "`kvctl get KEY`"), (("agent",), "kvctl help up"), (("compaction", "7"), "by itself"),
                            (("join", "tcp://b"), "docs/topology.md"), (("monitor",), "kvctl watch"),
                            (("hset", "h", "f", "v"), "a value is bytes"), (("step-down",), "kvctl help transfer"),
                            (("restart", "a"), "kvctl node start NODE"), (("kill", "a"), "kvctl help node kill")):
            self.refuses(*typed, says=(f"unknown command '{typed[0]}'", says))
        self.assertEqual(kvctl("version").returncode, 0)

    def test_options_of_other_programs_lead_to_what_does_it_here(self):
        for command, option, says in ((("status",), "--json", "write -o json"), (("node", "ls"), "--json", "write -o json"),
                                      (("get", "k"), "--timeout=5s", "--deadline DURATION"),
                                      (("get", "k"), "--host", "write --endpoint tcp://HOST:PORT"),
                                      (("put", "k", "v"), "--endpoints", "write --endpoint ADDRESS,ADDRESS"),
                                      (("get", "k"), "--consistent", "--level linearizable")):
            self.refuses(*command, option, says=(f"unknown option {option.split('=')[0]}; ", says))
        self.assertNotIn("--level", self.refuses("put", "k", "v", "--consistent", says="unknown option").stderr)  # it has none

    def test_an_option_is_written_whole(self):
        self.refuses("get", "k", "--key-b", "a2V5", says=("unknown option --key-b", "did you mean --key-b64?"))
        self.refuses("get", "--k", "a2V5", says="unknown option --k")
        self.refuses("get", "k", "--lev=session", says="unknown option --lev;")
        self.refuses("get", "k", "--lev", says="unknown option --lev;")

    def test_options_are_suggested(self):
        self.refuses("get", "k", "--levle", "session", says=("--levle", "did you mean --level?"))
        self.refuses("get", "k", "-Z", says=("unknown option -Z", "write --"))

    def test_an_option_that_is_none_leads_to_those_that_are(self):
        self.refuses("get", "k", "--json", says="unknown option --json; write -o json")
        self.refuses("logs", "a", "-n", "3", says="unknown option -n; `kvctl help logs` lists the options; write -- before")
        self.refuses("rollback", "ls", "--zzz", says="unknown option --zzz; `kvctl help rollback ls` lists the options")

    def test_option_values_are_checked_before_anybody_is_asked(self):
        self.refuses("get", "k", "--level", "sesion", says="eventual|bounded|session|linearizable")
        self.refuses("get", "k", "--level", says="--level needs a value")
        self.refuses("get", "k", "--raw=yes", says="--raw takes no value")
        self.refuses("get", "k", "--deadline", "5", says="'5' is not a duration")
        self.refuses("get", "k", "--deadline", "0s", says="--deadline is 0")
        self.refuses("get", "k", "-n", "a", "-e", "tcp://127.0.0.1:1", says="--node and --endpoint")
        self.refuses("get", "k", "--deadline", "1s", "--deadline", "2s", says="given twice")
        self.refuses("scan", "--limit", "-3", says="--limit takes a number")
        self.refuses("scan", "--limit", "0", says="--limit takes a number")
        self.refuses("bench", "get", "--callers", "x", says="--callers takes a number")
        self.refuses("bench", "put", "--value-size", "5MB", says="is not a size")
        self.refuses("bench", "delete", says="txn or lag, not 'delete'")
        self.refuses("bench", "gett", says="did you mean 'get'?")
        self.refuses("bench", "get", "--ack", "all", says="--ack goes with put, txn, mixed and lag, not with get")
        self.refuses("bench", "get", "--level", "bounded", says="as in --level bounded --max-staleness 500ms")
        self.refuses("bench", "get", "--max-staleness", "1s", says="go together")
        self.refuses("bench", "get", "--seconds", "0", says="--seconds takes a number from 0.01")
        self.refuses("bench", "get", "--key-size", "8B", says="--key-size is 10 to 511 bytes")
        self.refuses("bench", "put", "--batch", "1000", "--value-size", "4KiB", says="more than 2 MiB")
        self.refuses("bench", "get", "--processes", "3", "--rate", "1000", says="cannot be divided")
        self.refuses("bench", "get", "--timeline", "0s", says="--timeline takes")

    def test_operands_are_counted(self):
        self.refuses("get", says=("missing KEY", "usage: kvctl get KEY"))
        self.refuses("fault", "cut", "a", says=("missing NODE", "`kvctl fault cut a b`"))
        self.refuses("fault", "delay", "a", "b", says="missing DURATION")
        self.refuses("get", "a", "b", says="'b' is one too many")
        self.refuses("put", "only-a-key", stdin=subprocess.DEVNULL, says="missing VALUE")
        self.refuses("status", "b", says=("'b' is one too many", "usage: kvctl status"))

    def test_options_that_contradict_each_other(self):
        self.refuses("get", "k", "--level", "eventual", "--max-staleness", "1s", says="--max-staleness goes with")
        self.refuses("get", "k", "--level", "bounded", says="needs --max-staleness")
        self.refuses("get", "k", "--level", "session", says="--session FILE")
        self.refuses("get", "k", "--new-session", "--endpoint", "tcp://127.0.0.1:1", says="--session FILE")
        self.refuses("put", "k", "v", "--value-file", "-", says="both")
        self.refuses("scan", "--prefix", "p", "--start", "s", says="--prefix excludes")

    def test_ladders_that_are_none(self):
        def refuses(ladder, *more, says):
            self.refuses("get", "k", "--ladder", ladder, *more, says=says)
        refuses("", says=("--ladder is empty", "RUNG,RUNG..."))
        refuses("linearizable:5ms,,eventual", says="--ladder: rung 2 is empty")
        refuses("eventual,", says="rung 2 is empty")
        refuses("linearisable:5ms,eventual", says=("rung 1, 'linearisable:5ms': there is no such level", "linearizable"))
        refuses("x" * 5000, says=("rung 1, 'xxx", "there is no such level"))
        refuses("bounded", says=("rung 1, 'bounded': it needs a time", "as in bounded:500ms"))
        refuses("bounded:500", says=("no duration", "as in bounded:500ms"))
        refuses("bounded:0", says="no duration of a millisecond or more")
        refuses("linearizable:2000h", says="no duration")
        refuses("eventual:5ms", says="it waits for nothing")
        refuses("eventual,linearizable", says=("rung 2, 'linearizable': promises no less", "wanted most first"))
        refuses("bounded:1s,bounded:500ms", says="rung 2, 'bounded:500ms'")
        refuses("session,eventual", says=("rung 1: it needs a session", "--session FILE"))
        refuses(",".join(f"bounded:{n}s" for n in range(1, 10)), says="more than 8 rungs")
        refuses("eventual", "--level", "eventual", says="--ladder excludes --level")
        refuses("eventual", "--max-staleness", "1s", says="--ladder excludes --max-staleness")
        refuses("eventual", "--allow-syncing", says=("--ladder excludes --allow-syncing", "in a rung"))

    def test_keys_and_values_out_of_bounds(self):
        self.refuses("get", "", says="1 to 511 bytes")
        self.refuses("get", "x" * 512, says="1 to 511 bytes, not 512")
        self.refuses("get", "no base64!", "--key-b64", says="is not base64")
        self.refuses("put", "k", "--value-file", "/nonexistent", says="/nonexistent: No such file")

    def test_operands_behind_two_dashes_may_begin_with_a_dash(self):
        self.refuses("get", "-x", says="unknown option -x")
        done = kvctl("get", "--endpoint", "tcp://127.0.0.1:1", "--deadline", "50ms", "--", "-k")
        self.assertEqual(done.returncode, 5, done)


class NoCluster(Usage):
    def test_without_a_topology_it_says_how_to_name_one(self):
        self.refuses("get", "k", says=("which cluster?", "--topology FILE", "$CANDOR_TOPOLOGY", "--endpoint"))
        self.refuses("get", "k", "--topology", "/nonexistent.yaml", says="/nonexistent.yaml: No such file or directory; name a topology's YAML file")
        self.refuses("up", "/nonexistent.yaml", says="/nonexistent.yaml: No such file or directory; name a topology's YAML file")
        self.refuses("get", "k", env={"CANDOR_TOPOLOGY": "/nonexistent.yaml"}, says="/nonexistent.yaml")

    def test_a_malformed_address_is_named(self):
        for command in (("get", "k"), ("status",), ("health",), ("rpc", "--list"), ("failover", "ls"), ("bench", "get")):
            for address, what, hint in (
                    ("127.0.0.1:7000", "is not an address", "write tcp://host:port or ipc:///path"),
                    ("http://h:1", "has an unknown scheme", "write tcp://host:port or ipc:///path"),
                    ("tls+tcp://127.0.0.1:7000", "is a TLS address", "write tcp://"),
                    ("tcp://127.0.0.1:99999", "has a port out of range", "a port is 1 to 65535"),
                    ("tcp://127.0.0.1:7000/", "goes on after the port", "write it like tcp://"),
                    ("tcp://127.0.0:7000", "has a malformed host", "write it like tcp://"),
                    ("tcp://0.0.0.0:7000", "is a wildcard", "name the host"),
                    ("ipc://", "has no path", "write ipc:///path/to/socket")):
                self.refuses(*command, "-e", address, says=f"--endpoint: '{address}' {what}; ")
                self.refuses(*command, "-e", address, says=hint)

    def test_a_host_that_does_not_resolve_is_named_at_once(self):
        for command in (("get", "k"), ("put", "k", "v"), ("scan",)):
            self.refuses(*command, "-e", "tcp://nosuch.invalid:7000", "-d", "10m", status=5,
                         says=("nosuch.invalid does not resolve", "check that a node's rpc address was meant"))
        for command in ("status", "health"):
            done = kvctl(command, "-e", "tcp://nosuch.invalid:7000", "-d", "10m")
            self.assertEqual(done.returncode, 5)
            # They ask once, and a resolver may take longer.
            self.assertRegex(done.stdout, "(?m)^tcp://nosuch.invalid:7000[:\t].*(does not resolve|still being looked up)")

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
        self.assertEqual(set(error), {"command", "code", "reason", "message", "hint", "primary", "endpoint",
                                      "freshness"})

    def test_errors_under_json_are_one_document_alone(self):
        done = kvctl("get", "k", "--level", "nonsense", "-o", "json")
        error = json.loads(done.stderr)["error"]
        self.assertEqual((error["command"], error["code"]), ("get", "INVALID_ARGUMENT"))
        self.assertIn("nonsense", error["message"])
        self.assertIn("kvctl help get", error["hint"])
        self.assertEqual(done.stdout, "")


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

    def test_all_nodes_are_named_however_many(self):
        path = os.path.join(self.dir.name, "many.yaml")
        names = [f"node-{i:02d}-{'n' * 20}" for i in range(32)]
        with open(path, "w") as f:
            f.write("cluster: many\nnodes:\n" + "".join(
                f"  - {{id: {name}, rpc: 'ipc:///nonexistent/{name}', stream: 'ipc:///nonexistent/{name}.s', data: {name}, "
                f"role: {'voter' if i < 7 else 'reader'}}}\n" for i, name in enumerate(names)))
        done = kvctl("get", "k", "--node", "somebody-else", "--topology", path)
        self.assertTrue(done.stderr.endswith(f"; the nodes are {', '.join(names)}\n"), done)

    def test_status_has_a_row_for_unreachable_nodes_and_says_why(self):
        done = self.run_on("status")
        self.assertEqual(done.returncode, 5, done)
        self.assertNotIn("\033", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^alpha +- +UNREACHABLE ")
        self.assertIn("  HEARD  MAX AGE  ", done.stdout)
        for line in on_a_terminal(44, "status", "--topology", self.topology, says="UNREACHABLE", status=5):
            self.assertLessEqual(len(line), 44, line)
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
        error = json.loads(done.stderr)["error"]
        self.assertEqual((error["command"], error["code"], done.stdout), ("rollback ls", "UNAVAILABLE", ""))

    def test_what_cannot_be_taken_back_is_not_done_without_a_terminal_or_yes(self):
        done = self.run_on("promote", "alpha", "--force")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("--yes", done.stderr)
        self.assertIn("alpha does not answer", done.stderr)
        self.assertEqual(self.run_on("accept-history", "alpha").returncode, 2)

    def test_import_names_the_line_that_is_wrong(self):
        for text, says in ((b'{"key": "k"}\n', ':1: it needs a string "value"'),
                           (b"\n\nnot json\n", ":3: not a JSON object"),
                           (b"k;v\n", ":1: not a JSON object; --separator TEXT reads lines of fields"),
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
        done = self.run_on("import", "/dev/zero")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("/dev/zero:1: it is longer than the largest key and value;", done.stderr)

    def test_import_takes_no_last_line_that_is_cut(self):
        """Of JSON a line that is cut is none; of a value that is cut nothing else shows it."""
        for form, text in (("tsv", "key\thalf a val"), ("lines", "key\thalf a val"), ("tsv", "\ufeffkey\tv")):
            with self.subTest(form):
                done = self.run_on("import", "-", "--format", form, input=text)
                self.assertEqual(done.returncode, 2, done)
                self.assertIn("-:1: no newline ends it, so it may be cut", done.stderr)
                self.assertIn("0 operations were acknowledged", done.stderr)

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
