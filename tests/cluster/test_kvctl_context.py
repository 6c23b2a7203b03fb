"""kvctl context: clusters by names, in a file that nobody else may write and that is read with suspicion."""
import concurrent.futures
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import KVCTL, Cluster, main


class Contexts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = Cluster({"a": "voter", "b": "reader"})
        cls.addClassCleanup(cls.c.close)
        cls.other = Cluster({"x": "voter"})
        cls.addClassCleanup(cls.other.close)
        cls.c.up().wait_fresh()
        cls.other.up().wait_fresh()

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="candor-test-")
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.file = os.path.join(self.home, "config/candor/contexts")

    def run_kvctl(self, *args, status=0, input="", **variables):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CANDOR_")}
        environment.update(XDG_RUNTIME_DIR=self.home, XDG_CONFIG_HOME=os.path.join(self.home, "config"), **variables)
        done = subprocess.run([KVCTL, *args], input=input, capture_output=True, text=True, timeout=60, check=False,
                              env=environment)
        self.assertEqual(done.returncode, status, done)
        return done

    def json(self, *args, **kwargs):
        return json.loads(self.run_kvctl(*args, "-o", "json", **kwargs).stdout)

    def nodes(self, *args, **kwargs):
        return [row["node"] for row in self.json("status", *args, **kwargs)["nodes"]]

    def add_both(self):
        self.run_kvctl("context", "add", "shop", "-t", self.c.topology)
        self.run_kvctl("context", "add", "test", "-e", self.other.addresses()["x"])

    def write(self, text, mode=0o600):
        os.makedirs(os.path.dirname(self.file), exist_ok=True)
        with open(self.file, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(self.file, mode)

    def test_add_use_ls_show_rm(self):
        self.assertIn("there are no contexts", self.run_kvctl("context", "ls").stderr)
        self.assertEqual(self.run_kvctl("context", "add", "shop", "-t", self.c.topology, "--use").stdout, "shop is added\n")
        every = ",".join(self.c.addresses().values())
        self.run_kvctl("-e", every, "context", "add", "both")
        self.assertEqual(self.nodes(), ["a", "b"])
        listed = self.json("context", "ls")
        self.assertEqual(listed["file"], self.file)
        self.assertEqual(listed["contexts"],
                         [{"context": "both", "topology": None, "endpoints": every, "secret_file": None, "in_use": False},
                          {"context": "shop", "topology": self.c.topology, "endpoints": None, "secret_file": None, "in_use": True}])
        self.assertRegex(self.run_kvctl("context", "list").stdout, r"(?m)^\* +shop +" + self.c.topology)
        self.assertEqual(self.json("context", "show", "both"), listed["contexts"][0])
        self.assertIn(f"topology: {self.c.topology}\nin use: yes\n", self.run_kvctl("context", "show", "shop").stdout)
        self.assertEqual(self.run_kvctl("context", "use", "both").stdout, "both is in use\n")
        self.assertEqual(self.run_kvctl("context", "rm", "both").stdout, "both is removed: no context is in use\n")
        self.run_kvctl("status", status=2)
        self.run_kvctl("context", "use", "shop")
        self.assertEqual(self.run_kvctl("context", "use", "-").stdout, "no context is in use\n")
        self.run_kvctl("status", status=2)

    def test_which_cluster_counts(self):
        self.add_both()
        self.run_kvctl("context", "use", "shop")
        at = self.other.addresses()["x"]
        for wanted, args, variables in (
                (["a", "b"], (), {}), (["x"], ("--context", "test"), {}), (["x"], (), {"CANDOR_CONTEXT": "test"}),
                (["x"], (), {"CANDOR_ENDPOINTS": at}), (["x"], (), {"CANDOR_TOPOLOGY": self.other.topology}),
                (["a", "b"], (), {"CANDOR_CONTEXT": "shop", "CANDOR_ENDPOINTS": at, "CANDOR_TOPOLOGY": self.other.topology}),
                (["a", "b"], ("--context", "shop"), {"CANDOR_CONTEXT": "test", "CANDOR_ENDPOINTS": at}),
                (["x"], ("-e", at), {"CANDOR_CONTEXT": "shop"}), (["b"], ("-n", "b"), {}),
                (["a", "b"], (), {"CANDOR_CONTEXT": ""})):
            self.assertEqual(self.nodes(*args, **variables), wanted, (args, variables))
        for by, variables in (("context 'shop'", {}), ("$CANDOR_CONTEXT: context 'test'", {"CANDOR_CONTEXT": "test"}),
                              ("$CANDOR_ENDPOINTS", {"CANDOR_ENDPOINTS": at}), ("$CANDOR_TOPOLOGY", {"CANDOR_TOPOLOGY": "x"})):
            self.assertEqual(self.json("context", "show", **variables)["by"], by)
        self.assertEqual(self.nodes("--context", "shop"), ["a", "b"])
        script = self.run_kvctl("--context", "test", "shell", input="status -o json\nstatus -o json --context shop\n").stdout
        self.assertEqual([len(json.loads(line)["nodes"]) for line in script.splitlines()], [1, 2])

    def test_wrong_use_is_told(self):
        self.add_both()
        for args, status, says in (
                (("context", "add", "shop", "-t", self.c.topology), 6, "there is a context 'shop'; --replace"),
                (("context", "add", "x"), 2, "which cluster is it?"),
                (("context", "add", "x", "-t", self.c.topology, "-e", "tcp://h:1"), 2, "exactly one of --topology and --endpoint"),
                (("context", "add", "x", "-e", "h:1"), 2, "--endpoint: 'h:1' is not an address"),
                (("context", "add", "x", "-t", "/nonexistent"), 2, "/nonexistent: No such file"),
                (("context", "add", "x", "-t", self.c.topology, "--secret-file", "/nonexistent"), 2, "--secret-file /nonexistent: No such file"),
                (("context", "add", "a b", "-t", self.c.topology), 2, "'a b' is no name of a context"),
                (("context", "add", "x" * 64, "-t", self.c.topology), 2, "is no name of a context; up to 63"),
                (("context", "add", "-t", self.c.topology, "--", "-x"), 2, "'-x' is no name"),
                (("context", "use", "shp"), 1, "no context 'shp'"), (("context", "rm", "shp"), 1, "no context 'shp'"),
                (("status", "--context", "shp"), 2, "no context 'shp'; did you mean 'shop'?"),
                (("status", "--context", "shop", "-t", self.c.topology), 2, "--context and --topology both say which cluster")):
            self.assertIn(says, self.run_kvctl(*args, status=status).stderr)
        self.assertIn("no context 'no'", self.run_kvctl("status", status=2, CANDOR_CONTEXT="no").stderr)
        self.assertEqual(len(self.json("context", "ls")["contexts"]), 2)

    def test_the_path_of_a_secret_is_kept_and_never_the_secret(self):
        path = os.path.join(self.home, "secret")
        with open(path, "w") as f:
            f.write("swordfish")
        os.chmod(path, 0o640)
        add = ("context", "add", "shop", "-t", self.c.topology, "--secret-file", path)
        self.assertIn("others may read it; chmod 600 it", self.run_kvctl(*add, status=2).stderr)
        os.chmod(path, 0o600)
        self.run_kvctl(*add)
        self.assertEqual(self.json("context", "show", "shop")["secret_file"], path)
        with open(self.file) as f:
            self.assertNotIn("swordfish", f.read())
        self.write("[a]\ntopology = /x\npassword = swordfish\n")
        err = self.run_kvctl("context", "ls", status=2).stderr
        self.assertIn(f"{self.file}:3: a secret has no place here; write secret-file = /PATH", err)
        self.assertNotIn("swordfish", err)

    def test_the_file_is_private_and_stays_a_link(self):
        self.add_both()
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(os.path.dirname(self.file)).st_mode & 0o777, 0o700)
        elsewhere = os.path.join(self.home, "dotfiles")
        os.rename(self.file, elsewhere)
        os.symlink(elsewhere, self.file)
        self.run_kvctl("context", "rm", "test")
        self.assertTrue(os.path.islink(self.file))
        self.assertEqual(len(self.json("context", "ls")["contexts"]), 1)

    def test_a_file_of_others_is_not_believed(self):
        good = f"[a]\ntopology = {self.c.topology}\n"
        for mode in (0o620, 0o602, 0o666):
            self.write(good, mode)
            self.assertIn("others may write into it; look at it, then chmod go-w it", self.run_kvctl("context", "ls", status=2).stderr)
        os.remove(self.file)
        os.mkfifo(self.file)
        self.assertIn("it is no file", self.run_kvctl("status", status=2).stderr)
        os.remove(self.file)
        os.mkdir(self.file)
        self.assertIn("it is no file", self.run_kvctl("context", "ls", status=2).stderr)
        os.rmdir(self.file)
        os.symlink("/dev/zero", self.file)
        self.assertIn("it is no file", self.run_kvctl("context", "ls", status=2).stderr)
        os.remove(self.file)
        self.write(b"#" * ((1 << 20) + 1))
        self.assertIn("more than 1048576 bytes", self.run_kvctl("context", "ls", status=2).stderr)

    def test_a_broken_file_does_not_matter_to_who_does_not_need_it(self):
        self.write("nonsense\n")
        self.assertEqual(self.nodes("-t", self.c.topology), ["a", "b"])
        self.assertEqual(self.nodes(CANDOR_TOPOLOGY=self.c.topology), ["a", "b"])
        self.run_kvctl("help")
        self.assertIn(f"{self.file}:1: 'nonsense' is neither", self.run_kvctl("get", "k", status=2).stderr)
        self.assertIn(":1:", self.run_kvctl("context", "add", "x", "-t", self.c.topology, status=2).stderr)
        with open(self.file) as f:
            self.assertEqual(f.read(), "nonsense\n")  # what it could not read it does not replace

    def test_many_at_once_lose_nothing(self):
        names = [f"c{i:02d}" for i in range(24)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: self.run_kvctl("context", "add", name, "-t", self.c.topology), names))
        self.assertEqual([c["context"] for c in self.json("context", "ls")["contexts"]], names)

    def test_up_says_when_commands_mean_another_cluster(self):
        self.add_both()
        self.run_kvctl("context", "use", "shop")
        one = Cluster({"z": "voter"})
        self.addCleanup(one.close)
        try:
            done = self.run_kvctl("up", one.topology)
            self.assertIn("commands that name no cluster mean another one, by context 'shop'", done.stderr)
            self.run_kvctl("context", "use", "-")
            self.assertEqual(self.nodes(), ["z"])
        finally:
            self.run_kvctl("down", "--kill")


if __name__ == "__main__":
    main()
