"""Whom kvctl asks: options before and behind the command, several addresses, the environment, and which of them counts."""
import json
import os
import subprocess
import tempfile
import unittest

from harness import KVCTL, Cluster, free_ports, main


class Where(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = Cluster()
        cls.addClassCleanup(cls.c.close)
        cls.other = Cluster({"x": "voter"})
        cls.addClassCleanup(cls.other.close)
        cls.empty = tempfile.TemporaryDirectory(prefix="candor-test-")
        cls.addClassCleanup(cls.empty.cleanup)
        cls.c.up().wait_fresh()
        cls.other.up().wait_fresh()
        cls.at = cls.c.addresses()

    def run_kvctl(self, *args, status=0, input="", **variables):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CANDOR_")}
        environment.update(XDG_RUNTIME_DIR=self.empty.name, XDG_CONFIG_HOME=self.empty.name, **variables)
        done = subprocess.run([KVCTL, *args], input=input, capture_output=True, text=True, timeout=60, check=False,
                              env=environment)
        self.assertEqual(done.returncode, status, done)
        return done

    def nodes(self, *args, **variables):
        done = self.run_kvctl("status", "-o", "json", *args, **variables)
        return [row["node"] for row in json.loads(done.stdout)["nodes"]]

    def test_options_of_every_command_may_stand_before_it(self):
        address = self.at["a"]
        self.run_kvctl("--endpoint", address, "put", "before", "1")
        for line in (("--endpoint", address, "get", "before", "-q"), (f"--endpoint={address}", "-q", "get", "before"),
                     ("-qe", address, "get", "before"), (f"-e{address}", "--quiet", "get", "before"),
                     ("-e", address, "-d", "5s", "get", "-q", "before"), ("-t", self.c.topology, "-n", "b", "-q", "get", "before")):
            self.assertEqual(self.run_kvctl(*line).stdout, "1\n", line)
        self.assertEqual(json.loads(self.run_kvctl("-o", "json", "-e", address, "get", "before").stdout)["value"], "1")
        self.run_kvctl("-e", address, "rollback", "ls")
        self.run_kvctl("-e", address, "rollback", "-o", "json", "ls")
        self.assertIn("Usage: kvctl [OPTIONS] COMMAND", self.run_kvctl("-o", "text", "--help").stdout)
        self.assertIn("version", json.loads(self.run_kvctl("-o", "json", "--version").stdout))

    def test_other_options_before_the_command_are_told_apart(self):
        for line, says in ((("--level", "session", "get", "k"), "unknown option --level before the command; what a command has"),
                           (("--endpont", "x", "get", "k"), "unknown option --endpont before the command; did you mean --endpoint?"),
                           (("--endpoints", "x", "get", "k"), "write --endpoint ADDRESS,ADDRESS"),
                           (("-Z", "get", "k"), "unknown option -Z before the command"),
                           (("-e", "tcp://127.0.0.1:1"), "no command behind the options"), (("-e",), "no command behind the options"),
                           (("-e", "tcp://127.0.0.1:1", "gte", "k"), "did you mean `kvctl get`?"),
                           (("-d", "1s", "get", "k", "-d", "2s", "-e", "tcp://127.0.0.1:1"), "--deadline is given twice")):
            self.assertIn(says, self.run_kvctl(*line, status=2).stderr)
        done = self.run_kvctl("-o", "json", "--level", "x", "get", status=2)
        self.assertIn("before the command", json.loads(done.stderr)["error"]["message"])

    def test_several_addresses_are_all_asked(self):
        self.assertEqual(self.nodes("-e", f"{self.at['b']},{self.at['c']}"), ["b", "c"])
        self.assertEqual(self.nodes("-e", self.at["c"], "--endpoint", self.at["a"]), ["c", "a"])
        self.assertEqual(self.nodes(CANDOR_ENDPOINTS=f"{self.at['b']}, {self.at['a']}"), ["b", "a"])

    def test_of_several_addresses_one_that_answers_is_enough(self):
        nobody = f"tcp://127.0.0.1:{free_ports(1)[0]}"
        self.run_kvctl("put", "several", "1", "-e", f"{nobody},{self.at['b']}")  # b names the primary
        self.assertEqual(self.run_kvctl("get", "several", "-q", "-e", nobody, "-e", self.at["a"]).stdout, "1\n")
        rows = json.loads(self.run_kvctl("status", "-o", "json", "-e", f"{nobody},{self.at['a']}", "-d", "1s").stdout)["nodes"]
        self.assertEqual([row["state"] for row in rows], ["UNREACHABLE", "FRESH"])

    def test_an_operator_names_nodes_where_only_addresses_are_known(self):
        every = ",".join(self.at.values())
        done = self.run_kvctl("transfer", self.c.primary(), "-e", every)
        self.assertIn("is the primary already", done.stdout)
        self.assertIn("no node 'z' answers at the addresses", self.run_kvctl("transfer", "z", "-e", every, status=2).stderr)

    def test_lists_that_are_wrong_are_refused_by_name(self):
        for value, says in ((f"{self.at['a']},,{self.at['b']}", "one of them is empty"), ("x", "'x' is not an address"),
                            (f"{self.at['a']},h:1", "'h:1' is not an address"), (",", "one of them is empty"),
                            (",".join(f"tcp://h:{i}" for i in range(1, 34)), "more than 32 addresses")):
            self.assertIn(f"--endpoint: {says}", self.run_kvctl("get", "k", "-e", value, status=2).stderr)
            self.assertIn(f"$CANDOR_ENDPOINTS: {says}", self.run_kvctl("get", "k", status=2, CANDOR_ENDPOINTS=value).stderr)
        self.run_kvctl("help", "get", CANDOR_ENDPOINTS="x")
        self.run_kvctl("get", "--help", CANDOR_ENDPOINTS="x")
        self.run_kvctl("topology", "check", self.c.topology, CANDOR_ENDPOINTS="x")

    def test_the_command_line_counts_before_the_environment_and_addresses_before_a_topology(self):
        here, there = {"CANDOR_TOPOLOGY": self.c.topology}, {"CANDOR_ENDPOINTS": self.other.addresses()["x"]}
        self.assertEqual(self.nodes(**here), ["a", "b", "c"])
        self.assertEqual(self.nodes(**there), ["x"])
        self.assertEqual(self.nodes(**here, **there), ["x"])
        self.assertEqual(self.nodes("-t", self.c.topology, **there), ["a", "b", "c"])
        self.assertEqual(self.nodes("-e", self.at["b"], **here, **there), ["b"])
        self.assertEqual(self.nodes("-t", self.c.topology, "-n", "b", **there), ["b"])
        self.assertEqual(self.nodes(CANDOR_ENDPOINTS="", **here), ["a", "b", "c"])
        done = self.run_kvctl("get", "k", "-n", "b", status=2, **here, **there)  # b of which cluster?
        self.assertIn("node 'b' cannot be found without a topology", done.stderr)

    def test_version_asks_the_nodes_when_they_are_named(self):
        mine = self.run_kvctl("version", CANDOR_TOPOLOGY=self.c.topology).stdout
        version = mine.split()[1]
        every = f"{mine}a {version}\nb {version}\nc {version}\n"
        self.assertEqual(self.run_kvctl("version", "--nodes", CANDOR_TOPOLOGY=self.c.topology).stdout, every)
        self.assertEqual(self.run_kvctl("version", "-t", self.c.topology).stdout, every)
        said = json.loads(self.run_kvctl("version", "-e", self.at["b"], "-o", "json").stdout)
        self.assertEqual(said, {"version": version, "nodes": [{"node": "b", "version": version, "address": self.at["b"]}]})
        nobody = f"tcp://127.0.0.1:{free_ports(1)[0]}"
        done = self.run_kvctl("version", "-e", nobody, "-d", "200ms", status=5)
        self.assertTrue(done.stdout.startswith(f"{mine}{nobody} UNREACHABLE: "), done.stdout)
        self.assertIn("which cluster?", self.run_kvctl("version", "--nodes", status=2).stderr)

    def test_the_shell_keeps_what_it_was_given(self):
        script = "status -o json\nstatus -o json -t " + self.c.topology + "\n"
        done = self.run_kvctl("-e", self.at["a"] + "," + self.at["b"], "shell", input=script,
                              CANDOR_ENDPOINTS=self.other.addresses()["x"])
        asked = [[row["node"] for row in json.loads(line)["nodes"]] for line in done.stdout.splitlines()]
        self.assertEqual(asked, [["a", "b"], ["a", "b", "c"]])


if __name__ == "__main__":
    main()
