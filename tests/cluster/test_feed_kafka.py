"""candor-feed into a topic of Kafka: librdkafka's mock of a cluster, which tests/cluster/kafka_mock runs. The mock has no markers of
transactions, so what was not committed stays visible there, and nothing here says that a broker hides it."""
import json
import os
import subprocess
import unittest

from feed_process import FEED, Feed
from harness import BIN, Cluster, main, until


class Brokers:
    def __init__(self, count=2):
        program = os.path.join(BIN, "kafka-mock")
        assert os.path.exists(program), "kafka-mock is missing: run scripts/setup, and build again"
        self.process = subprocess.Popen([program, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addresses = self.process.stdout.readline().strip()

    def say(self, command):
        """The lines of the answer."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return list(iter(lambda: self.process.stdout.readline().strip(), ""))

    def records(self, topic, partitions):
        out = [json.loads(line) for line in self.say(f"read {topic} {partitions}")]
        for record in out:
            record["kind"] = record["headers"]["Candor-Kind"]
        return out

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Kafka(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = Cluster({"a": "voter"})
        cls.addClassCleanup(cls.c.close)
        cls.c.up()
        until(cls.c.primary, "a primary")
        cls.brokers = Brokers()
        cls.addClassCleanup(cls.brokers.close)

    def feed(self, topic, partitions, *args):
        self.brokers.say(f"topic {topic} {partitions}")
        feed = Feed(self.c.topology, "--kafka", self.brokers.addresses, "--topic", topic, *args)
        self.addCleanup(feed.close)
        return feed

    def until_told(self, topic, partitions, kind, count=1):
        return until(lambda: (there := self.brokers.records(topic, partitions)) and
                     sum(r["kind"] == kind for r in there) >= count and there, f"{count} {kind} in {topic}")

    def test_keys_values_tombstones_and_headers(self):
        self.c.kvctl("put", "s:1", "apple")
        self.c.kvctl("put", "s:empty", "")
        feed = self.feed("state", 3, "--prefix", "s:").ready()
        self.until_told("state", 3, "end", 3)
        seq = self.c.put("s:2", "pear")["pos"]["seq"]
        self.c.kvctl("del", "s:1")
        self.until_told("state", 3, "delete")
        self.assertEqual(feed.end(), 0)
        records = self.brokers.records("state", 3)
        of_keys = {(r["key"], r["kind"]): r for r in records if r["key"] != ""}
        self.assertEqual({place: r["value"] for place, r in of_keys.items()},
                         {("s:1", "state"): "apple", ("s:empty", "state"): "", ("s:2", "put"): "pear", ("s:1", "delete"): None})
        put = of_keys["s:2", "put"]["headers"]
        self.assertEqual((put["Candor-Seq"], put["Candor-State"], put["Candor-Node"]), (str(seq), "FRESH", "a"))
        self.assertTrue(put["Candor-Id"].endswith(f".a.{seq}.0"), put)
        # Each key's records are in one partition, and each partition is told where the state begins and ends.
        self.assertEqual(of_keys["s:1", "state"]["partition"], of_keys["s:1", "delete"]["partition"])
        for kind in ("begin", "end"):
            self.assertEqual([r["partition"] for r in records if r["kind"] == kind], [0, 1, 2])

    def test_through_kills_and_an_outage_each_change_is_there_once_in_order(self):
        feed = self.feed("all", 1, "--prefix", "k:", "--from-now").ready()
        written = []
        for i in range(4):
            for n in range(20):
                written.append((self.c.put(f"k:{n % 5}", f"{i}-{n}")["pos"]["seq"], f"k:{n % 5}", f"{i}-{n}"))
                if n == 10:
                    feed.kill()
                    feed.start()
            feed.ready()
        self.until_told("all", 1, "put", len(written))
        self.brokers.say("down")
        written.append((self.c.put("k:x", "meanwhile")["pos"]["seq"], "k:x", "meanwhile"))
        feed.says("target_failed")
        self.brokers.say("up")
        records = self.until_told("all", 1, "put", len(written))
        self.assertEqual(feed.end(), 0)
        self.assertEqual([(int(r["headers"]["Candor-Seq"]), r["key"], r["value"]) for r in records if r["kind"] == "put"], written)
        ids = [r["headers"]["Candor-Id"] for r in records if "Candor-Id" in r["headers"]]
        self.assertEqual(len(ids), len(set(ids)))

    def test_who_is_fenced_ends(self):
        feed = self.feed("fenced", 1, "--prefix", "f:").ready()
        self.until_told("fenced", 1, "end")
        self.brokers.say("fence")
        self.c.kvctl("put", "f:1", "x")
        self.assertEqual(feed.wait(), 6)
        self.assertIn("another candor-feed of this topic has taken over", feed.lines())

    def test_what_cannot_be_fed_is_refused(self):
        settings = os.path.join(self.c.dir, "kafka.properties")
        for text, words in (("enable.idempotence = false\n", ":1: enable.idempotence is set by candor-feed itself"),
                            ("\ncolor = red\n", ":2: No such configuration property"),
                            ("linger.ms = soon\n", ":1: Invalid value")):
            with self.subTest(text):
                with open(settings, "w", encoding="utf-8") as f:
                    f.write(text)
                done = subprocess.run([FEED, "--topology", self.c.topology, "--kafka", self.brokers.addresses, "--topic", "t",
                                       "--settings", settings], capture_output=True, text=True, timeout=60, check=False)
                self.assertEqual(done.returncode, 2, done)
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    main()
