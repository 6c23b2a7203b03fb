"""The completion script in a real bash."""
import json
import os
import subprocess
import tempfile
import unittest

from harness import BIN, KVCTL, Cluster, main

DRIVER = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_kvctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory(prefix="candor-test-")
        cls.addClassCleanup(cls.dir.cleanup)
        cls.runtime = tempfile.TemporaryDirectory(prefix="candor-test-")
        cls.addClassCleanup(cls.runtime.cleanup)
        cls.script = os.path.join(cls.dir.name, "kvctl.bash")
        made = subprocess.run([KVCTL, "completion", "bash"], capture_output=True, text=True, check=True)
        with open(cls.script, "w", encoding="utf-8") as f:
            f.write(made.stdout)
        for name in ("one.yaml", "two words.yaml"):
            open(os.path.join(cls.dir.name, name), "w", encoding="utf-8").close()
        os.mkdir(os.path.join(cls.dir.name, "folder"))
        cls.cluster = Cluster({"alpha": "voter", "beta": "reader", "gamma": "reader"})
        cls.addClassCleanup(cls.cluster.close)

    def offered(self, *words, topology=True):
        environment = {k: v for k, v in os.environ.items() if k not in ("CANDOR_TOPOLOGY", "CANDOR_ENDPOINTS")}
        environment["XDG_RUNTIME_DIR"] = self.runtime.name
        if topology:
            environment["CANDOR_TOPOLOGY"] = self.cluster.topology
        done = subprocess.run(["bash", "--norc", "-c", DRIVER, "bash", self.script, KVCTL, *words],
                              capture_output=True, text=True, timeout=60, check=True,
                              cwd=self.dir.name, env=environment)
        self.assertEqual(done.stderr, "")
        return done.stdout.split("\n")[:-1] if done.stdout != "\n" else []

    def test_bash_takes_the_script_and_completes_kvctl_by_it(self):
        done = subprocess.run(["bash", "--norc", "-uc", "source <(kvctl completion bash); complete -p kvctl"],
                              capture_output=True, text=True, check=True,
                              env={**os.environ, "PATH": BIN + ":" + os.environ["PATH"]})
        self.assertEqual(done.stdout, "complete -F _kvctl kvctl\n")
        self.assertEqual(done.stderr, "")

    def test_commands_and_members_of_families(self):
        self.assertEqual(self.offered("ro"), ["rollback"])
        self.assertEqual(self.offered("topology", ""), ["check", "show", "reference"])
        self.assertEqual(self.offered("fault", "--run-dir", "x", "c"), ["cut"])
        self.assertIn("status", self.offered(""))
        self.assertEqual(self.offered("help", "st"), ["status"])
        self.assertEqual(self.offered("frobnicate", ""), [])

    def test_every_command_of_the_help_is_offered(self):
        listed = subprocess.run([KVCTL, "--help"], capture_output=True, text=True, check=True).stdout
        firsts = {line.split()[0] for line in listed.splitlines()
                  if line.startswith("  ") and line[2].isalpha()}
        self.assertEqual(firsts - set(self.offered("")), set())

    def test_options_of_the_command_and_no_others(self):
        self.assertEqual(self.offered("get", "k", "--no"), ["--no-redirect", "--node"])
        self.assertEqual(self.offered("node", "ls", "--no"), [])
        self.assertEqual(self.offered("promote", "--f"), ["--force"])

    def test_values_of_options(self):
        self.assertEqual(self.offered("get", "-o", ""), ["text", "json"])
        self.assertEqual(self.offered("get", "--output", "=", "j"), ["json"])
        self.assertEqual(self.offered("get", "--output", "="), ["text", "json"])
        self.assertEqual(self.offered("get", "--level", "b"), ["bounded"])
        self.assertEqual(self.offered("get", "--deadline", ""), [])

    def test_node_ids_of_the_topology_at_hand(self):
        nodes = ["alpha", "beta", "gamma"]
        self.assertEqual(self.offered("get", "--node", ""), nodes)
        self.assertEqual(self.offered("node", "kill", "g"), ["gamma"])
        self.assertEqual(self.offered("node", "kill", "alpha", "beta", "g"), ["gamma"])
        self.assertEqual(self.offered("fault", "cut", "alpha", ""), nodes)
        self.assertEqual(self.offered("fault", "cut", "alpha", "beta", ""), [])
        self.assertEqual(self.offered("get", "--node", "", topology=False), [])
        self.assertEqual(self.offered("get", "-t", self.cluster.topology, "--node", "", topology=False),
                         nodes)

    def test_names_of_clusters_that_are_up(self):
        self.assertEqual(self.offered("down", ""), [])
        environment = {k: v for k, v in os.environ.items() if k not in ("CANDOR_TOPOLOGY", "CANDOR_ENDPOINTS")}
        environment["XDG_RUNTIME_DIR"] = self.runtime.name
        up = subprocess.run([KVCTL, "up", self.cluster.topology, "-o", "json"], env=environment, capture_output=True,
                            text=True, check=True)
        name = json.loads(up.stdout)["cluster"]
        try:
            self.assertEqual(self.offered("down", ""), [name])
            self.assertEqual(self.offered("node", "ls", "--cluster", name[:6]), [name])
            self.assertEqual(self.offered("logs", "--cluster", "x"), [])
        finally:
            subprocess.run([KVCTL, "down", name, "--kill"], env=environment, capture_output=True, check=True)

    def test_files_and_folders(self):
        self.assertEqual(self.offered("topology", "check", "o"), ["one.yaml"])
        self.assertEqual(self.offered("get", "-t", "two"), ["two words.yaml"])
        self.assertEqual(self.offered("node", "ls", "--run-dir", ""), ["folder"])


if __name__ == "__main__":
    main()
