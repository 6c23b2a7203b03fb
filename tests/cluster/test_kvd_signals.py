"""Signals: which end a node, how soon, with which status, and which do not."""
import fcntl
import os
import pty
import re
import signal
import subprocess
import termios
import time
import unittest

from harness import DEADLINE_S, Cluster, Refused, main, until
from kvd_process import running
from node_faults import FaultyCluster

ONE = {"a": "voter"}
FOR_EVER_MS = 3600 * 1000


def read_file(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return ""


class Stop(unittest.TestCase):
    def stop(self, node, number=signal.SIGTERM):
        """Its exit status, and how many seconds it took."""
        began = time.monotonic()
        node.send_signal(number)
        return node.wait(DEADLINE_S), time.monotonic() - began

    def test_both_signals_end_a_node_in_order(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), Cluster(ONE) as c, running(c, "a", stderr=subprocess.PIPE) as node:
                c.wait_fresh()
                c.put("k", "v")
                self.assertEqual(self.stop(node, number)[0], 0)
                self.assertIn("stopped clean=yes", node.stderr.read().decode())

    def test_a_start_that_takes_long_ends_at_once(self):
        with FaultyCluster(ONE) as c:
            with running(c, "a", env=c.environment) as node:
                c.wait_fresh()
                c.put("k", "v")
                node.kill()
                node.wait()
            c.controls["a"].slow_syncs = 0
            c.controls["a"].sync_delay_ms = FOR_EVER_MS
            with running(c, "a", env=c.environment, stderr=subprocess.PIPE) as node:
                until(lambda: c.controls["a"].slow_syncs > 0, "the start waits for the disk")
                status, _ = self.stop(node)
                self.assertEqual(status, 0)
                self.assertRegex(node.stderr.read().decode(), "stopping signal=SIGTERM during=start")
            c.controls["a"].heal()
            with running(c, "a", env=c.environment) as node:
                c.wait_fresh()
                self.assertEqual(c.get("k")["value"], "v")
                self.assertEqual(self.stop(node)[0], 0)

    def test_a_stop_that_hangs_is_cut_short_with_a_status_of_its_own(self):
        with FaultyCluster(ONE) as c:
            with running(c, "a", "--stop-timeout", "1s", env=c.environment, stderr=subprocess.PIPE) as node:
                c.wait_fresh()
                c.put("k", "v")
                c.controls["a"].sync_delay_ms = FOR_EVER_MS
                with self.assertRaises(Refused):
                    c.put("k", "stuck", "--deadline", "300ms")
                status, seconds = self.stop(node)
                said = node.stderr.read().decode()
                self.assertEqual(status, 6, said)
                self.assertGreaterEqual(seconds, 1)
                self.assertRegex(said, r"ERROR a stop_forced after_ms=1000 exit=6")
            c.controls["a"].heal()
            with running(c, "a", env=c.environment) as node:
                c.wait_fresh()
                self.assertIn(c.get("k")["value"], ("v", "stuck"))

    def test_a_pause_is_no_part_of_a_stops_time(self):
        with FaultyCluster(ONE) as c, \
             running(c, "a", "--stop-timeout", "5s", env=c.environment, stderr=subprocess.PIPE) as node:
            c.wait_fresh()
            c.controls["a"].sync_delay_ms = FOR_EVER_MS
            with self.assertRaises(Refused):
                c.put("k", "slow", "--deadline", "300ms")
            node.send_signal(signal.SIGTERM)
            node.send_signal(signal.SIGSTOP)
            time.sleep(6)  # the length of the pause is what is tested
            c.controls["a"].heal()
            node.send_signal(signal.SIGCONT)
            self.assertEqual(node.wait(DEADLINE_S), 0, node.stderr.read())


class GoOn(unittest.TestCase):
    def test_hangup_opens_the_log_file_anew(self):
        with Cluster(ONE) as c:
            path = f"{c.dir}/kvd.log"
            with running(c, "a", "--log-file", path, stderr=subprocess.PIPE) as node:
                c.wait_fresh()
                os.rename(path, f"{path}.1")
                node.send_signal(signal.SIGHUP)
                until(lambda: os.path.exists(path), "a new log file")
                node.send_signal(signal.SIGTERM)
                self.assertEqual(node.wait(DEADLINE_S), 0)
                self.assertIn("INFO a stopped", read_file(path))
                self.assertIn("INFO a recovered", read_file(f"{path}.1"))
                self.assertNotIn("INFO a stopped", read_file(f"{path}.1"))
                self.assertEqual(node.stderr.read(), b"")

    def test_a_log_file_that_cannot_be_opened_refuses_the_start(self):
        with Cluster(ONE) as c, \
             running(c, "a", "--log-file", f"{c.dir}/nowhere/log", stderr=subprocess.PIPE) as node:
            self.assertEqual(node.wait(DEADLINE_S), 4)
            self.assertIn("nowhere/log: No such file or directory", node.stderr.read().decode())

    def test_a_log_file_that_can_no_longer_be_opened_is_kept(self):
        with Cluster(ONE) as c:
            os.mkdir(f"{c.dir}/logs")
            path = f"{c.dir}/logs/kvd.log"
            with running(c, "a", "--log-file", path) as node:
                c.wait_fresh()
                os.rename(f"{c.dir}/logs", f"{c.dir}/moved")
                node.send_signal(signal.SIGHUP)
                until(lambda: "cannot_open" in read_file(f"{c.dir}/moved/kvd.log"), "a line about it")
                c.put("k", "v")

    def test_signals_that_mean_nothing_to_a_node_do_not_end_it(self):
        with Cluster(ONE) as c, running(c, "a", stderr=subprocess.PIPE) as node:
            c.wait_fresh()
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGXFSZ):
                node.send_signal(number)
                c.put("k", f"after {number}")
                self.assertIsNone(node.poll(), number)
            node.send_signal(signal.SIGTERM)
            self.assertEqual(node.wait(DEADLINE_S), 0)
            self.assertEqual(len(re.findall("INFO a hangup", node.stderr.read().decode())), 1)

    def test_a_node_outlives_its_terminal(self):
        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        with Cluster(ONE) as c:
            master, terminal = pty.openpty()
            with running(c, "a", stdin=terminal, stdout=terminal, stderr=terminal,
                         preexec_fn=take_terminal) as node:
                os.close(terminal)
                c.wait_fresh()
                os.close(master)
                c.put("k", "v")
                self.assertEqual(c.get("k")["value"], "v")
                self.assertIsNone(node.poll())
                node.send_signal(signal.SIGTERM)
                self.assertEqual(node.wait(DEADLINE_S), 0)


if __name__ == "__main__":
    main()
