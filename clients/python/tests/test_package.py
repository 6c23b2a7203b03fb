"""The package as it would be published: built, put into a place of its own, and used there."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

from support import PACKAGE, ROOT


class Package(unittest.TestCase):
    def build(self, source, directory, kind):
        """By hatchling's own hook, as pip and build call it; without the network."""
        program = f"from hatchling.build import build_{kind}; print(build_{kind}({directory!r}))"
        done = subprocess.run([sys.executable, "-c", program], cwd=source, capture_output=True,
                              text=True, timeout=120, check=False)  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        return os.path.join(directory, done.stdout.split()[-1])

    def test_the_wheel_has_types_and_messages_and_works_by_itself(self):
        with tempfile.TemporaryDirectory() as directory:
            sdist = self.build(PACKAGE, directory, "sdist")
            shutil.unpack_archive(sdist, directory)
            unpacked = sdist.removesuffix(".tar.gz")
            self.assertFalse(os.path.exists(os.path.join(unpacked, "src/candor/v1")))
            wheel = self.build(unpacked, directory, "wheel")
            names = zipfile.ZipFile(wheel).namelist()
            for name in ("py.typed", "client.py", "v1/kv_pb2.py", "v1/kv_pb2.pyi"):
                self.assertIn(f"candor/{name}", names)
            self.assertFalse([name for name in names if not name.startswith("candor")])
            done = subprocess.run(
                [sys.executable, "-c", "import candor; print(candor.__file__)"],
                cwd=directory, env={**os.environ, "PYTHONPATH": wheel}, capture_output=True,
                text=True, timeout=60, check=False,
            )  # fmt: skip
            self.assertEqual(done.stdout.strip(), os.path.join(wheel, "candor/__init__.py"))

    def test_its_version_is_that_of_the_nodes(self):
        with open(os.path.join(ROOT, "CMakeLists.txt"), encoding="utf-8") as f:
            version = f.read().partition("project(candor VERSION ")[2].split()[0]
        with open(os.path.join(PACKAGE, "pyproject.toml"), encoding="utf-8") as f:
            self.assertIn(f'version = "{version}"', f.read())


if __name__ == "__main__":
    unittest.main(verbosity=2)
