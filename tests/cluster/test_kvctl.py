"""kvctl against a running cluster: bytes, sessions, ranges, files, statuses."""
import base64
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import unittest

from harness import KVCTL, Cluster, Refused, main, on_a_terminal, until


class LargeValues(unittest.TestCase):
    def test_what_export_writes_in_six_bytes_for_one_import_reads(self):
        with Cluster({"a": "voter"}, limits={"value": "16MiB", "message": "64MiB"}) as c:
            c.up().wait_fresh()
            value, exported = os.path.join(c.dir, "value"), os.path.join(c.dir, "all.jsonl")
            with open(value, "wb") as f:
                f.write(b"\x01" * (9 << 20))
            c.kvctl("put", "control", "--value-file", value)
            before = c.get("control")["value"]
            with open(exported, "w", encoding="utf-8") as f:
                f.write(c.kvctl("export")[0])
            self.assertGreater(os.path.getsize(exported), 6 * (9 << 20))
            c.kvctl("put", "control", "other")
            c.kvctl("import", exported)
            self.assertTrue(c.get("control")["value"] == before)  # no difference of 9 MiB is printed


class Kvctl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = Cluster()
        cls.c.__enter__()
        try:
            cls.c.up().wait_fresh()
        except BaseException:
            cls.c.dump_logs()
            cls.c.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.c.close()

    def raw(self, *args, input=None):
        return subprocess.run([KVCTL, *args, "--topology", self.c.topology], input=input,
                              capture_output=True, timeout=60, check=False)

    def test_get_prints_the_value_alone_and_the_age_beside_it(self):
        self.c.put("greeting", "hello")
        out, err = self.c.kvctl("get", "greeting")
        self.assertEqual(out, "hello\n")
        self.assertRegex(err, r"^FRESH from \w \(\w+, epoch \d+\): at most ")
        out, err = self.c.kvctl("get", "greeting", "--quiet", "--raw")
        self.assertEqual((out, err), ("hello", ""))

    def test_the_line_of_an_answer_breaks_between_words_on_a_narrow_terminal(self):
        self.c.put("narrow", "v")
        value, *lines = on_a_terminal(40, "get", "narrow", "--topology", self.c.topology, says="FRESH from")
        self.assertEqual(value, "v")
        self.assertGreater(len(lines), 1)
        self.assertTrue(all(len(line) <= 40 for line in lines), lines)
        self.assertRegex(" ".join(" ".join(lines).split()),
                         r"^(FRESH|STALE) from \w \(\w+, epoch \d+\): .* old.*; applied \d+ of \d+, committed \d+$")

    def test_get_as_json_has_exactly_the_documented_members(self):
        self.c.put("greeting", "hello")
        reply = self.c.get("greeting")
        self.assertEqual(list(reply), ["key", "value", "found", "mod_seq", "ttl_ms", "freshness"])
        self.assertEqual(list(reply["freshness"]),
                         ["node", "role", "state", "epoch", "generation", "owner", "heartbeat_age_ms",
                          "stale", "staleness_bound_ms", "applied_seq", "primary_seq", "commit_seq", "cut_off"])
        self.assertIsInstance(reply["freshness"]["staleness_bound_ms"], int)

    def test_missing_key_is_status_1(self):
        out, err = self.c.kvctl("get", "missing", status=1)
        self.assertEqual(out, "")
        self.assertIn("no such key", err)
        reply = self.c.get("missing", status=1)
        self.assertEqual((reply["found"], reply["value"], reply["mod_seq"]), (False, None, None))

    def test_any_bytes_come_back_as_they_were(self):
        for name, value in (("empty", b""), ("nul", b"a\0b"), ("all", bytes(range(256))), ("newline", b"x\n"),
                            ("big", os.urandom(700000))):
            with self.subTest(name):
                key = base64.b64encode(b"\xff" + name.encode()).decode()
                done = self.raw("put", key, "--key-b64", "--value-file", "-", input=value)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(self.raw("get", key, "--key-b64", "--raw").stdout, value)
                reply = json.loads(self.raw("get", key, "--key-b64", "-o", "json").stdout)
                self.assertEqual(reply["key_b64"], key)
                if name in ("nul", "all", "big"):
                    self.assertEqual(base64.b64decode(reply["value_b64"]), value)

    def test_a_value_over_the_limit_is_refused_as_bad_input(self):
        done = self.raw("put", "k", "--value-file", "-", input=b"x" * (1 << 20) + b"x")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(b"TOO_LARGE: value: it has 1048577 bytes; the limit is 1MiB (limits.value)", done.stderr)

    def test_delete_says_whether_there_was_something(self):
        self.c.put("gone", "v")
        self.assertTrue(self.c.json("del", "gone")["found"])
        self.assertFalse(self.c.json("del", "gone")["found"])
        self.c.get("gone", status=1)

    def test_scan_pages_through_a_long_range_in_order(self):
        keys = [f"scan:{i:06d}" for i in range(25000)]
        self.import_keys(keys)
        out, _ = self.c.kvctl("scan", "--prefix", "scan:", "--keys-only")
        self.assertEqual(out.splitlines(), keys)
        out, _ = self.c.kvctl("scan", "--prefix", "scan:", "--keys-only", "--reverse", "--limit", 12345)
        self.assertEqual(out.splitlines(), keys[::-1][:12345])
        reply = self.c.json("scan", "--start", "scan:000010", "--end", "scan:000013")
        self.assertEqual([i["key"] for i in reply["items"]], keys[10:13])
        self.assertFalse(reply["more"])
        self.assertTrue(self.c.json("scan", "--prefix", "scan:", "--limit", 1)["more"])

    def import_keys(self, keys, value="v"):
        lines = "".join(json.dumps({"key": k, "value": value}) + "\n" for k in keys)
        reply = self.c.json("import", "-", input=lines)
        self.assertEqual(reply["imported"], len(keys))
        return reply

    def test_scan_keeps_a_line_a_key_whatever_the_bytes(self):
        self.c.put("line:a\tb", "one\ntwo\\")
        out, _ = self.c.kvctl("scan", "--prefix", "line:")
        self.assertEqual(out, "line:a\\tb\tone\\ntwo\\\\\n")

    def test_mget_reads_all_at_one_position(self):
        self.c.put("m1", "1")
        self.c.put("m2", "2")
        reply = self.c.json("mget", "m2", "nope", "m1", status=1)
        self.assertEqual([i["value"] for i in reply["items"]], ["2", None, "1"])
        self.assertEqual(self.c.kvctl("mget", "m1", "m2")[0], "m1\t1\nm2\t2\n")

    def test_what_export_writes_import_reads(self):
        self.c.put("ex:text", "ünï")
        self.raw("put", "ex:bytes", "--value-file", "-", input=b"\xff\0")
        first, _ = self.c.kvctl("export", "--prefix", "ex:")
        self.assertEqual(len(first.splitlines()), 2)
        self.c.kvctl("del", "ex:text")
        self.c.kvctl("del", "ex:bytes")
        self.c.kvctl("import", "-", "--format", "jsonl", input="\ufeff" + first)  # as some editors save it
        self.assertEqual(self.c.kvctl("export", "--prefix", "ex:")[0], first)

    def test_a_json_line_needs_no_newline_at_the_files_end(self):
        self.c.kvctl("import", "-", input='{"key": "no-newline", "value": "v"}')
        self.assertEqual(self.c.get("no-newline")["value"], "v")

    def test_what_scan_prints_import_reads(self):
        odd = {"tsv:plain": b"v1", "tsv:empty": b"", "tsv:bytes": bytes(range(256)), "tsv:path": b"C:\\new\\table",
               "tsv:text": "ünï\tcode\n".encode()}
        for key, value in odd.items():
            self.raw("put", key, "--value-file", "-", input=value)
        path = os.path.join(self.c.dir, "scanned.tsv")
        printed = self.raw("scan", "--prefix", "tsv:").stdout
        with open(path, "wb") as f:
            f.write(printed)
        for key in odd:
            self.c.kvctl("del", key)
        self.assertEqual(self.c.json("import", path)["imported"], len(odd))
        for key, value in odd.items():
            self.assertEqual(self.raw("get", key, "--raw").stdout, value, key)
        self.assertEqual(self.raw("scan", "--prefix", "tsv:").stdout, printed)
        out, _ = self.c.kvctl("import", "-", "--format", "tsv", "--key-prefix", "copy:", input="a\tb\n")
        self.assertIn("imported 1 key in", out)
        self.assertEqual(self.c.get("copy:a")["value"], "b")

    def test_import_of_tsv_names_the_line_that_scan_cannot_have_printed(self):
        for line, says in (("no-tab", "no tab between"), ("k\ta\tb", "a second tab"), ("k\t\\q", "begins none of"),
                           ("k\t\\x4", "begins none of"), ("k\\\tv", "begins none of")):
            _, err = self.c.kvctl("import", "-", "--format", "tsv", input="ok\tok\n" + line + "\n", status=2)
            self.assertIn(says, err)
            self.assertIn("-:2: ", err)
        _, err = self.c.kvctl("import", "-", input="k\tv\n", status=2)
        self.assertIn("--format tsv reads what `kvctl scan` prints", err)

    def test_import_takes_a_field_as_the_key_and_the_last_line_of_a_key_wins(self):
        lines = "".join(f"{i};key-{i % 7};x\n" for i in range(5000))
        self.c.kvctl("import", "-", "--separator", ";", "--key-field", 2, "--key-prefix", "f:", "--batch", 3,
                     "--parallel", 8, input=lines)
        for k in range(7):
            last = max(i for i in range(5000) if i % 7 == k)
            self.assertEqual(self.c.get(f"f:key-{k}")["value"], f"{last};key-{k};x")

    def test_import_sends_what_stands_before_a_bad_line_and_counts_it(self):
        lines = "".join(json.dumps({"key": f"bad:{i}", "value": "v"}) + "\n" for i in range(10)) + "{\n"
        _, err = self.c.kvctl("import", "-", input=lines, status=2)
        self.assertIn("-:11: not a JSON object; 10 operations were acknowledged", err)
        self.assertEqual(len(self.c.kvctl("scan", "--prefix", "bad:", "-k")[0].splitlines()), 10)

    def test_session_file_is_made_grows_and_can_be_begun_anew(self):
        path = os.path.join(self.c.dir, "s1")
        self.c.put("s", "1", "--session", path)
        with open(path) as f:
            first = f.read()
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        seq = self.c.put("s", "2", "--session", path)["mod_seq"]
        with open(path) as f:
            self.assertNotEqual(f.read(), first)
        reply = self.c.get("s", "--session", path, "--node", "c")
        self.assertGreaterEqual(reply["freshness"]["applied_seq"], seq)
        self.c.get("s", "--session", path, "--new-session")

    def test_a_session_file_that_cannot_be_written_is_told_behind_the_outcome(self):
        def on_a_full_disk(*args):
            def full():  # as a full disk is, for files alone
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
            return subprocess.run([KVCTL, args[0], "--topology", self.c.topology, *args[1:]], capture_output=True,
                                  text=True, timeout=120, check=False, preexec_fn=full)

        path = os.path.join(self.c.dir, "s-full")
        self.c.put("sf", "1", "--session", path)
        done = on_a_full_disk("put", "sf", "2", "--session", path)
        self.assertEqual(done.returncode, 7, done)
        self.assertIn("seq ", done.stdout)
        self.assertIn("the command itself was done", done.stderr)
        self.assertIn("--new-session", done.stderr)
        self.assertEqual(self.c.get("sf")["value"], "2")
        done = on_a_full_disk("cas", "sf", "--expect", "1", "3", "--session", path)
        self.assertEqual(done.returncode, 6, done)  # the outcome comes first
        self.assertIn("the command itself failed", done.stderr)
        new = path + "-new"
        done = on_a_full_disk("put", "sf", "3", "--session", new)
        self.assertEqual(done.returncode, 7, done)
        self.assertIn("nothing was done", done.stderr)
        self.assertEqual(self.c.get("sf")["value"], "2")
        self.assertFalse(os.path.exists(new))

    def test_a_session_file_that_was_emptied_is_told(self):
        path = os.path.join(self.c.dir, "s-emptied")
        self.c.get("nothing-of-this-name", "--session", path, status=1)
        _, err = self.c.kvctl("put", "se", "1", "--session", path)
        self.assertEqual(err, "")  # one that has seen nothing yet is none that was emptied
        os.truncate(path, 0)
        out, err = self.c.kvctl("put", "se", "2", "--session", path)
        self.assertIn("seq ", out)
        self.assertIn("is empty: a session that it held is lost", err)

    def test_a_state_that_does_not_allow_it_is_one_exit_status(self):
        self.c.put("es", "no number")
        primary = next(n for n, s in self.c.status().items() if s["role"] == "primary")
        for command in (("incr", "es"), ("accept-history", primary, "--yes"), ("voter", "remove", primary)):
            _, err = self.c.kvctl(*command, status=6)
            self.assertIn("FAILED_PRECONDITION", err)

    def test_import_leaves_its_position_in_the_session(self):
        path = os.path.join(self.c.dir, "s2")
        self.c.kvctl("import", "-", "--session", path, input='{"key": "si", "value": "last"}\n')
        for node in self.c.nodes:
            self.assertEqual(self.c.get("si", "--session", path, "--node", node, "--no-redirect")["value"], "last")

    def test_error_of_a_redirect_names_the_primary(self):
        primary = self.c.primary()
        replica = next(n for n in self.c.nodes if n != primary)
        with self.assertRaises(Refused) as refused:
            self.c.kvctl("put", "k", "v", "--node", replica, "--no-redirect", "-o", "json", "--quiet")
        self.assertEqual(refused.exception.status, 4)
        error = json.loads(refused.exception.err)["error"]
        self.assertEqual((error["reason"], error["primary"]), ("NOT_PRIMARY", primary))
        self.assertTrue(error["endpoint"].startswith("tcp://"))
        self.assertEqual(error["freshness"]["node"], replica)

    def test_status_shows_each_node_and_watch_repeats_it(self):
        rows = self.c.status()
        self.assertEqual(sorted(rows), sorted(self.c.nodes))
        for row in rows.values():
            self.assertGreater(row["pid"], 0)
            self.assertTrue(row["admitted"])
            for member in ("heartbeat_age_ms", "staleness_bound_ms", "applied_seq", "commit_seq", "lag"):
                self.assertIsInstance(row[member], int, member)
        out, _ = self.c.kvctl("watch-status", "--interval", "50ms", "--count", 3, "-o", "json")
        self.assertEqual([len(json.loads(line)["nodes"]) for line in out.splitlines()], [3, 3, 3])

    def test_every_command_prints_one_document_with_numbers_of_one_type(self):
        self.c.put("doc", "1")
        txn = os.path.join(self.c.dir, "doc.json")
        with open(txn, "w", encoding="utf-8") as f:
            f.write('{"then": [{"put": {"key": "doc:t", "value": "v"}}, {"get": {"key": "doc"}}]}')
        lines = os.path.join(self.c.dir, "doc.jsonl")
        with open(lines, "w", encoding="utf-8") as f:
            f.write('{"key": "doc:i", "value": "v"}\n')
        primary = self.c.primary()
        other = next(n for n in self.c.nodes if n != primary)
        commands = (("get", "doc"), ("put", "doc", "2"), ("incr", "doc"), ("cas", "doc", "--expect", "3", "4"), ("del", "doc"),
                    ("txn", txn), ("scan", "--prefix", "doc"), ("mget", "doc:t", "doc:i", "--level", "eventual"), ("import", lines),
                    ("status",), ("member", "ls"), ("watch-status", "--count", "1"), ("top", "--count", "1"), ("version",),
                    ("mset", "doc:a", "1", "doc:b", "2"), ("get", "--prefix", "doc:"), ("scan", "--count-only"), ("del", "doc:a", "doc:c"),
                    ("del", "--prefix", "doc:b", "--yes"), ("health",), ("verify",), ("promote", other, "--dry-run"),
                    ("failover", "last"), ("failover", "ls"), ("rollback", "ls"), ("rpc", "Cluster/Status"), ("rpc", "--list"),
                    ("rpc", "KV/Get", '{"key": "ZG9jOnQ="}'), ("rpc", "--describe", "KV/Put"), ("bench", "get", "--seconds", "1"))
        local = (("node", "ls"), ("logs", primary), ("help",), ("help", "get"), ("version",), ("completion", "bash"),
                 ("completion", "zsh"), ("completion", "words", "put"), ("context", "ls"), ("topology", "check", self.c.topology), ("topology", "show", self.c.topology),
                 ("topology", "reference"))
        for command in commands + local:
            with self.subTest(" ".join(command)):
                place = ("--topology", self.c.topology) if command in commands else \
                    ("--run-dir", self.c.run_dir) if command[0] in ("node", "logs") else ()
                done = subprocess.run([KVCTL, *command, *place, "-o", "json"], capture_output=True, text=True, timeout=60, check=False)
                self.assertIn(done.returncode, (0, 1) if command[0] == "mget" else (0,), done)
                self.assertEqual(done.stderr, "")
                self.numbers(json.loads(done.stdout))

    def numbers(self, value):
        """Positions, epochs, counts and times are numbers, or null."""
        for item in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
            self.numbers(item)
        for name, item in value.items() if isinstance(value, dict) else ():
            epoch = name == "epoch" and isinstance(item, dict)  # of the protocol's own messages, in rpc
            if re.fullmatch(r"(.*_)?(seq|ms|term|generation|epoch|version|bytes|count|records|writes)", name) and not epoch:
                self.assertTrue(item is None or isinstance(item, int) or name == "version", (name, item))

    def test_health_serves(self):
        self.assertEqual({n["status"] for n in self.c.json("health")["nodes"]}, {"SERVING"})

    def test_bench_measures_both_ways(self):
        for op in ("put", "get"):
            reply = self.c.json("bench", op, "--seconds", 1, "--callers", 8, "--keys", 100)
            self.assertGreater(reply["ops"], 0)
            self.assertEqual(reply["errors"], {})
            latency = reply["latency_us"]
            self.assertLessEqual(latency["p50"], latency["p99"])
            self.assertLessEqual(latency["p99"], latency["max"])

    def test_where_a_primary_lives_operators_are_told_how_it_hands_over(self):
        primary = self.c.primary()
        other = next(n for n in self.c.nodes if n != primary)
        self.assertRegex(self.c.kvctl("transfer", primary)[0], rf"^{primary} is the primary already, in epoch \d+\n$")
        err = until(lambda: "NO_MAJORITY" in (err := self.c.kvctl("promote", other, status=5)[1]) and err, "it is refused")
        self.assertIn(f"; `kvctl transfer {other}` hands over from a primary that answers; `kvctl help promote` says what", err)

    def test_promote_dry_run_changes_nothing(self):
        epoch = self.c.status()[self.c.primary()]["epoch"]
        other = next(n for n in self.c.nodes if n != self.c.primary())
        reply = self.c.json("promote", other, "--dry-run")
        self.assertTrue(reply["reachable"])
        self.assertEqual(self.c.status()[self.c.primary()]["epoch"], epoch)


