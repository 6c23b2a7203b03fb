"""bench/compare works: its quick form, with what is installed here of Redis and etcd. Figures are not judged."""
import json
import os
import re
import subprocess
import tempfile
import unittest

from harness import BIN, ROOT, main

COMPARE = os.path.join(ROOT, "bench/compare.py")


class Compare(unittest.TestCase):
    def run_compare(self, *args, status=0):
        done = subprocess.run(["/usr/bin/python3", "-B", COMPARE, *args], capture_output=True, text=True, timeout=550, check=False,
                              env={**os.environ, "CANDOR_BIN": BIN})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def test_the_quick_form_fills_every_row(self):
        with tempfile.TemporaryDirectory(prefix="candor-test-") as out:
            self.run_compare("--quick", "--out", out)
            with open(os.path.join(out, "results.json")) as f:
                results = json.load(f)
            self.assertEqual([what for what in results["left_out"] if "is not installed" not in what], [])
            with open(os.path.join(out, "RESULTS.md")) as f:
                text = f.read()
            targets = re.findall(r"\| (met|\*\*missed\*\*|)(?:, but with [\d,]+ keys)? \|$", text.split("## Machine")[0], re.M)
            self.assertEqual(len(targets), 19)
            if not results["left_out"]:
                self.assertNotIn("", targets, text)  # all were measured
            self.assertIn("GET EVENTUAL, 64 threads", text)
            for picture in re.findall(r'src(?:set)?="(.*?)"', text):
                self.assertTrue(os.path.exists(os.path.join(out, picture)), picture)
            for kind in ("failover", "partition"):
                self.assertGreater(sum(results["curves"][kind]["Candor"]["done"]), 0)
            self.run_compare("--draw", "--out", out)

    def test_a_part_that_is_none_is_named(self):
        done = self.run_compare("--only", "get,putt", status=2)
        self.assertIn("no part is named putt", done.stderr)


if __name__ == "__main__":
    main()
