"""Every command of kvctl, and each of its options, with wrong input: each message says what was wrong, where, and what to do.

The commands and their options come from `kvctl help -o json`, which is made from the table that parses them: a new command or option is
walked as well. Each wrong line is run twice, as text and with -o json, and both must say the same.
"""
import json
import os
import re
import subprocess
import tempfile
import unittest

from harness import KVCTL, Cluster, free_ports, main

CODES = {1: {"NOT_FOUND", "UNKNOWN"}, 2: {"INVALID_ARGUMENT"}, 4: {"FAILED_PRECONDITION"},
         5: {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}, 6: {"FAILED_PRECONDITION", "ALREADY_EXISTS", "OUT_OF_RANGE"}}
# What a line needs beside its operands to be a good one.
NEEDED = {"accept-history": ["--yes"], "rollback drop": ["--yes"], "watch-status": ["--count", "1"], "top": ["--count", "1"], "version": ["--nodes"], "cas": ["--expect", "x"],
          "bench": ["--seconds", "1"], "context add": ["--endpoint", "tcp://h:1"]}
# Operands beyond those that the table asks for: without them, or something in their place, the line is wrong.
FULL = {"get": ["k"], "del": ["k"], "put": ["k", "v"], "cas": ["k", "v"], "rpc": ["KV/Get"], "await": ["g1.t1.a:1"], "logs": ["alpha"], "fault heal": ["alpha", "beta"]}
OPERANDS = {"NAME": "n", "CONTEXT": "nosuch", "KEY": "k", "VALUE": "v", "NODE": "alpha", "ARCHIVE": "1-2-00000000", "DELTA": "1", "CLUSTER": "nosuch", "DURATION": "5ms",
            "METHOD": "KV/Get", "JSON": "{}", "COMMAND": "get", "get|put|mixed|scan|txn|lag|load|clean": "get", "bash|zsh|fish|words": "bash"}
# Values that an option of this kind must refuse. Every kind stands here, but for choices, which have a "|": texts take all.
BAD_VALUES = {"DURATION": ("5", "x", "", "-1s", "1.2.3s", "5 parsecs"), "COUNT": ("x", "-1", "", "1.5", "99999999999999999999999"),
              "NUMBER": ("x", "0", ""), "SECONDS": ("x", "", "-1", "0", "1e3"), "PERCENT": ("x", "", "101", "-1"), "N": ("x", "", "1e3", "99999999999999999999999"), "SIZE": ("5MB", "x", "-1B", ""),
              "NODE": ("", "nosuch"), "ADDRESS": ("nonsense", "tcp://", "tcp://h", "http://h:1", "tls+tcp://h:1", ""),
              "RUNG,RUNG...": ("", "x", "linearizable:5", "bounded", ","),
              "FILE": ("",), "DIR": ("",), "CLUSTER": ("",), "CONTEXT": ("", "nosuch"), "KEY": (), "VALUE": (), "PREFIX": (), "TEXT": (), "NAME": ("",),
              "SEQ": ("x", "-1", "", "0", "1.5", "99999999999999999999999"), "COMMAND": ()}
# What cannot be reached is what they are asked for: it stands in their table, in this word.
TABLES = {**dict.fromkeys(("status", "version", "member ls", "watch-status", "top", "health"), "UNREACHABLE"),
          "explain get": "does not answer", "explain put": "does not answer"}

TOPOLOGY = """cluster: wrong-input
initial_primary: alpha
nodes:
  - {{id: alpha, rpc: "tcp://127.0.0.1:{0}", peer: "tcp://127.0.0.1:{1}", stream: "tcp://127.0.0.1:{2}", heartbeat: "tcp://127.0.0.1:{3}", data: a}}
  - {{id: beta, rpc: "tcp://127.0.0.1:{4}", peer: "tcp://127.0.0.1:{5}", stream: "tcp://127.0.0.1:{6}", heartbeat: "tcp://127.0.0.1:{7}", data: b}}
"""