class Elsewhere(unittest.TestCase):
    """What is not as the caller believes: the address, the primary, the nodes' files."""

    def test_the_peer_address_of_a_node_is_told_from_that_of_clients(self):
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            with open(c.topology, encoding="utf-8") as f:
                peer = re.search(r"peer: (\S+)", f.read()).group(1)
            done = subprocess.run([KVCTL, "get", "k", "--endpoint", peer], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("; check that a node's rpc address was meant, not its peer address", done.stderr)

    def test_who_hears_no_primary_does_not_say_that_there_is_one(self):
        with Cluster({"a": "voter", "b": "voter"}, stale_after="100ms") as c:
            c.up().wait_fresh()
            old = c.primary()
            other = next(n for n in c.nodes if n != old)
            c.kill(old)
            err = until(lambda: "NO_PRIMARY" in (err := c.kvctl(
                "get", "k", "--level", "linearizable", "--node", other, "--no-redirect", status=(1, 4, 5))[1]) and err,
                "the primary is missed")
            self.assertIn(f"; the last primary that it knows was {old} at ", err)

    def test_status_names_nodes_that_others_do_not_know(self):
        with Cluster({"a": "voter", "b": "voter"}) as c:
            c.up().wait_fresh()
            self.assertEqual({tuple(row["unknown_to"]) for row in c.status().values()}, {()})
            with open(c.topology, "a", encoding="utf-8") as f:
                f.write(f"  - {{id: d, rpc: 'ipc://{c.dir}/d', stream: 'ipc://{c.dir}/ds', data: {c.dir}/data/d, role: reader}}\n")
            self.assertEqual(c.status()["d"]["unknown_to"], ["a", "b"])
            out = c.kvctl("status")[0]
            for node in ("a", "b"):
                self.assertIn(f"\n{node}: its topology file does not name d: ", out)

    def test_status_names_a_node_with_the_data_of_another_cluster_of_the_name(self):
        with Cluster() as c, Cluster(cluster="foreign") as other:
            for cluster in (c, other):
                cluster.settings["cluster"] = "twice"
                cluster._write_topology()
                cluster.up().wait_fresh()
                cluster.kvctl("down")
            shutil.rmtree(os.path.join(c.dir, "data/c"))
            shutil.copytree(os.path.join(other.dir, "data/c"), os.path.join(c.dir, "data/c"))
            c.up()
            out = until(lambda: "another cluster" in (out := c.kvctl("status")[0]) and out, "it is named")
            self.assertRegex(out, r"\nc: it holds the data of another cluster of this name")
            self.assertEqual(out.count("another cluster of this name"), 1)


class NeverHeard(unittest.TestCase):
    def test_what_no_primary_has_announced_is_not_called_0(self):
        with Cluster({"a": "voter", "b": "voter"}) as c:
            c.up().wait_fresh()
            c.put("k", "v", "--ack", "all")
            c.kill("a")
            c.kill("b")
            c.start("b")
            row = c.status()["b"]
            self.assertEqual(row["primary_seq"], 0)
            cells = next(line.split() for line in c.kvctl("status", status=(0, 5))[0].splitlines() if line.startswith("b "))
            self.assertEqual(cells[6:8], [str(row["applied_seq"]), "-"])
            _, err = c.kvctl("get", "k", "--node", "b", "--no-redirect", "--allow-syncing")
            self.assertRegex(err, r"; applied \d+, committed \d+\n$")


class Failover(unittest.TestCase):
    def test_a_session_that_only_writes_learns_that_a_write_was_rolled_back(self):
        with Cluster() as c:
            c.up().wait_fresh()
            old = c.primary()
            others = [n for n in c.nodes if n != old]
            session = os.path.join(c.dir, "session")
            c.put("k", "before")
            c.wait_equal()
            for node in others:
                c.kill(node)
            c.put("k", "lost", "--session", session)
            c.kill(old)
            for node in others:
                c.start(node)
            until(lambda: c.kvctl("promote", others[0], status=(0, 5)) and
                  c.status()[others[0]]["role"] == "primary", "the vote is won")
            for i in range(5):
                c.put("other", str(i))
            replies = [c.put("k", str(i), "--session", session) for i in range(3)]
            self.assertEqual([r.get("session_lost", False) for r in replies], [True, False, False])


if __name__ == "__main__":
    main()
