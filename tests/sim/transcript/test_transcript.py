#!/usr/bin/python3
"""What sim-transcript says of scenarios that are wrong, or are not what the nodes do. Argument: the program."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv.pop()
GOOD = "# A title.\n\ncluster voters=a,b,c\nput x 1 at a\n\nstatus\n"


class Transcript(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "a-scenario.txt"

    def run_on(self, text, *options):
        self.path.write_text(text)
        return subprocess.run(
            [PROGRAM, *options, str(self.path)], capture_output=True, text=True, check=False, timeout=60
        )

    def written(self):
        self.assertEqual(self.run_on(GOOD, "--write").returncode, 0)
        return self.path.read_text()

    def test_what_was_written_compares_equal(self):
        text = self.written()
        self.assertIn("OK g1.t1.a:2, MAJORITY", text)
        done = self.run_on(text)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_a_difference_is_a_unified_diff_and_the_command_that_writes_it(self):
        wrong = self.written().replace("g1.t1.a:2, MAJORITY", "g1.t1.a:3, MAJORITY")
        done = self.run_on(wrong)
        self.assertEqual(done.returncode, 1)
        self.assertIn("g1.t1.a:3, MAJORITY\n+", done.stdout)
        self.assertIn(f"build/bin/sim-transcript --write {self.path}", done.stdout)
        self.assertEqual(self.path.read_text(), wrong)

    def test_a_mistake_is_named_with_file_and_line(self):
        mistakes = [
            ("put x 1 at a\n", 1, "the first command is"),
            ("cluster voters=a,b,c\nputt x 1 at a\n", 2, "no command 'putt'"),
            ("cluster voters=a,c\n", 1, "'a,c': nodes are called a, b, c"),
            ("cluster voters=a,b,c hartbeat=1s\n", 1, "'hartbeat=1s' is not understood"),
            ("cluster voters=a,b,c\n----\nanything\n\nrun 5\n", 5, "'5' is no duration"),
            ("cluster voters=a,b,c\n\n# A comment.\nput x 1 at z\n", 4, "no node 'z'"),
            ("cluster voters=a,b,c\nput x 1\n", 2, "'at NODE' is missing"),
            ("cluster voters=a,b,c\nput x 1 at a ack=most\n", 2, "none of local, majority, all"),
            ("cluster voters=a,b,c\nkill a\nget x at a\n", 3, "node a is down"),
            ("cluster voters=a,b,c\nretry w7 at a\n", 2, "nothing is called 'w7'"),
            ("cluster voters=a,b,c\nrun 1s quietly\n", 2, "'quietly' is not understood"),
        ]
        for text, line, what in mistakes:
            with self.subTest(text=text):
                done = self.run_on(text, "--write")
                self.assertEqual(done.returncode, 1)
                self.assertTrue(done.stderr.startswith(f"{self.path}:{line}: error: "), done.stderr)
                self.assertIn(what, done.stderr)
                self.assertEqual(self.path.read_text(), text)

    def test_a_scenario_that_breaks_an_invariant_fails(self):
        """The limit of R63: all who knew what the older copy has forgotten are down or cut off."""
        text = "cluster voters=a,b,c\nkeep-disk b\ncut c|ab\nput x 1 at a\nkill a\nkill b\nput-back-disk b\n" \
               "heal\nstart b\nrun 10s\n"
        done = self.run_on(text, "--write")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stderr, r"a-scenario.txt:\d+: error: R62 at ")


unittest.main()
