"""Completion of kvctl: what it says may stand where, and its scripts in a real bash, zsh and fish."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import BIN, KVCTL, Cluster, free_ports, main, until
from terminal import Terminal

DRIVER = """
source "$1"; COMP_LINE=$2; COMP_POINT=${#2}; shift 2
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
        line = " ".join((KVCTL, *words)).replace(" = ", "=").replace(" : ", ":")
        line = line[:-2] + "=" if line.endswith(" =") else line
        done = subprocess.run(["bash", "--norc", "-c", DRIVER, "bash", self.script, line, KVCTL, *words],
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
        self.assertEqual(self.offered("topology", ""), ["check", "reference", "show"])
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
        self.assertEqual(self.offered("get", "-o", ""), ["json", "text"])
        self.assertEqual(self.offered("get", "--output", "=", "j"), ["json"])
        self.assertEqual(self.offered("get", "--output", "="), ["json", "text"])
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
        self.assertEqual(self.offered("get", "--topology", "=", "o"), ["one.yaml"])
        self.assertEqual(self.offered("node", "ls", "--run-dir", ""), ["folder"])

    # -- whom the line names -----------------------------------------------------------------------

    def words(self, *words, **variables):
        """What kvctl says: the kind, and the candidates."""
        environment = {**os.environ, "XDG_RUNTIME_DIR": self.runtime.name, "XDG_CONFIG_HOME": self.runtime.name, **variables}
        done = subprocess.run([KVCTL, "completion", "words", "-o", "json", "--", *words], capture_output=True, text=True,
                              timeout=60, check=True, env=environment)
        self.assertEqual(done.stderr, "")
        said = json.loads(done.stdout)
        return said["kind"], [one["word"] for one in said["words"]]

    def test_options_before_the_command(self):
        self.assertEqual(self.words("-o", ""), ("words", ["json", "text"]))
        self.assertEqual(self.words("-t", "x", "promo"), ("words", ["promote"]))
        self.assertEqual(self.words("--end"), ("words", ["--endpoint"]))
        self.assertEqual(self.words("-d", "1s", "get", "--literal"), ("words", []))
        self.assertEqual(self.words("-t", self.cluster.topology, "promote", "g"), ("words", ["gamma"]))
        self.assertEqual(self.words(f"--topology={self.cluster.topology}", "promote", "g"), ("words", ["gamma"]))
        self.assertEqual(self.offered("-e", "tcp", ":", "//h", ":", "1", "promo"), ["promote"])

    def test_contexts(self):
        home = tempfile.TemporaryDirectory(prefix="candor-test-")
        self.addCleanup(home.cleanup)
        where = {"XDG_CONFIG_HOME": home.name}
        for name in ("shop", "store"):
            subprocess.run([KVCTL, "context", "add", name, "-t", self.cluster.topology], check=True, capture_output=True,
                           env={**os.environ, **where})
        self.assertEqual(self.words("--context", "", **where), ("words", ["shop", "store"]))
        self.assertEqual(self.words("context", "use", "st", **where), ("words", ["store"]))
        self.assertEqual(self.words("--context", "shop", "get", "--node", "", **where), ("words", ["alpha", "beta", "gamma"]))
        self.assertEqual(self.words("get", "--context=s", **where), ("words", ["--context=shop", "--context=store"]))
        with open(os.path.join(home.name, "candor/contexts"), "a", encoding="utf-8") as f:
            f.write("nonsense\n")
        self.assertEqual(self.words("--context", "", **where), ("words", []))

    def test_kinds_of_paths(self):
        self.assertEqual(self.words("topology", "check", "")[0], "files")
        self.assertEqual(self.words("node", "ls", "--run-dir", "")[0], "dirs")
        self.assertEqual(self.words("get", "--topology=x")[0], "files")
        self.assertEqual(self.words(), ("words", self.words("")[1]))

    def test_nobody_answers_and_nothing_is_offered(self):
        nowhere = f"tcp://127.0.0.1:{free_ports(1)[0]}"
        for line in (("-e", nowhere, "rpc", ""), ("-e", nowhere, "rollback", "show", ""), ("-e", nowhere, "get", "-n", "")):
            self.assertEqual(self.words(*line), ("words", []))


class Asked(unittest.TestCase):
    """What nodes are asked for."""

    def test_methods_archives_and_nodes_behind_addresses(self):
        with Cluster({"a": "voter", "b": "voter", "c": "voter"}, fault_proxy=True) as c:
            c.up().wait_fresh()
            c.isolate("a")
            c.put("lost", "1", "--node", "a", "--no-redirect")
            until(lambda: c.kvctl("promote", "b"), "b is promoted")
            c.heal()
            until(lambda: c.json("rollback", "ls")["archives"], "an archive")
            archive = c.json("rollback", "ls")["archives"][0]["id"]
            for where in (["-t", c.topology], ["-e", ",".join(c.addresses().values())]):
                done = subprocess.run([KVCTL, "completion", "words", "--", *where, "rollback", "show", ""], capture_output=True,
                                      text=True, check=True)
                self.assertEqual(done.stdout, f"words\n{archive}\ta\n")
                for begun, wanted in (("KV/Mul", "KV/MultiGet"), ("/candor.v1.KV/Mul", "/candor.v1.KV/MultiGet")):
                    done = subprocess.run([KVCTL, "completion", "words", "--", *where, "rpc", begun], capture_output=True,
                                          text=True, check=True)
                    self.assertEqual(done.stdout.splitlines()[1].split("\t")[0], wanted)
                done = subprocess.run([KVCTL, "completion", "words", "--", *where, "promote", ""], capture_output=True, text=True,
                                      check=True)
                self.assertEqual([line.split("\t")[0] for line in done.stdout.splitlines()[1:]], ["a", "b", "c"])


class Shells(unittest.TestCase):
    """The scripts, in the shells themselves, as far as they are installed."""

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="candor-test-")
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        for name in ("one.yaml", "two words.yaml"):
            open(os.path.join(self.home, name), "w", encoding="utf-8").close()
        os.mkdir(os.path.join(self.home, "folder"))
        self.environment = {**os.environ, "HOME": self.home, "XDG_CONFIG_HOME": self.home, "XDG_RUNTIME_DIR": self.home,
                            "ZDOTDIR": self.home, "PATH": BIN + ":" + os.environ["PATH"]}

    def script(self, shell):
        path = os.path.join(self.home, "kvctl." + shell)
        with open(path, "w", encoding="utf-8") as f:
            f.write(subprocess.run([KVCTL, "completion", shell], capture_output=True, text=True, check=True).stdout)
        return path

    def installed(self, shell):
        if shutil.which(shell) is None:
            self.skipTest(f"{shell} is not installed")

    def test_each_script_is_of_its_shells_syntax(self):
        for shell in ("bash", "zsh", "fish"):
            with self.subTest(shell):
                as_json = json.loads(subprocess.run([KVCTL, "completion", shell, "-o", "json"], capture_output=True, text=True,
                                                    check=True).stdout)
                path = self.script(shell)
                with open(path, encoding="utf-8") as f:
                    self.assertEqual(as_json, {"shell": shell, "script": f.read()})
                if shutil.which(shell) is None:
                    continue
                done = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def type_to(self, *program, prompt, begin=""):
        terminal = Terminal(*program[1:], program=program[0], columns=200, **{name: value for name, value in self.environment.items()
                                                                              if name != "NO_COLOR"})
        self.addCleanup(terminal.close)
        terminal.type(begin)
        terminal.expect(prompt)
        return terminal

    def test_a_person_at_bash(self):
        terminal = self.type_to("bash", "--norc", "--noprofile", "-i", prompt="READY> ",
                                begin=f"PS1='READY''> '; cd {self.home}; source {self.script('bash')}; bind 'set bell-style none'\n")
        terminal.type("echo kvctl; kvctl topo\tch\tone\t\n")
        terminal.expect("kvctl topology check one.yaml ")
        terminal.expect("READY> ")
        terminal.type("kvctl --output=j\tcompletion words -- ro\n")
        terminal.expect(r'\{"kind":"words","words":\[\{"word":"rollback"')

    def test_a_person_at_zsh(self):
        self.installed("zsh")
        terminal = self.type_to("zsh", "-f", "-i", prompt="READY> ",
                                begin=f"PS1='READY''> '; cd {self.home}; autoload -Uz compinit; compinit -u; source {self.script('zsh')}\n")
        terminal.type("kvctl topo\tch\tone\t")
        terminal.expect("kvctl topo.*logy.*check.*one.yaml")
        terminal.type("\x15kvctl --output=j\tcompletion words -- ro\n")
        terminal.expect(r'\{"kind":"words","words":\[\{"word":"rollback"')

    def test_fish_offers_words_with_what_they_mean_and_paths(self):
        self.installed("fish")
        path = self.script("fish")

        def offered(line):
            done = subprocess.run(["fish", "--no-config", "-c", f"source {path}; complete -C '{line}'"], capture_output=True, text=True,
                                  check=True, cwd=self.home, env=self.environment, timeout=60)
            self.assertEqual(done.stderr, "")
            return [candidate.split("\t") for candidate in done.stdout.splitlines()]
        self.assertEqual([c[0] for c in offered("kvctl ro")], ["rollback"])
        self.assertEqual(offered("kvctl stat"), [["status", "Who is primary, who lags, who is cut off"]])
        self.assertEqual([c[0] for c in offered("kvctl get --output=j")], ["--output=json"])
        self.assertEqual([c[0] for c in offered("kvctl topology check on")], ["one.yaml"])
        self.assertEqual([c[0] for c in offered("kvctl get --topology=on")], ["--topology=one.yaml"])
        self.assertEqual([c[0] for c in offered("kvctl node ls --run-dir fol")], ["folder/"])


if __name__ == "__main__":
    main()
