"""candor-feed into a stream of a real nats-server: what the stream holds is the committed history, whatever dies on the way."""
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from feed_process import FEED, Feed
from harness import KVCTL, Cluster, free_port, main, until
from nats_server import NatsServer, key_of

CHANGES = ("put", "delete")


def history(cluster):
    """What was committed, as a watch tells it: (seq, kind, key, value)."""
    cluster.put("the-end", "x", "--ack", "majority")
    with tempfile.TemporaryFile("w+") as out:
        watch = subprocess.Popen([KVCTL, "watch", "--since", "1", "-o", "json", "--topology", cluster.topology],
                                 stdin=subprocess.DEVNULL, stdout=out)

        def lines():
            out.seek(0)
            return out.read().splitlines()

        until(lambda: (told := lines()) and '"key":"the-end"' in told[-1], "all that was committed")
        watch.kill()
        watch.wait()
        events = [json.loads(line) for line in lines()]
    return [(e["seq"], e["type"], e["key"].encode(), e.get("value", "").encode()) for e in events]


def changes(messages, **kwargs):
    """Those of a stream, in the same form."""
    return [(m.seq, m.kind, key_of(m.subject, **kwargs), m.payload) for m in messages if m.kind in CHANGES]


def last_of(cluster):
    return max(row["applied_seq"] for row in cluster.status().values())


