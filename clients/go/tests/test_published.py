"""The module as it would be published: put into a place of its own, where the program of README.md is built with it and run."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

MODULE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(MODULE))
sys.path.append(os.path.join(ROOT, "tests/cluster"))

from harness import Cluster  # noqa: E402  (made importable just before)


def programs():
    with open(os.path.join(MODULE, "README.md"), encoding="utf-8") as f:
        return re.findall(r"^```go\n(.*?)^```", f.read(), re.M | re.S)


class Published(unittest.TestCase):
    def go(self, directory, *arguments):
        """Nothing comes from the network."""
        done = subprocess.run([os.environ.get("GO", "go"), *arguments], cwd=directory, capture_output=True, text=True, timeout=240, check=False,
                              env={**os.environ, "GOPROXY": "off", "GOFLAGS": os.environ.get("GOFLAGS", "") + " -mod=mod"})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_program_of_the_readme_runs_with_it(self):
        (program,) = programs()
        with tempfile.TemporaryDirectory() as directory, Cluster({"a": "voter", "b": "voter", "c": "voter"}) as cluster:
            module, own = os.path.join(directory, "candor"), os.path.join(directory, "own")
            subprocess.run([os.path.join(MODULE, "package"), module], check=True, timeout=240)
            self.assertIn("kv.pb.go", os.listdir(os.path.join(module, "candorv1")))
            os.mkdir(own)
            cluster.up().wait_fresh()
            addresses = ", ".join(f'"{address}"' for address in cluster.addresses().values())
            with open(os.path.join(own, "main.go"), "w", encoding="utf-8") as f:
                f.write(re.sub(r'\{"tcp://[^}]*\}', "{" + addresses + "}", program))
            self.go(own, "mod", "init", "own.example/own")
            self.go(own, "mod", "edit", "-require=candor.example/candor@v0.0.0", f"-replace=candor.example/candor={module}")
            self.go(own, "mod", "tidy")
            said = self.go(own, "run", ".")
            self.assertRegex(said, r"^lamp, at most .*s old\nSTATE cart/7 lamp\n$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
