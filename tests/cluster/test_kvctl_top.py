"""kvctl top: live on a terminal, in its size, by keys; and one table behind the other where there is none. member ls."""
import json
import os
import re
import signal
import subprocess
import unittest

from harness import KVCTL, Cluster, main
from terminal import Terminal

LEAVES = "\x1b[?1049l"


def shown(text):
    """Without escape sequences."""
    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", text)


class Top(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = Cluster({"a": "voter", "b": "reader", "d": "reader"})
        cls.addClassCleanup(cls.c.close)
        cls.c.up().wait_fresh()

    def top(self, *args, **kwargs):
        terminal = Terminal("top", "-t", self.c.topology, "--interval", "100ms", *args, **kwargs)
        self.addCleanup(terminal.close)
        return terminal

    def ends(self, terminal, status=0):
        self.assertEqual(terminal.wait(), status, terminal.seen)
        self.assertIn("\x1b[?25h" + LEAVES, terminal.seen)  # the cursor and the screen are given back
        self.assertIn("\nd ", shown(terminal.seen.split(LEAVES)[1]))  # and the last look stays

    def test_keys_sort_and_turn_the_rows_and_q_leaves(self):
        terminal = self.top(columns=120)
        terminal.expect(r"NODE\u2191 .*\n[^\n]*a [^\n]*\n[^\n]*b [^\n]*\n[^\n]*d ")
        terminal.type("r")
        terminal.expect(r"NODE\u2193 .*\n[^\n]*d [^\n]*\n[^\n]*b [^\n]*\n[^\n]*a ")
        terminal.type("\x1b[C")
        terminal.expect("by role, descending")
        terminal.type("\x1b[C\x1b[C\x1b[D")  # several in one piece
        terminal.expect("by state, descending")
        terminal.type("<<<")
        terminal.expect("by epoch, descending")
        terminal.type("?")
        terminal.expect("how many records it is behind")
        terminal.type("q")
        self.ends(terminal)

    def screen(self, terminal, wanted):
        """The next one that is as wanted: some that were drawn before may come first."""
        while True:
            lines = shown(terminal.expect("\x1b\\[J").split("\x1b[H")[-1]).splitlines()
            if wanted(lines):
                return lines

    def test_it_draws_in_the_size_of_the_terminal(self):
        terminal = self.top(rows=6, columns=50)
        terminal.expect("d +")
        terminal.resize(20, 150)
        self.screen(terminal, lambda lines: any("ADDRESS" in line for line in lines))
        terminal.resize(20, 60)
        self.screen(terminal, lambda lines: len(lines) > 5 and max(map(len, lines)) <= 60 and not any("ADDRESS" in line for line in lines))
        terminal.resize(5, 60)  # two lines of head, and three of the four below them
        self.screen(terminal, lambda lines: len(lines) == 5 and not any(line.startswith("d ") for line in lines))
        terminal.type("\x1b[B\x1b[B\x1b[B")
        self.screen(terminal, lambda lines: len(lines) == 5 and lines[-1].startswith("d "))
        terminal.type("q")
        self.ends(terminal)

    def test_an_interrupt_and_a_request_to_end_give_the_terminal_back(self):
        for end in (lambda t: t.type("\x03"), lambda t: os.kill(t.pid, signal.SIGTERM)):
            terminal = self.top()
            terminal.expect("NODE")
            end(terminal)
            self.ends(terminal)

    def test_a_node_that_does_not_answer_holds_up_no_key(self):
        with Cluster({"a": "voter", "b": "reader"}) as c:
            c.up().wait_fresh()
            c.pause("b")
            try:
                terminal = Terminal("top", "-t", c.topology, "--interval", "50ms", "--deadline", "20s", columns=100)
                self.addCleanup(terminal.close)
                terminal.expect("asking the nodes")
            finally:
                c.resume("b")
            terminal.expect("2 of 2 nodes answer")
            c.kill("b")
            terminal.expect("1 of 2 nodes answer")
            self.assertIn("UNREACHABLE", terminal.expect("UNREACHABLE"))
            terminal.type("q")
            self.assertEqual(terminal.wait(), 0)

    def test_colours_only_where_they_are_wanted(self):
        coloured = self.top(NO_COLOR="", rows=24)
        coloured.expect("\x1b\\[32mFRESH\x1b\\[0m")
        plain = self.top(NO_COLOR="1")
        self.assertNotRegex(plain.expect("FRESH[^\n]*\n"), "\x1b\\[[0-9]+m")

    def test_on_a_dumb_terminal_one_table_follows_the_other(self):
        for term in ("dumb", ""):
            terminal = self.top("--count", "2", "--sort", "lag", TERM=term)
            self.assertEqual(terminal.wait(), 0)
            self.assertNotIn("\x1b", terminal.seen)
            self.assertEqual(terminal.seen.count("NODE"), 2)

    def test_in_a_pipe_it_sorts_and_counts_and_has_rates(self):
        out, err = self.c.kvctl("top", "--count", 2, "--interval", "50ms", "--sort", "node", "--reverse")
        self.assertEqual(err, "")
        self.assertEqual([line.split()[0] for line in out.splitlines() if re.match("[abd] ", line)], ["d", "b", "a"] * 2)
        self.assertEqual(len(out.split("\n\n")), 3)
        self.assertNotIn("\u2193", out)
        looks = [json.loads(line) for line in self.c.kvctl("top", "-o", "json", "--count", 2, "--interval", "50ms")[0].splitlines()]
        self.assertNotIn("records_per_second", looks[0]["nodes"][0])
        self.assertGreaterEqual(looks[1]["nodes"][0]["records_per_second"], 0)
        self.assertIn("wall_ms", looks[1])

    def test_every_order_that_the_help_offers(self):
        options = json.loads(subprocess.run([KVCTL, "help", "top", "-o", "json"], capture_output=True, text=True, check=True).stdout)["options"]
        names = [o["argument"] for o in options if o["name"] == "sort"][0].split("|")
        self.assertGreater(len(names), 8)
        for name in names:
            self.assertEqual(self.c.kvctl("top", "--count", 1, "--sort", name)[0].count("FRESH"), 3)

    def test_wrong_use_is_told(self):
        for args, says in ((("--sort", "size"), "--sort takes one of node|role"), (("--interval", "0s"), "--interval is 0"),
                           (("--count", "0"), "--count takes a number")):
            self.assertIn(says, self.c.kvctl("top", *args, status=2)[1])


class Members(unittest.TestCase):
    def test_member_ls_is_status(self):
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            listed = [subprocess.run([KVCTL, *words, "-t", c.topology, "-o", "json"], capture_output=True, text=True, check=True)
                      for words in (("member", "ls"), ("member", "list"), ("status",))]
            keys = [[list(row) for row in json.loads(done.stdout)["nodes"]] for done in listed]
            self.assertEqual(keys[0], keys[1])
            self.assertEqual(keys[0], keys[2])
            for words, says in ((("member", "add", "x"), "kvctl help voter"), (("member", "remove", "x"), "kvctl help voter"),
                                (("member",), "a second word is missing")):
                done = subprocess.run([KVCTL, *words], capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 2)
                self.assertIn(says, done.stderr)


if __name__ == "__main__":
    main()
