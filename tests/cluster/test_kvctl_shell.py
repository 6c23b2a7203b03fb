"""kvctl shell: scripts, and a person at a terminal."""
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import KVCTL, Cluster, main
from terminal import Terminal


class Script(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.up().wait_fresh()

    def script(self, text, *args, status=0):
        done = subprocess.run([KVCTL, "shell", "--topology", self.cluster.topology, *args], input=text,
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, status, done)
        return done

    def test_runs_lines_with_quotes_comments_and_the_old_habit(self):
        done = self.script("# a comment\n\nput 'a key' \"it's \\\"so\\\"\"  # another\n"
                           "  kvctl get a\\ key\nput '#' 'x#y'\nget '#'\nput empty ''\nget empty\n")
        self.assertEqual([line for line in done.stdout.splitlines() if not line.startswith("seq ")],
                         ["it's \"so\"", "x#y", ""])

    def test_an_open_quote_goes_on_in_the_next_line(self):
        done = self.script("put poem 'two\nlines'\nget poem -q\n")
        self.assertTrue(done.stdout.endswith("two\nlines\n"), done.stdout)
        self.assertIn("line 1: a quote is not closed", self.script("get 'x", status=2).stderr)

    def test_stops_at_the_first_failure_with_its_status(self):
        done = self.script("put before 1\nget missing\nput after 1\n", status=1)
        self.assertEqual(done.stdout.count("seq "), 1)
        self.assertIn("line 2 ended with status 1", done.stderr)
        self.script("get missing\nfrobnicate\n", status=1)
        self.script("frobnicate\nget missing\n", status=2)

    def test_keep_going_runs_all_and_gives_the_first_failure(self):
        done = self.script("get missing\nput kept 1\nfrobnicate\nget kept\n", "--keep-going", status=1)
        self.assertIn("\n1\n", "\n" + done.stdout)
        self.assertIn("line 3 ended with status 2", done.stderr)

    def test_use_chooses_the_node_that_answers(self):
        done = self.script("use b\nuse\nget x -o json\nuse -\nuse\n", "--keep-going", status=1)
        self.assertIn("b\n", done.stdout)
        self.assertIn('"node":"b"', done.stdout)
        self.assertTrue(done.stdout.endswith("any node\n"))
        self.assertIn("did you mean 'b'?", self.script("use bb\n", status=2).stderr)
        self.assertIn('"node":"c"', self.script("get x\n", "--node", "c", "-o", "json",
                                                status=1).stdout)

    def test_exit_ends_it_with_its_number(self):
        self.script("exit 7\nfrobnicate\n", status=7)
        self.script("quit\nfrobnicate\n")
        self.script("exit 256\n", status=2)
        self.script("exit\n")

    def test_hostile_lines_are_refused(self):
        self.assertIn("no text", self.script("get \0\n", status=2).stderr)
        self.assertIn("too long", self.script("get " + "x" * (2 << 20) + "\n", status=2).stderr)
        self.assertIn("a shell already", self.script("shell\n", status=2).stderr)


def shell(home, *args):
    return Terminal("shell", *args, HOME=home, XDG_STATE_HOME="")


class Person(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="candor-test-")
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)

    def test_prompt_completion_history_and_interrupts(self):
        with Cluster() as c:
            name = re.search("cluster: (.*)", open(c.topology, encoding="utf-8").read())[1]
            c.up().wait_fresh()
            terminal = shell(self.home, "--topology", c.topology)
            with contextlib.closing(terminal):
                terminal.expect(f"{name}> ")
                terminal.type("us\tb\n")
                terminal.expect(f"{name}/b FRESH> ")
                terminal.type("ge\tnothing --no-re\t\n")
                terminal.expect("no such key")
                terminal.expect("b FRESH> ")
                terminal.type("node ki\t\t")
                terminal.expect(r"a +\S*\s*b +\S*\s*c ")
                terminal.type("\x03")  # ^C ends the line, not the shell
                terminal.expect("b FRESH> ")
                terminal.type("put 'ä b' 'ö' --ack all\nget 'ä b'\n")
                terminal.expect("\r\nö\r\n")
                terminal.expect("b FRESH> ")
                terminal.type("watch-status --interval 50ms\n")
                terminal.expect("STATE[^>]*STATE")
                terminal.type("\x03")  # ^C ends the command, not the shell
                terminal.expect("b FRESH> ")
                terminal.type("\x10\x10\x01get not-kept-")  # ^P^P: history
                terminal.type("\x15 put secret 1\n")  # ^U; a blank in front: not kept
                terminal.expect("seq ")
                terminal.expect("b FRESH> ")
                c.kill("b")
                terminal.type("use\n")
                terminal.expect("b unreachable> ")
                terminal.type("get 'x\n")
                terminal.expect("a quote is not closed")
                terminal.expect("> ")
                terminal.type("exit 3\n")
                self.assertEqual(terminal.wait(), 3, terminal.seen)
        path = os.path.join(self.home, ".local/state/candor/history")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(os.path.dirname(path)).st_mode & 0o777, 0o700)
        kept = open(path, encoding="utf-8").read()
        self.assertIn("watch-status", kept)
        self.assertNotIn("secret", kept)

    def test_history_is_there_the_next_time_and_end_of_file_leaves(self):
        for first in (True, False):
            terminal = shell(self.home)
            terminal.expect("kvctl> ")
            if first:
                terminal.type("version-of-nothing\n")
                terminal.expect("unknown command")
                terminal.expect("kvctl> ")
            else:
                terminal.type("\x10")  # ^P
                terminal.expect("version-of-nothing")
                terminal.type("\x15")
            terminal.type("\x04")  # ^D
            self.assertEqual(terminal.wait(), 0, terminal.seen)


if __name__ == "__main__":
    main()
