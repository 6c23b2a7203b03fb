"""kvctl bench: every kind of work, and that it leaves no key behind."""
import json
import os
import signal
import subprocess
import unittest

from harness import Cluster, Refused, main, until

SHORT = ("--seconds", "0.2", "--keys", "500", "--callers", "8")


def short(*args):
    """The arguments, and those of SHORT that are not among them."""
    rest = [pair for pair in zip(SHORT[::2], SHORT[1::2]) if pair[0] not in args]
    return (*args, *(word for pair in rest for word in pair))


class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.up().wait_fresh()

    def keys(self):
        return len(self.cluster.json("scan", "--prefix", "bench", "--limit", "3", "--level", "linearizable")["items"])

    def bench(self, op, *args, status=0):
        out = self.cluster.json("bench", op, *short(*args), status=status)
        self.assertEqual(self.keys(), 0, "it left keys")
        return out

    def measured(self, op, *args):
        out = self.bench(op, *args)
        self.assertGreater(out["ops"], 0)
        self.assertEqual((out["errors"], out["not_found"], out["elsewhere"]), ({}, 0, 0))
        latency = out["latency_us"]
        shares = [latency[name] for name in ("p50", "p90", "p95", "p99", "p99_9", "p99_99", "max")]
        self.assertEqual(shares, sorted(shares))
        self.assertGreater(shares[0], 0)
        return out

    def other(self):
        return next(n for n in self.cluster.nodes if n != self.cluster.primary())

    def test_every_work_without_and_with_threads(self):
        for blocking in ((), ("--blocking",)):
            for args in (("get",), ("get", "--batch", "16"), ("put",), ("put", "--batch", "16"), ("mixed", "--reads", "90"),
                         ("scan", "--batch", "10"), ("txn",)):
                with self.subTest(args=args, blocking=blocking):
                    self.assertEqual(self.measured(*args, *blocking)["blocking"], bool(blocking))

    def test_every_level_and_ack(self):
        for blocking in ((), ("--blocking",)):
            for level in (("eventual",), ("bounded", "--max-staleness", "5s"), ("session",), ("linearizable",)):
                self.assertEqual(self.measured("get", "--level", *level, *blocking)["level"], level[0])
            for ack in ("local", "majority", "all"):
                self.assertEqual(self.measured("put", "--ack", ack, *blocking)["ack"], ack)

    def test_reads_of_a_replica_and_how_far_it_is_behind(self):
        node = self.other()
        for level in ("eventual", "linearizable"):
            for how in ((), ("--blocking",)):
                self.assertEqual(self.measured("get", "--node", node, "--level", level, *how)["node"], node)
        self.assertEqual(self.measured("lag", "--node", node)["node"], node)
        self.assertNotEqual(self.measured("lag")["node"], self.cluster.primary())

    def test_what_another_node_answers_is_told(self):
        out = self.bench("put", "--node", self.other())
        self.assertGreater(out["ops"], 0)
        self.assertEqual(out["elsewhere"], out["ops"])

    def test_keys_by_zipf_sizes_and_processes(self):
        out = self.measured("mixed", "--draw", "zipf", "--key-size", "40B", "--value-size", "1KiB", "--processes", "2")
        self.assertEqual((out["key_bytes"], out["value_bytes"], out["processes"], out["zipf"]), (40, 1024, 2, True))
        self.assertGreater(out["reads_latency_us"]["p50"], 0)
        self.assertGreater(out["writes_latency_us"]["p50"], 0)

    def test_a_rate_is_kept_and_what_it_misses_is_told(self):
        for how in ((), ("--blocking",), ("--processes", "2")):
            out = self.measured("get", "--rate", "100", "--seconds", "0.5", *how)
            self.assertLessEqual(out["ops"], 50)
            self.assertEqual(out["rate"], 100)
        out = self.bench("get", "--rate", "5000000", "--callers", "1")
        self.assertGreater(out["unsent"], 0)
        self.assertGreater(out["latency_us"]["max"], 50000)  # it was due almost at the beginning, and sent at the end

    def test_a_timeline_counts_every_operation_in_time(self):
        out = self.measured("put", "--timeline", "50ms")
        line = out["timeline"]
        self.assertEqual(line["slice_ms"], 50)
        self.assertEqual(len(line["done"]), len(line["failed"]))
        self.assertLessEqual(sum(line["done"]), out["ops"])

    def test_keys_that_are_loaded_stay_until_they_are_cleaned(self):
        c = self.cluster
        self.assertEqual(c.json("bench", "load", "--keys", "500")["keys"], 500)
        try:
            with self.assertRaises(Refused) as refused:
                c.kvctl("bench", "get", *SHORT)
            self.assertEqual(refused.exception.status, 6)
            self.assertIn("`kvctl bench clean`", refused.exception.err)
            self.assertEqual(c.json("bench", "get", "--loaded", *SHORT)["not_found"], 0)
            c.put("bench:is-not-one-of-them", "v")
            self.assertGreater(self.keys(), 0)
        finally:
            self.assertEqual(c.json("bench", "clean")["keys"], 500)
        self.assertEqual(c.kvctl("get", "bench:is-not-one-of-them")[0], "v\n")
        c.kvctl("del", "bench:is-not-one-of-them")

    def test_it_leaves_no_keys_when_it_is_interrupted(self):
        for args in (("put",), ("get", "--processes", "2"), ("put", "--blocking"), ("load", "--keys", "3000000")):
            for number in (signal.SIGINT, signal.SIGTERM):
                with self.subTest(args=args, signal=number):
                    self.interrupted(args, number)

    def interrupted(self, args, number):
        command = [self.cluster.kvctl_path, "bench", "--topology", self.cluster.topology, *args, "-o", "json"]
        seconds = () if args[0] == "load" else ("--seconds", "600")
        bench = subprocess.Popen([*command, *seconds], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            until(self.keys, "it writes keys")
            os.killpg(bench.pid, number) if number == signal.SIGINT else bench.send_signal(number)
            out, err = bench.communicate(timeout=60)
        finally:
            bench.kill()
        self.assertEqual((bench.returncode in (0, 1, 5), err), (True, ""), (bench.returncode, err))  # by which it was interrupted
        if out:
            self.assertLess(json.loads(out)["seconds"], 60)
        self.assertEqual(self.keys(), 0)

    def test_text_says_what_was_done(self):
        text = self.cluster.kvctl("bench", "put", *SHORT, "--ack", "majority", "--draw", "zipf")[0]
        self.assertRegex(text, r"^put at \w+ \(tcp://.*\), ack majority, 8 callers, 500 keys by Zipf, 16 \+ 128 bytes\n\d+ operations/s")
        self.assertIn("p99.99", text)


if __name__ == "__main__":
    main()