class OneNode(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = Cluster({"a": "voter"}, retention={"log": "1MiB"})
        cls.addClassCleanup(cls.c.close)
        cls.c.up()
        until(cls.c.primary, "a primary")
        cls.nats = NatsServer()
        cls.addClassCleanup(cls.nats.close)

    def feed(self, stream, *args, create=True):
        feed = Feed(self.c.topology, "--nats", self.nats.url, "--stream", stream, "--subject-prefix", stream.lower(),
                    *(["--create-stream"] if create else []), *args)
        self.addCleanup(feed.close)
        return feed

    def told(self, stream, kind):
        return sum(m.kind == kind for m in self.nats.messages(stream))

    def until_told(self, stream, kind, count=1):
        until(lambda: self.told(stream, kind) >= count, f"{count} {kind} in {stream}")

    def run_feed(self, *args):
        return subprocess.run([FEED, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)

    def test_the_present_state_then_changes_each_with_its_position_and_age(self):
        self.c.kvctl("put", "s:1", "apple")
        self.c.kvctl("put", "s:2", "pear")
        feed = self.feed("STATE", "--prefix", "s:").ready()
        self.until_told("STATE", "end")
        seq = self.c.put("s:a.b c", "plum", "--ttl", "1h")["pos"]["seq"]
        self.c.kvctl("del", "s:1")
        self.c.kvctl("put", "other", "nobody")
        self.c.kvctl("txn", input="\nput s:3 x\nput s:4 y\n\n")
        until(lambda: sum(m.kind in CHANGES for m in self.nats.messages("STATE")) == 4, "the changes")
        self.assertEqual(feed.end(), 0)
        messages = self.nats.messages("STATE")
        begin, one, two, end, put, delete, first, second, *rest = messages
        self.assertEqual([(m.kind, m.payload) for m in (begin, one, two, end)],
                         [("begin", b""), ("state", b"apple"), ("state", b"pear"), ("end", b"")])
        self.assertEqual((begin.subject, begin.headers["Candor-Why"]), ("state.%control", "first"))
        self.assertEqual((one.subject, put.subject), ("state.s.1", "state.s.a%2Eb%20c"))
        self.assertEqual((put.kind, put.seq, put.payload, put.headers["Candor-Ttl-Ms"]), ("put", seq, b"plum", "3600000"))
        self.assertEqual(put.id, f"{put.headers['Candor-Epoch']}.{seq}.0")
        self.assertEqual((delete.kind, delete.subject, delete.payload), ("delete", "state.s.1", b""))
        self.assertEqual((first.seq, first.headers["Candor-More"], second.headers.get("Candor-More")), (second.seq, "true", None))
        self.assertNotEqual(first.id, second.id)
        for m in (one, put, delete):
            self.assertEqual((m.headers["Candor-Node"], m.headers["Candor-State"], m.headers["Candor-Role"]), ("a", "FRESH", "primary"))
            self.assertGreaterEqual(int(m.headers["Candor-Staleness-Bound-Ms"]), 0)
        # What ends says how far it has seen, also where that is of no key of its own.
        self.assertLessEqual([m.kind for m in rest], ["progress"])

    def test_when_the_log_was_trimmed_who_saw_it_goes_on_and_who_did_not_is_told(self):
        seq = self.c.put("old", "x")["pos"]["seq"]
        old = self.feed("OLD", "--since", str(seq)).ready()
        self.until_told("OLD", "put")
        self.assertEqual(old.end(), 0)
        self.c.kvctl("del", "old")
        # Of the keys of this one nothing happens: what it has seen it tells by itself.
        quiet = self.feed("QUIET", "--prefix", "quiet:", "--from-now", "--progress", "200ms").ready()
        self.c.kvctl("put", "quiet:1", "y")
        self.until_told("QUIET", "put")
        last = last_of(self.c)
        until(lambda: self.c.trim_log("a") or self.c.status()["a"]["log_first_seq"] > last, "a log that begins later")
        last = last_of(self.c)
        until(lambda: (newest := self.nats.messages("QUIET")[-1]).kind == "progress" and newest.seq >= last, "the progress")
        self.assertEqual(quiet.end(), 0)
        quiet.start()
        old.start()
        quiet.ready()
        old.ready().says(" compacted ")
        self.until_told("OLD", "end")
        self.c.kvctl("put", "quiet:2", "z")
        self.until_told("QUIET", "put", 2)
        self.assertNotIn("compacted", quiet.lines())
        self.assertEqual([m.payload for m in self.nats.messages("QUIET") if m.kind in ("put", "begin")], [b"y", b"z"])
        self.until_told("OLD", "put", 2)
        messages = self.nats.messages("OLD")
        at = next(i for i, m in enumerate(messages) if m.kind == "begin")
        self.assertEqual(messages[at].headers["Candor-Why"], "compacted")
        self.assertGreater(messages[at].seq, seq)
        state = {key_of(m.subject, "old"): m.payload for m in messages if m.kind == "state"}
        there = {k["key"].encode(): k["value"].encode() for k in map(json.loads, self.c.export("a").splitlines())}
        del there[b"quiet:2"]
        self.assertEqual(state, there)
        self.assertEqual(len(state), self.told("OLD", "state"))

    def test_a_state_that_was_told_in_part_is_told_on(self):
        self.c.import_lines(2000, 2000, "part")  # some answers
        feed = self.feed("PART", "--prefix", "part", "--progress", "100ms").ready()
        kills = 0
        while kills < 5 and not self.told("PART", "end"):
            count = self.nats.count("PART")
            until(lambda: self.nats.count("PART") > count + 100 or self.told("PART", "end"), "some of it")
            feed.kill()
            feed.start()
            feed.ready()
            kills += 1
        self.until_told("PART", "end")
        messages = self.nats.messages("PART")
        begun = max(i for i, m in enumerate(messages) if m.kind == "begin")
        state = [m.subject for m in messages[begun:] if m.kind == "state"]
        # Until it was told as a whole, nothing says so.
        kinds = [m.kind for m in messages]
        self.assertNotIn("progress", kinds[:kinds.index("end")])
        self.assertEqual(len(state), 2000)
        self.assertEqual(len(set(state)), 2000)

    def test_the_later_of_two_takes_over(self):
        first = self.feed("TWO", "--prefix", "two:").ready()
        self.c.kvctl("put", "two:1", "x")
        self.until_told("TWO", "put")
        os.kill(first.process.pid, signal.SIGSTOP)
        second = self.feed("TWO", "--prefix", "two:").ready()
        os.kill(first.process.pid, signal.SIGCONT)
        self.c.kvctl("put", "two:2", "y")
        self.assertEqual(first.wait(), 6)
        self.assertIn("another candor-feed", first.lines())
        self.c.kvctl("put", "two:3", "z")
        until(lambda: self.nats.messages("TWO")[-1].payload == b"z", "the second goes on")
        self.assertEqual([m.payload for m in self.nats.messages("TWO") if m.kind == "put"], [b"x", b"y", b"z"])
        # Nor does it write behind a stranger.
        self.nats.request("two.stranger")
        self.c.kvctl("put", "two:4", "w")
        self.assertEqual(second.wait(), 6)
        self.assertEqual(self.nats.messages("TWO")[-1].subject, "two.stranger")

    def test_by_addresses_instead_of_a_topology(self):
        feed = Feed(None, "--endpoint", f"tcp://127.0.0.1:{free_port()},{self.c.addresses()['a']}", "--nats", self.nats.url,
                    "--stream", "PLACE", "--subject-prefix", "place", "--create-stream", "--prefix", "place:")
        self.addCleanup(feed.close)
        feed.ready()
        self.c.kvctl("put", "place:1", "x")
        self.until_told("PLACE", "put")
        self.assertEqual(feed.end(), 0)

    def test_a_stream_of_another_cluster_stays_as_it_is(self):
        self.c.kvctl("put", "of:1", "x")
        self.assertEqual(self.feed("OTHER", "--prefix", "of:").ready().end(), 0)
        before = self.nats.count("OTHER")
        with Cluster({"a": "voter"}) as other:
            other.up()
            until(other.primary, "a primary")
            done = self.run_feed("--topology", other.topology, "--nats", self.nats.url, "--stream", "OTHER", "--subject-prefix",
                                 "other", "--prefix", "of:")
            self.assertEqual(done.returncode, 2, done)
            self.assertIn("fed from another cluster", done.stderr)
        self.assertEqual(self.nats.count("OTHER"), before)

    def test_a_lost_cursor_is_told(self):
        self.c.kvctl("put", "lost:1", "x")
        feed = self.feed("LOST", "--prefix", "lost:").ready()
        self.until_told("LOST", "end")
        self.assertEqual(feed.end(), 0)
        self.nats.request("$JS.API.STREAM.PURGE.LOST", {})
        feed.start()
        feed.ready().says(" cursor_lost ")
        self.until_told("LOST", "end")
        begin, one, *_ = self.nats.messages("LOST")
        self.assertEqual((begin.kind, begin.headers["Candor-Why"], one.payload), ("begin", "cursor-lost", b"x"))

    def test_a_dead_engine_is_waited_for_with_growing_pauses(self):
        """Its port is there, and nobody accepts: nothing is read from the cluster."""
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            nobody.listen(0)
            feed = Feed(self.c.topology, "--nats", f"nats://127.0.0.1:{nobody.getsockname()[1]}", "--stream", "X")
            self.addCleanup(feed.close)
            feed.says("again_in_ms=200")
            self.assertEqual(feed.end(), 0)
            self.assertNotIn("begins", feed.lines())

    def test_a_user_with_a_password_from_a_file(self):
        with NatsServer("--user", "ann", "--pass", "secret") as closed, tempfile.NamedTemporaryFile("w") as settings:
            args = ("--nats", closed.url, "--stream", "X", "--create-stream", "--topology", self.c.topology)
            done = self.run_feed(*args)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn("Authorization", done.stderr)
            settings.write("# of tests\nuser = ann\npassword = secret\n")
            settings.flush()
            feed = Feed(self.c.topology, *args[:5], "--settings", settings.name)
            self.addCleanup(feed.close)
            feed.ready()
            self.assertEqual(feed.end(), 0)
            settings.write("color = red\n")
            settings.flush()
            done = self.run_feed(*args, "--settings", settings.name)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn(f"{settings.name}:4: unknown setting", done.stderr)

    def certificate(self, host):
        """(certificate, key), self-signed."""
        path = tempfile.mkdtemp(dir=self.c.dir)
        files = os.path.join(path, "certificate.pem"), os.path.join(path, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                        "/CN=test", "-addext", f"subjectAltName={host}", "-out", files[0], "-keyout", files[1]],
                       check=True, capture_output=True)
        return files

    def test_over_tls_and_only_to_whom_the_certificate_names(self):
        for host, good in (("IP:127.0.0.1", True), ("DNS:elsewhere", False)):
            certificate, key = self.certificate(host)
            settings = os.path.join(os.path.dirname(key), "settings")
            with open(settings, "w", encoding="utf-8") as f:
                f.write(f"tls.ca = {certificate}\n")
            with self.subTest(host), NatsServer("--tls", "--tlscert", certificate, "--tlskey", key) as nats:
                feed = Feed(self.c.topology, "--nats", nats.url, "--stream", "X", "--create-stream", "--settings", settings)
                self.addCleanup(feed.close)
                if good:
                    feed.ready()
                else:
                    feed.says("target_failed")
                self.assertEqual(feed.end(), 0)
        # A server without is not talked to.
        feed = self.feed("PLAIN", "--settings", settings).says("target_failed")
        self.assertEqual(feed.end(), 0)

    def test_what_cannot_be_fed_is_refused(self):
        nats, topology = ("--nats", self.nats.url), ("--topology", self.c.topology)
        ask = self.nats.request
        ask("$JS.API.STREAM.CREATE.QUEUE", {"name": "QUEUE", "subjects": ["queue.>"], "retention": "workqueue"})
        ask("$JS.API.STREAM.CREATE.ELSEWHERE", {"name": "ELSEWHERE", "subjects": ["elsewhere.>"]})
        ask("$JS.API.STREAM.CREATE.SHARED", {"name": "SHARED", "subjects": ["shared.>"]})
        ask("shared.of.somebody")
        self.feed("KEYS", "--prefix", "a").ready().end()
        for args, words in (
                ((*topology, *nats, "--stream", "NONE"), "stream NONE: make it, or give --create-stream"),
                ((*topology, *nats, "--stream", "QUEUE", "--subject-prefix", "queue"), "retention"),
                ((*topology, *nats, "--stream", "ELSEWHERE"), "its subjects are not those below --subject-prefix"),
                ((*topology, *nats, "--stream", "SHARED", "--subject-prefix", "shared"), "not of a feed"),
                ((*topology, *nats, "--stream", "KEYS", "--subject-prefix", "keys", "--prefix", "b"), "other keys"),
                ((*topology, "--nats", "nats://ann:pw@127.0.0.1:1", "--stream", "S"), "everybody on this machine"),
                ((*topology, "--stream", "S"), "give one of --nats and --kafka"),
                ((*topology, *nats, "--kafka", "b:1", "--stream", "S"), "give one of --nats and --kafka"),
                ((*topology, *nats), "--stream: the stream's name"),
                ((*topology, *nats, "--stream", "a.b"), "--stream: the stream's name"),
                ((*topology, *nats, "--stream", "S", "--topic", "t"), "--topic is for --kafka"),
                ((*topology, *nats, "--stream", "S", "--subject-prefix", "a.*"), "is no subject"),
                ((*topology, *nats, "--stream", "S", "--separator", "ab"), "--separator"),
                ((*topology, *nats, "--stream", "S", "--since", "0"), "is no seq"),
                ((*topology, *nats, "--stream", "S", "--since", "5", "--from-now"), "at most one of them"),
                ((*topology, *nats, "--stream", "S", "--progress", "1"), "is no duration"),
                ((*topology, *nats, "--stream", "S", "--settings", "/none"), "No such file"),
                ((*topology, *nats, "--stream", "AHEAD", "--create-stream", "--subject-prefix", "ahead", "--since", "99999999"),
                 "OUT_OF_RANGE"),
                ((*nats, "--stream", "S"), "--topology is missing"),
                (("--endpoint", "nowhere", *nats, "--stream", "S"), "--endpoint"),
                (("--topology", "/none", *nats, "--stream", "S"), "/none")):
            with self.subTest(args):
                done = self.run_feed(*args)
                self.assertEqual(done.returncode, 2, done)
                self.assertIn(words, done.stderr)

    def test_a_value_that_the_server_does_not_take_ends_it_with_words(self):
        with NatsServer() as nats:
            self.c.kvctl("put", "large", "--value-file", "-", input="x" * (1 << 20))
            feed = Feed(self.c.topology, "--nats", nats.url, "--stream", "S", "--create-stream", "--prefix", "large")
            self.addCleanup(feed.close)
            self.assertEqual(feed.wait(), 1)
            self.assertIn("raise its max_payload", feed.lines())
            self.c.kvctl("del", "large")


class ThreeNodes(unittest.TestCase):
    def test_through_kills_failovers_and_restarts_the_stream_is_the_committed_history(self):
        with Cluster(failover="automatic", election_timeout="500ms") as c, NatsServer() as nats:
            c.up().wait_fresh()
            feed = Feed(c.topology, "--nats", nats.url, "--stream", "ALL", "--create-stream", "--since", "1")
            self.addCleanup(feed.close)
            feed.ready()
            stop = threading.Event()
            writer = threading.Thread(target=self.write, args=(c, stop))
            writer.start()
            try:
                for fault in (self.kill_feed, self.kill_primary, self.kill_feed, self.restart_nats, self.pause_nats, self.kill_feed):
                    count = nats.count("ALL")
                    fault(c, nats, feed)
                    until(lambda: nats.count("ALL") > count + 20, f"messages after {fault.__name__}")
            finally:
                stop.set()
                writer.join()
            told = history(c)
            until(lambda: nats.messages("ALL")[-1].seq >= told[-1][0], "all of it")
            self.assertEqual(feed.end(), 0)
            messages = nats.messages("ALL")
            self.assertEqual(changes(messages), told)
            ids = [m.id for m in messages if m.id]
            self.assertEqual(len(ids), len(set(ids)))

    def test_what_a_forced_promotion_takes_back_is_told_and_the_present_state_follows(self):
        with Cluster() as c, NatsServer() as nats:
            c.up().wait_fresh()
            c.kvctl("put", "kept", "x", "--ack", "all")
            feed = Feed(c.topology, "--nats", nats.url, "--stream", "S", "--create-stream", "--from-now")
            self.addCleanup(feed.close)
            feed.ready()
            c.kill("c")
            c.kvctl("put", "gone", "y", "--ack", "majority")
            until(lambda: nats.messages("S")[-1].kind == "put", "the change")
            c.kill("a")
            c.kill("b")
            c.start("c")
            until(lambda: c.kvctl("promote", "c", "--force", "--yes"), "c leads")
            for node in ("a", "b"):
                c.start(node)
                until(lambda: c.status()[node]["state"] == "FRESH" or c.kvctl("accept-history", node, "--yes", status=(0, 6)) and None,
                      f"{node} joins, by itself or asked to")
            until(lambda: any(m.kind == "end" for m in nats.messages("S")), "the present state")
            c.kvctl("put", "then", "z")
            until(lambda: nats.messages("S")[-1].subject == "candor.then", "what came then")
            self.assertEqual([(m.kind, m.subject, m.headers.get("Candor-Why")) for m in nats.messages("S") if m.kind != "progress"],
                             [("resume", "candor.%control", "from-now"), ("put", "candor.gone", None),
                              ("begin", "candor.%control", "rolled-back"), ("state", "candor.kept", None),
                              ("end", "candor.%control", None), ("put", "candor.then", None)])
            self.assertIn(" rolled_back ", feed.lines())

    @staticmethod
    def write(c, stop):
        """LOCAL and MAJORITY; what becomes of a write while nobody leads is not the feed's matter."""
        i = 0
        while not stop.is_set():
            i += 1
            c.kvctl("import", "--format", "jsonl", "-", status=tuple(range(8)),
                    input="".join(json.dumps({"key": f"k:{n % 7}", "value": f"{i}-{n}"}) + "\n" for n in range(20)))
            c.kvctl("del", f"k:{i % 7}", "--ack", "majority", status=tuple(range(8)))

    @staticmethod
    def kill_feed(c, nats, feed):
        del c, nats
        feed.kill()
        feed.start()
        feed.ready()

    @staticmethod
    def kill_primary(c, nats, feed):
        del nats, feed
        old = c.primary()
        c.kill(old)
        until(lambda: [n for n, r in c.status().items() if r["role"] == "primary" and n != old], "another primary")
        c.start(old)

    @staticmethod
    def restart_nats(c, nats, feed):
        del c
        nats.kill()
        feed.says("target_failed")
        nats.start()

    @staticmethod
    def pause_nats(c, nats, feed):
        """What it does not take is not read."""
        del feed
        nats.process.send_signal(signal.SIGSTOP)
        before = last_of(c)
        until(lambda: last_of(c) > before + 50, "what is written meanwhile")
        nats.process.send_signal(signal.SIGCONT)


if __name__ == "__main__":
    main()
