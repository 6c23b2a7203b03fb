"""kvctl watch: what happens to keys, as it happens, over failovers and its own restarts."""
import json
import os
import signal
import subprocess
import tempfile
import unittest

from harness import KVCTL, Cluster, main, until


class Watching:
    """A kvctl watch in the background, with its lines in a file."""

    def __init__(self, cluster, *args):
        self.out = tempfile.NamedTemporaryFile("w+", prefix="candor-test-")
        self.err = tempfile.NamedTemporaryFile("w+", prefix="candor-test-")
        self.process = subprocess.Popen([KVCTL, "watch", *args, "--topology", cluster.topology],
                                        stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err)

    def lines(self):
        with open(self.out.name, encoding="utf-8") as f:
            return f.read().splitlines()

    def notes(self):
        with open(self.err.name, encoding="utf-8") as f:
            return f.read()

    def begun(self):
        return "fresh, seen up to" in self.notes()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.out.close()
        self.err.close()


class OneNode(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = Cluster({"a": "voter"})
        cls.addClassCleanup(cls.c.close)
        cls.c.up()
        until(cls.c.primary, "a primary")

    def run_watch(self, *args):
        return subprocess.run([KVCTL, "watch", *args, "--topology", self.c.topology], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)

    def test_what_happens_and_what_was_there(self):
        self.c.kvctl("put", "fruit:1", "apple")
        with Watching(self.c, "fruit:", "--state", "--progress") as watching:
            until(lambda: len(watching.lines()) == 1, "the present state")
            self.c.kvctl("put", "fruit:2", "pear")
            self.c.kvctl("put", "tree", "oak")
            self.c.kvctl("del", "fruit:1")
            until(lambda: len(watching.lines()) == 3, "what happens")
            self.assertEqual([line.split("\t")[1:] for line in watching.lines()],
                             [["STATE", "fruit:1", "apple"], ["PUT", "fruit:2", "pear"], ["DELETE", "fruit:1"]])
            until(watching.begun, "how far it has seen")
            self.assertEqual(watching.end(), 0)

    def test_json_is_one_event_a_line(self):
        self.c.kvctl("put", "json:1", "x")
        done = self.run_watch("--key", "json:1", "--since", "1", "--count", "1", "-o", "json")
        self.assertEqual(done.returncode, 0, done)
        event = json.loads(done.stdout)
        self.assertEqual((event["type"], event["key"], event["value"], event["more"]), ("put", "json:1", "x", False))
        self.assertIsInstance(event["seq"], int)

    def test_it_goes_on_where_the_last_one_with_the_cursor_ended(self):
        with tempfile.TemporaryDirectory(prefix="candor-test-") as directory:
            cursor = os.path.join(directory, "cursor")
            self.c.kvctl("put", "cursor:0", "x")
            shown = []
            for n in range(1, 4):
                args = ("--since", "1") if n == 1 else ()
                done = self.run_watch("cursor:", "--cursor", cursor, "--count", str(n), *args)
                self.assertEqual(done.returncode, 0, done)
                shown += [line.split("\t")[2] for line in done.stdout.splitlines()]
                for _ in range(n + 1):
                    self.c.kvctl("put", f"cursor:{n}", "x")
            self.assertEqual(shown, ["cursor:0", "cursor:1", "cursor:1", "cursor:2", "cursor:2", "cursor:2"])
            with open(cursor, "w", encoding="utf-8") as f:
                f.write("no cursor\n")
            done = self.run_watch("cursor:", "--cursor", cursor, "--count", "1")
            self.assertEqual(done.returncode, 2)
            self.assertIn("holds no cursor", done.stderr)

    def test_a_command_for_each_event(self):
        with tempfile.TemporaryDirectory(prefix="candor-test-") as directory:
            out, cursor = os.path.join(directory, "out"), os.path.join(directory, "cursor")
            for n in range(3):
                self.c.kvctl("put", f"exec:{n}", str(n))
            failing = self.run_watch("exec:", "--since", "1", "--cursor", cursor, "--exec", "exit 3")
            self.assertEqual(failing.returncode, 1)
            self.assertIn("status 3", failing.stderr)
            self.assertEqual(os.path.getsize(cursor), 0, "what was not done is done again")
            done = self.run_watch("exec:", "--since", "1", "--count", "3", "--cursor", cursor, "--exec", f"cat >> {out}")
            self.assertEqual(done.returncode, 0, done)
            with open(out, encoding="utf-8") as f:
                self.assertEqual([json.loads(line)["value"] for line in f], ["0", "1", "2"])

    def test_a_deadline_ends_it(self):
        done = self.run_watch("quiet:", "--deadline", "100ms")
        self.assertEqual((done.returncode, done.stdout), (0, ""), done)
        done = self.run_watch("quiet:", "--deadline", "100ms", "--count", "1")
        self.assertEqual(done.returncode, 5, done)
        self.assertIn("1 of the events did not come", done.stderr)

    def test_what_nobody_has_seen_yet_is_refused(self):
        done = self.run_watch("--since", "1000000")
        self.assertEqual(done.returncode, 6, done)
        self.assertIn("newest record", done.stderr)


class ThreeNodes(unittest.TestCase):
    def test_over_failovers_nothing_is_missed_and_nothing_comes_twice(self):
        with Cluster(failover="automatic") as c:
            c.up()
            c.kvctl("put", "k", "0", "--ack", "majority", "--deadline", "30s")
            with Watching(c, "k", "--since", "1", "-o", "json") as watching:
                for n in range(1, 7):
                    primary = c.primary()
                    c.kill(primary)
                    c.kvctl("put", "k", str(n), "--ack", "majority", "--deadline", "60s")
                    until(lambda n=n: len(watching.lines()) == n + 1, f"the watch to see {n}")
                    c.start(primary)
                self.assertEqual([json.loads(line)["value"] for line in watching.lines()], [str(n) for n in range(7)])
                self.assertEqual(watching.end(), 0)


if __name__ == "__main__":
    main()
