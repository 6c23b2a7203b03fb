"""The examples of README.md run, one after the other, each as a program of its own."""

import os
import re
import subprocess
import sys
import unittest

from support import PACKAGE, endpoints  # isort: skip (makes the next one importable)
from harness import Cluster


def examples():
    with open(os.path.join(PACKAGE, "README.md"), encoding="utf-8") as f:
        return re.findall(r"^```python\n(.*?)^```", f.read(), re.M | re.S)


class Readme(unittest.TestCase):
    def test_every_example_runs(self):
        self.assertGreater(len(examples()), 5)
        environment = {**os.environ, "PYTHONPATH": os.path.join(PACKAGE, "src")}
        with Cluster({"a": "voter"}) as cluster:
            cluster.up().wait_fresh()
            (address,) = endpoints(cluster)
            for example in examples():
                program = re.sub(r"tcp://127\.0\.0\.1:\d+", address, example)
                done = subprocess.run(
                    [sys.executable, "-W", "error", "-c", program],
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=120,
                    check=False,
                )
                self.assertEqual((done.returncode, done.stderr), (0, ""), example)


if __name__ == "__main__":
    unittest.main(verbosity=2)
