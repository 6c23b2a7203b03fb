"""bench/compare works: its quick form, with what is installed here of Redis and etcd. Figures are not judged."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

from harness import BIN, ROOT, main

BENCH = os.path.join(ROOT, "bench")
COMPARE = os.path.join(BENCH, "compare.py")
sys.path.insert(0, BENCH)

from comparison import document  # noqa: E402
from profile_kinds import kind_of  # noqa: E402


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

    def test_the_document_says_what_was_measured(self):
        with open(os.path.join(BENCH, "results.json")) as f:
            results = json.load(f)
        with open(os.path.join(BENCH, "missed.md")) as f:
            notes = f.read()
        with open(os.path.join(BENCH, "RESULTS.md")) as f:
            text = f.read()
        pictures = [name for name in document.TITLES if f"pictures/{name}-dark.svg" in text]
        self.assertEqual(document.write(results, pictures, notes), text)
        for name in pictures:
            for theme in ("dark", "light"):
                self.assertTrue(os.path.exists(os.path.join(BENCH, "pictures", f"{name}-{theme}.svg")), name)


class Profile(unittest.TestCase):
    def test_a_sample_is_of_what_was_being_done(self):
        kernel, own, lmdb = "[kernel.kallsyms]", "/build/bin/kvd", "/usr/lib/liblmdb.so.0.0.0"
        self.assertEqual(kind_of([("__schedule", kernel), ("do_futex", kernel), ("wait_one", own)]), "kernel: waking and waiting (futex)")
        self.assertEqual(kind_of([("copy_folio", kernel), ("__x64_sys_pwrite64", kernel), ("[unknown]", lmdb)]), "kernel: files")
        self.assertEqual(kind_of([("tcp_sendmsg", kernel), ("__x64_sys_sendmsg", kernel)]), "kernel: TCP")
        self.assertEqual(kind_of([("sysvec_apic_timer_interrupt", kernel)]), "kernel: scheduling")
        self.assertEqual(kind_of([("who_knows", kernel), ("main", own)]), "kernel: other")
        self.assertEqual(kind_of([("[unknown]", lmdb)]), "LMDB")
        self.assertEqual(kind_of([("nni_aio_begin", own), ("mdb_get", lmdb)]), "NNG")
        self.assertEqual(kind_of([("run_read", own), ("nni_task_exec", own)]), "Candor's own code")
        self.assertEqual(kind_of([]), "Candor's own code")


if __name__ == "__main__":
    main()