class Walk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="candor-test-")
        cls.addClassCleanup(directory.cleanup)
        cls.dir = directory.name
        cls.topology = cls.write("t.yaml", TOPOLOGY.format(*free_ports(8)))
        cls.malformed = cls.write("bad.yaml", "cluster: bad\nnodes:\n  - {id: a, rcp: x}\n")
        cls.files = {"import": cls.write("in.jsonl", '{"key": "k", "value": "v"}\n'),
                     "txn": cls.write("txn.json", '{"then": [{"get": {"key": "k"}}]}')}
        cls.nowhere = f"tcp://127.0.0.1:{free_ports(1)[0]}"
        cls.environment = {k: v for k, v in os.environ.items() if k not in ("CANDOR_TOPOLOGY", "CANDOR_ENDPOINTS")}
        cls.environment["XDG_RUNTIME_DIR"] = cls.dir
        cls.environment["XDG_CONFIG_HOME"] = cls.dir
        listed = json.loads(cls.run_kvctl("help", "-o", "json").stdout)["commands"]
        cls.commands = [json.loads(cls.run_kvctl("help", *c["command"].split(), "-o", "json").stdout) for c in listed]

    @classmethod
    def write(cls, name, text):
        path = os.path.join(cls.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    @classmethod
    def run_kvctl(cls, *args, env=None):
        return subprocess.run([KVCTL, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
                              env={**cls.environment, **(env or {})})

    # -- what is held to ---------------------------------------------------------------------------

    def refused(self, command, *args, status=2, where=(), env=None, table=False):
        """The line ends with `status`, and says on stderr alone what was wrong (each of `where` stands in it) and what to do."""
        line = [*command.split(), *args]
        where = (where,) if isinstance(where, str) else where
        with self.subTest(line=" ".join(line)):
            text = self.run_kvctl(*line, env=env)
            self.assertEqual(text.returncode, status, text)
            if table:
                self.assertIn(table, text.stdout)
                json.loads(self.run_kvctl(*line, "-o", "json", env=env).stdout)
                return
            self.assertEqual(text.stdout, "")
            said = text.stderr.splitlines()[-1]
            self.assertTrue(said.startswith(f"kvctl: {command}: "), text.stderr)
            what, _, hint = re.sub(r"(\?) ", r"\1; ", said[len(f"kvctl: {command}: "):], count=1).partition("; ")
            self.assertTrue(what and hint, f"it does not say what to do: {said}")
            for word in where:
                self.assertIn(word, said)
            self.assertNotRegex(said, r"\bR\d+\b|\(null\)|''")
            if "--output" in args:
                return
            as_json = self.run_kvctl(*command.split(), "-o", "json", *args, env=env)
            self.assertEqual((as_json.returncode, as_json.stdout), (status, ""), as_json)
            error = json.loads(as_json.stderr)["error"]  # one document, and nothing beside it
            self.assertEqual(error["command"], command)
            self.assertIn(error["code"], CODES[status])
            self.assertTrue(error["message"] and error["hint"], error)
            self.assertEqual(error["hint"].count("`") % 2, 0, "the hint is cut")
            for word in where:
                self.assertIn(word, error["message"] + error["hint"])

    # -- good lines --------------------------------------------------------------------------------

    def operands(self, command):
        name = command["command"]
        if name == "txn":
            return [self.files[name]]
        if name in FULL:
            return FULL[name]
        words = re.sub(r"[\[\]]|\.\.\.", "", command["operands"]).split()[:command["min_operands"]]
        kinds = {**OPERANDS, "FILE": self.files.get(name, self.topology)}
        return [kinds[w] for w in words]

    def needed(self, command, without=""):
        words = NEEDED.get(command["command"], [])
        if command["command"] == "fault proxy":
            words = ["--run-dir", self.dir]
        if command["command"] == "context add" and without == "topology":
            return []
        return [] if without and words and words[0].startswith(f"--{without.split('-')[0]}") else words

    @staticmethod
    def is_remote(command):
        return any(o["name"] == "context" for o in command["options"])

    @staticmethod
    def names_nodes(command):
        return command["operands"].startswith("NODE")

    def good(self, command, without=""):
        """A line that is right, but for nobody being there; without the option that is to be added to it."""
        name = command["command"]
        line = [*self.operands(command), *self.needed(command, without)]
        if self.is_remote(command) and without != "deadline":
            line += ["--deadline", "100ms"]
        if self.is_remote(command) and without not in ("topology", "endpoint", "context"):
            line += ["--topology", self.topology]
        return name, line

    # -- the walk ----------------------------------------------------------------------------------

    def test_the_walk_meets_all_commands(self):
        self.assertGreaterEqual(len(self.commands), 47)
        self.assertGreaterEqual(sum(len(c["options"]) for c in self.commands), 250)

    def test_unknown_options(self):
        for command in self.commands:
            name, line = self.good(command)
            self.refused(name, *line, "--no-such-option", where="--no-such-option")
            self.refused(name, *line, "-Z", where="-Z")

    def test_operands_that_are_missing_or_too_many(self):
        for command in self.commands:
            operands = self.operands(command)
            for count in range(command["min_operands"]):
                self.refused(command["command"], *operands[:count], *self.needed(command), where=("missing ", "usage: kvctl "))
            if command["command"] in FULL:
                where = "give two nodes" if command["command"] == "fault heal" else "missing "
                self.refused(command["command"], *operands[:-1], *self.needed(command), where=where)
            if command["max_operands"] is not None:
                full = (operands + ["surplus"] * command["max_operands"])[:command["max_operands"]]
                self.refused(command["command"], *full, "one-too-many", where=("'one-too-many' is one too many", "usage: kvctl "))

    def test_options_without_a_value_twice_cut_short_and_flags_with_a_value(self):
        for command in self.commands:
            names = {o["name"] for o in command["options"]}
            for option in command["options"]:
                name, line = self.good(command, option["name"])
                spelled = f"--{option['name']}"
                if option["name"][:-1] not in names and option["name"] != "help":
                    self.refused(name, *line, spelled[:-1], where=f"unknown option {spelled[:-1]}")
                if option["argument"] is None:
                    self.refused(name, *line, f"{spelled}=yes", where=f"{spelled} takes no value")
                else:
                    self.refused(name, *line, spelled, where=(f"{spelled} needs a value", option["argument"]))
                if option["argument"] is not None and not option["repeat"] and option["name"] not in ("output", "run-dir"):
                    value = option["argument"].split("|")[0] if "|" in option["argument"] else "1"
                    self.refused(name, *line, spelled, value, spelled, value, where=f"{spelled} is given twice")

    def test_values_that_an_option_does_not_take(self):
        for command in self.commands:
            for option in command["options"]:
                kind = option["argument"]
                name, line = self.good(command, option["name"])
                spelled = f"--{option['name']}"
                if kind is None or (kind == "NODE" and not self.is_remote(command) and name != "up"):
                    continue
                bad = ("nonsense", "") if "|" in kind else BAD_VALUES[kind]
                for value in bad:
                    # promote and accept-history ask the NODE that they name, and take no other.
                    where = (spelled,) if name in ("promote", "accept-history") and kind == "NODE" else \
                        (value,) if kind == "NODE" else (spelled, value)
                    self.refused(name, *line, f"{spelled}={value}", where=where)

    def test_files_that_are_not_there(self):
        missing = os.path.join(self.dir, "missing/file")
        for command in self.commands:
            name = command["command"]
            for option in command["options"]:
                _, line = self.good(command, option["name"])
                spelled = f"--{option['name']}"
                if option["argument"] == "FILE" and (option["name"] != "topology" or self.is_remote(command) or name == "context add"):
                    line = line[:1] + line[2:] if option["name"] == "value-file" else line  # instead of the VALUE
                    self.refused(name, *line, spelled, missing, where=missing)
                elif option["argument"] == "FILE":
                    self.refused(name, *line, spelled, missing, status=1, where=missing)
            if command["operands"].startswith("FILE"):
                self.refused(name, missing, *self.good(command)[1][1:], where=missing)

    def test_a_topology_that_cannot_be_used(self):
        for command in self.commands:
            name, line = self.good(command, "topology")
            if self.is_remote(command):
                self.refused(name, *line, "--topology", self.malformed, where="kvctl topology check")
            elif command["operands"] == "FILE" and name != "topology check":
                self.refused(name, self.malformed, *line[1:], where="kvctl topology check")

    def test_without_any_cluster(self):
        for command in self.commands:
            name, line = self.good(command, "topology")
            if self.is_remote(command) and name != "shell":
                self.refused(name, *line, where=("which cluster?", "--topology"))
            elif any(o["name"] == "cluster" for o in command["options"]):
                operands = self.operands(command)
                self.refused(name, *operands, status=1, where=("no cluster is up here", "kvctl up"))
                self.refused(name, *(operands if name != "down" else []), "--cluster", "nosuch", status=1, where="nosuch")
                self.refused(name, *(operands if name != "down" else []), "--run-dir", "/nonexistent", status=1, where="/nonexistent")

    def test_nobody_at_the_address(self):
        for command in self.commands:
            name, line = self.good(command, "endpoint")
            if not self.is_remote(command) or name in ("shell", "verify") or self.names_nodes(command):
                continue
            self.refused(name, *line, "--endpoint", self.nowhere, status=5, where=self.nowhere,
                         table=TABLES.get(name, False))

    def test_nodes_that_are_down(self):
        for command in self.commands:
            name, line = self.good(command)
            if self.is_remote(command) and name != "shell":
                self.refused(name, *line, status=5, table=TABLES.get(name, False))

    def test_nodes_that_are_not_of_the_cluster(self):
        for command in self.commands:
            if not self.is_remote(command):
                continue
            name, line = self.good(command)
            if self.names_nodes(command):
                self.refused(name, "nosuch", *line[1:], where=("no node 'nosuch'", "alpha, beta"))
            else:
                self.refused(name, *line, "--node", "nosuch", where=("no node 'nosuch'", "alpha, beta"))
            self.refused(name, *line, "--node", "alpha", "--endpoint", self.nowhere, where=("--node", "--endpoint"))


    def test_a_key_whose_value_does_not_allow_it(self):
        with Cluster({"alpha": "voter"}) as c:
            c.up()
            at = ("--topology", c.topology)
            c.put("many words", "many")
            c.put("few", "3")
            c.put("x" + "Ä" * 100, "many")
            self.refused("incr", "many words", *at, status=6, where=("key 'many words'", "not a decimal number", "kvctl get"))
            self.refused("incr", "few", "1", "--max", "3", *at, status=6, where=("key 'few'", "not within", "--max"))
            self.refused("incr", "x" + "Ä" * 100, *at, status=6, where=f"key 'x{'Ä' * 39}...'")  # not within a character

    def test_nodes_that_are_not_of_the_cluster_that_is_up(self):
        with Cluster({"alpha": "voter", "beta": "reader"}, fault_proxy=True) as c:
            c.up("--node", "alpha")
            place = ("--run-dir", c.run_dir)
            for command in self.commands:
                name, operands = command["command"], self.operands(command)
                options = {o["name"] for o in command["options"]}
                if "cluster" not in options or self.is_remote(command):
                    continue
                for i, word in enumerate(operands):
                    if word in ("alpha", "beta"):
                        wrong = [*operands[:i], "alpah", *operands[i + 1:]]
                        self.refused(name, *wrong, *place, where=("no node 'alpah'", "did you mean 'alpha'?"))
                if "node" in options:
                    self.refused(name, "--node", "nosuch", *place, where=("no node 'nosuch'", "kvctl node ls"))
                if operands[:2] == ["alpha", "beta"]:
                    self.refused(name, "alpha", *operands[:1], *operands[2:], *place, where="no network to itself")
            self.refused("node start", "alpha", *place, status=6, where="is running")
            self.refused("node kill", "beta", *place, status=6, where="is not running")
            self.refused("up", c.topology, "--with-fault-proxy", *place, status=6, where="already up: alpha")
            self.refused("up", c.topology, *place, status=6, where="with a fault proxy")


if __name__ == "__main__":
    main()
