"""Starting, and refusing to start: each reason has its message and exit status."""
import glob
import json
import os
import re
import resource
import shutil
import socket
import struct
import subprocess
import unittest

from harness import Cluster, flip_bit, KVCTL, KVD, main, until
from kvd_process import running

PAGE = 4096


def kvd(cluster, node, *args, timeout_s=30):
    return subprocess.run([KVD, "--topology", cluster.topology, "--node", node, *args],
                          capture_output=True, text=True, timeout=timeout_s, check=False)


def start(cluster, node, *args):
    """Its log begins with what keeps it from starting, if anything does."""
    return subprocess.Popen([KVD, "--topology", cluster.topology, "--node", node, "--log-level", "warn", *args],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def start_known(c, node, count, at):
    """Whether the file `lives` of node `at` names that start of `node` (src/node/store/lives.c)."""
    try:
        with open(f"{c.dir}/data/{at}/lives", "rb") as f:
            lives = f.read()[16:]
    except FileNotFoundError:
        return False
    each = struct.Struct("<32sQQQQ32sQ")
    return any(life[0].rstrip(b"\0") == node.encode() and life[2] >> 24 == count for life in each.iter_unpack(lives))


class Start(unittest.TestCase):
    def test_second_kvd_on_the_same_data_is_refused(self):
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            done = kvd(c, "a")
            self.assertEqual(done.returncode, 4, done.stderr)
            self.assertIn("data/a", done.stderr)
            c.wait_fresh()

    def test_a_damaged_state_is_made_anew_from_the_log(self):
        """Cut where LMDB would end the process by SIGBUS, and with pages that are not what they say."""
        def cut(length):
            return lambda content: content[:length(len(content))]

        def swap_pages(content):
            return content[:2 * PAGE] + content[3 * PAGE:4 * PAGE] + content[2 * PAGE:3 * PAGE] + content[4 * PAGE:]

        def clear_pages(content):
            return content[:2 * PAGE] + bytes(len(content) - 2 * PAGE)

        damages = {"8 KiB are left": cut(lambda _: 8192), "12 KiB are left": cut(lambda _: 12288),
                   "a quarter is left": cut(lambda n: n // 4), "half is left": cut(lambda n: n // 2),
                   "two pages are swapped": swap_pages, "all pages are zero": clear_pages,
                   "no meta page": lambda content: bytes(PAGE) + content[PAGE:]}
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            for i in range(50):
                c.put(f"k{i}", f"v{i}" * 100)
            state = f"{c.dir}/data/a/state/current/data.mdb"
            for name, damage in damages.items():
                with self.subTest(name):
                    c.kvctl("node", "stop", "a")
                    with open(state, "rb") as f:
                        content = f.read()
                    with open(state, "wb") as f:
                        f.write(damage(content))
                    c.start("a")
                    c.wait_fresh()
                    self.assertEqual(c.get("k7")["value"], "v7" * 100)
                    self.assertEqual(len(c.export("a").splitlines()), 50)
                    self.assertIn("state_rebuild", c.log_of("a"))

    def test_a_flipped_bit_in_a_value_is_never_served_and_heals_by_itself(self):
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            for i in range(20):
                c.put(f"k{i}", f"needle-{i}-" + "v" * 100)
            c.kvctl("node", "stop", "a")
            state = f"{c.dir}/data/a/state/current/data.mdb"
            with open(state, "r+b") as f:
                content = f.read()
                at = [m.start() for m in re.finditer(rb"needle-7-", content)]
                self.assertTrue(at)
                for place in at:
                    f.seek(place)
                    f.write(b"n\x64edle")  # one bit of the second letter
            c.start("a")
            c.wait_fresh()

            def right():
                out, _ = c.kvctl("get", "k7", "--deadline", "1s", status=(0, 1, 3, 5, 8))
                self.assertNotIn("ndedle", out)
                return "needle-7-" in out
            until(right, "the state is made anew, and the value is right again")
            log = c.log_of("a")
            self.assertIn("state_damaged", log)
            self.assertIn("state_rebuild", log)
            self.assertIn("k7", log)
            self.assertEqual(len(c.export("a").splitlines()), 20)

    def test_a_state_that_is_cut_under_a_running_node_ends_it_with_a_message(self):
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            for i in range(200):
                c.put(f"k{i}", f"v{i}" * 300)
            os.truncate(f"{c.dir}/data/a/state/current/data.mdb", 2 * PAGE)
            until(lambda: c.kvctl("scan", "--deadline", "1s", status=(0, 5)) and "integrity what=" in c.log_of("a"),
                  "the node ends over what it cannot read")
            self.assertIn("data.mdb", c.log_of("a"))
            c.start("a")
            c.wait_fresh()
            self.assertEqual(c.get("k7")["value"], "v7" * 300)

    def test_a_damaged_state_without_the_log_to_make_it_anew_is_status_3(self):
        with Cluster({"a": "voter"}, retention={"log": "1MiB"}) as c:
            c.up().wait_fresh()
            c.trim_log("a")
            c.kvctl("down")
            shutil.rmtree(f"{c.dir}/data/a/state/checkpoint")
            with open(f"{c.dir}/data/a/state/current/data.mdb", "r+b") as f:
                f.truncate(8192)
            done = kvd(c, "a")
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("data.mdb", done.stderr)

    def test_a_log_that_is_gone_is_status_3(self):
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            c.put("k", "v")
            c.kvctl("down")
            for name in glob.glob(f"{c.dir}/data/a/log/*.log"):
                os.unlink(name)
            done = kvd(c, "a")
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("its segments are missing", done.stderr)
            self.assertEqual(glob.glob(f"{c.dir}/data/a/log/*.log"), [])

    def test_damage_in_the_last_record_is_damage_and_nothing_is_cut(self):
        """After a clean stop the node knows where its log ends; after kill -9 the state knows what it was given (R65)."""
        for how in ("down", "kill"):
            with self.subTest(how=how), Cluster({"a": "voter"}) as c:
                c.up().wait_fresh()
                for i in range(10):
                    c.put(f"k{i}", f"value-{i}")
                c.kvctl("down", *(["--kill"] if how == "kill" else []))
                path = max(glob.glob(f"{c.dir}/data/a/log/*.log"))
                damaged = flip_bit(path, b"value-9")
                done = kvd(c, "a")
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertIn("this is not a torn tail", done.stderr)
                with open(path, "rb") as f:
                    self.assertEqual(f.read(), damaged)

    def test_swapped_directories_are_refused_and_named(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.put("k", "v", "--ack", "all")
            c.kvctl("down")
            data = f"{c.dir}/data"
            for old, new in (("a", "x"), ("b", "a"), ("x", "b")):
                os.rename(f"{data}/{old}", f"{data}/{new}")
            for node, other in (("a", "b"), ("b", "a")):
                done = kvd(c, node)
                self.assertEqual(done.returncode, 4, done.stderr)
                self.assertIn(f"data directory of node {other} of cluster", done.stderr)
                self.assertIn("--adopt", done.stderr)
            for old, new in (("a", "x"), ("b", "a"), ("x", "b")):
                os.rename(f"{data}/{old}", f"{data}/{new}")
            c.up().wait_fresh()
            self.assertEqual(c.get("k", "--level", "linearizable")["value"], "v")

    def test_a_copied_directory_counts_as_a_new_disk_once_it_is_adopted(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.put("k", "v", "--ack", "all")
            c.kill("c")
            shutil.rmtree(f"{c.dir}/data/c")
            shutil.copytree(f"{c.dir}/data/b", f"{c.dir}/data/c")  # b runs: as a snapshot of its machine would be
            self.assertEqual(kvd(c, "c").returncode, 4)
            with start(c, "c", "--adopt") as process:
                self.assertIn("adopted", process.stderr.readline())
                until(lambda: c.status()["c"]["admitted"] and c.status()["c"]["state"] == "FRESH", "c is admitted")
                process.terminate()
                process.communicate(timeout=30)
            c.start("c")  # it is c's own now
            c.wait_equal()
            self.assertEqual(c.export("c"), c.export("a"))

    def test_a_node_with_a_damaged_log_rejoins_where_a_majority_goes_on(self):
        with Cluster(failover="automatic") as c:
            c.up().wait_fresh()
            c.import_lines(1000)
            c.put("k", "v", "--ack", "all")
            c.kvctl("down")
            log = max(glob.glob(f"{c.dir}/data/b/log/*.log"))
            with open(log, "r+b") as f:
                f.seek(3000)
                f.write(b"not what was written there")
            alone = start(c, "b")  # nobody to take it from
            self.assertEqual(alone.wait(timeout=60), 3)
            self.assertIn("no majority of the voters is FRESH", alone.stderr.read())
            self.assertFalse(os.path.exists(f"{c.dir}/data/b.damaged"))
            c.up().wait_fresh()
            self.assertIn("rejoining", c.log_of("b"))
            self.assertTrue(os.path.exists(f"{c.dir}/data/b.damaged"))
            c.wait_equal()
            self.assertEqual(c.export("b"), c.export("a"))
            c.kill("b")
            os.truncate(f"{c.dir}/data/b/hard_state", 100)
            again = start(c, "b")  # one look of a person for each directory that is put aside
            self.assertEqual(again.wait(timeout=60), 3)
            self.assertIn("b.damaged", again.stderr.read())

    def test_an_older_copy_of_the_own_directory_rejoins_as_a_new_disk(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.put("before", "v", "--ack", "all")
            c.kill("c")
            shutil.copytree(f"{c.dir}/data/c", f"{c.dir}/older")
            c.start("c")
            c.wait_equal()
            disk = c.status()["c"]["store_id"]
            c.put("since", "v", "--ack", "all")
            until(lambda: start_known(c, "c", 2, at="a"), "a keeps that it has heard the second start of c")
            c.kill("c")
            shutil.rmtree(f"{c.dir}/data/c")
            os.rename(f"{c.dir}/older", f"{c.dir}/data/c")
            c.start("c")
            until(lambda: "older copy" in c.log_of("c"), "c is told")
            until(lambda: c.status()["c"] and c.status()["c"]["admitted"], "c is admitted anew")
            self.assertNotEqual(c.status()["c"]["store_id"], disk)
            self.assertIn("older_copy node=c", c.log_of("a") + c.log_of("b"))
            c.wait_equal()
            self.assertEqual(c.export("c"), c.export("a"))

    def test_an_older_copy_is_found_though_all_were_down(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.put("before", "v", "--ack", "all")
            c.kvctl("down")
            shutil.copytree(f"{c.dir}/data/c", f"{c.dir}/older")
            c.up().wait_fresh()
            c.put("since", "v", "--ack", "all")
            until(lambda: all(start_known(c, "c", 2, at=n) for n in "ab"), "they keep that they have heard it")
            c.kvctl("down")
            shutil.rmtree(f"{c.dir}/data/c")
            os.rename(f"{c.dir}/older", f"{c.dir}/data/c")
            c.up().wait_fresh()
            self.assertIn("older copy", c.log_of("c"))
            c.wait_equal()
            self.assertEqual(c.get("since", "--level", "linearizable")["value"], "v")

    def test_a_renamed_cluster_is_refused_until_its_directories_are_adopted(self):
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            c.put("k", "v")
            c.kvctl("down")
            with open(c.topology) as f:
                text = f.read()
            with open(c.topology, "w") as f:
                f.write(text.replace("cluster: test-", "cluster: renamed-"))
            done = kvd(c, "a")
            self.assertEqual(done.returncode, 4, done.stderr)
            self.assertIn("of cluster renamed-", done.stderr)
            with start(c, "a", "--adopt") as process:
                until(lambda: c.kvctl("get", "k", "--deadline", "1s", status=(0, 5))[0] == "v\n", "its data are there")
                process.terminate()
                process.communicate(timeout=30)

    def test_rot_in_what_nobody_reads_is_found_and_told(self):
        with Cluster({"a": "voter"}, retention={"log": "1MiB"}, scrub_interval="1s") as c:
            c.up().wait_fresh()
            c.trim_log("a")
            until(lambda: c.status()["a"]["scrubbed_age_ms"] is not None, "all is read once")
            self.assertEqual(c.status()["a"]["scrub_findings"], 0)
            flip_bit(f"{c.dir}/data/a/state/checkpoint/data.mdb", b"x" * 1000)
            until(lambda: "in=checkpoint" in c.log_of("a"), "the checkpoint's rot is found")
            until(lambda: c.status()["a"]["scrub_finding"] is None, "a fresh one has taken its place")
            c.put("last", "log-" * 100)
            flip_bit(max(glob.glob(f"{c.dir}/data/a/log/*.log")), b"log-" * 100)
            until(lambda: "log segment" in (c.status()["a"]["scrub_finding"] or ""), "the log's rot is found")
            self.assertIn("has found rot in its log", c.kvctl("status")[0])
            self.assertEqual(c.get("last")["value"], "log-" * 100)  # and it goes on

    def test_a_rotten_archive_is_found_told_and_dropped(self):
        with Cluster({"a": "voter"}, scrub_interval="1s") as c:
            c.up().wait_fresh()
            os.makedirs(f"{c.dir}/data/a/archive", exist_ok=True)
            with open(f"{c.dir}/data/a/archive/1-2-0123abcd.archive", "wb") as f:
                f.write(b"rot" * 100)
            until(lambda: "archive" in (c.status()["a"]["scrub_finding"] or ""), "the archive's rot is found")
            self.assertIn("in=archive", c.log_of("a"))
            listed = json.loads(c.kvctl("rollback", "ls", "-o", "json")[0])["archives"]
            self.assertEqual(listed, [{"node": "a", "id": "1-2-0123abcd", "damaged": True, "bytes": 300}])
            self.assertRegex(c.kvctl("rollback", "ls")[0], r"1-2-0123abcd +damaged +-")
            c.kvctl("rollback", "drop", "1-2-0123abcd", "--node", "a", "--yes")
            until(lambda: c.status()["a"]["scrub_finding"] is None, "it is gone")

    def test_port_in_use_is_named(self):
        with Cluster({"a": "voter"}) as c:
            with open(c.topology) as f:
                address = next(line.split()[-1] for line in f if "rpc:" in line)
            with socket.socket() as s:
                s.bind(("127.0.0.1", int(address.rsplit(":", 1)[1])))
                s.listen()
                done = kvd(c, "a")
            self.assertEqual(done.returncode, 4, done.stderr)
            self.assertIn(address, done.stderr)

    def test_a_file_where_a_socket_should_stand_is_not_removed(self):
        with Cluster({"a": "voter"}) as c:
            precious = os.path.join(c.dir, "precious")
            with open(precious, "w") as f:
                f.write("not a socket")
            with open(c.topology) as f:
                text = f.read()
            with open(c.topology, "w") as f:
                f.write(re.sub(r"rpc: \S+", f"rpc: ipc://{precious}", text))
            done = kvd(c, "a")
            self.assertEqual(done.returncode, 4, done.stderr)
            self.assertIn(precious, done.stderr)
            with open(precious) as f:
                self.assertEqual(f.read(), "not a socket")

    def test_a_socket_that_this_user_may_not_use_is_told_at_once(self):
        with Cluster({"a": "voter"}) as c:
            address = f"ipc://{c.dir}/rpc"
            with open(c.topology) as f:
                text = f.read()
            with open(c.topology, "w") as f:
                f.write(re.sub(r"rpc: \S+", f"rpc: {address}", text))
            with running(c, "a", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as node:
                c.wait_fresh()
                os.chmod(f"{c.dir}/rpc", 0)
                # root may use every file, unless it is told not to
                unprivileged = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
                done = subprocess.run([*unprivileged, KVCTL, "get", "k", "--endpoint", address, "--deadline", "60s"],
                                      capture_output=True, text=True, timeout=50, check=False)
                self.assertEqual(done.returncode, 5, done.stderr)
                self.assertIn(f"{address}: no permission to write to this socket", done.stderr)
                node.terminate()
                self.assertEqual(node.wait(30), 0)

    def test_port_that_is_let_go_soon_is_waited_for(self):
        with Cluster({"a": "voter"}) as c:
            with open(c.topology) as f:
                address = next(line.split()[-1] for line in f if "rpc:" in line)
            with socket.socket() as s:
                s.bind(("127.0.0.1", int(address.rsplit(":", 1)[1])))
                s.listen()
                process = start(c, "a")
                self.assertIn("own_address_refused", process.stderr.readline())
            with process:
                self.assertIn("ready", process.stdout.readline())
                process.terminate()
                process.communicate(timeout=30)
            self.assertEqual(process.returncode, 0)

    def test_own_name_that_does_not_resolve_is_waited_for_until_sigterm(self):
        with Cluster({"a": "voter"}) as c:
            with open(c.topology) as f:
                text = f.read()
            with open(c.topology, "w") as f:
                f.write(text.replace("127.0.0.1", "nosuch.invalid"))
            with start(c, "a") as process:
                line = process.stderr.readline()
                self.assertIn("own_name_unresolved", line)
                self.assertIn("nosuch.invalid", line)
                self.assertIsNone(process.poll())
                process.terminate()
                out, _ = process.communicate(timeout=30)
            self.assertEqual((process.returncode, out), (0, ""))

    def test_unknown_node_and_broken_topology_exit_2(self):
        with Cluster({"a": "voter"}) as c:
            self.assertEqual(kvd(c, "nobody").returncode, 2)
            with open(c.topology, "a") as f:
                f.write("hartbeat_interval: 5s\n")
            done = kvd(c, "a")
            self.assertEqual(done.returncode, 2)
            self.assertIn("heartbeat_interval", done.stderr)
            self.assertRegex(done.stderr, r"topology.yaml:\d+:\d+: ")

    def test_damage_in_the_middle_of_the_log_stops_the_node_with_status_3(self):
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            for i in range(10):
                c.put(f"k{i}", "v" * 100)
            c.kvctl("down")
            segment = sorted(glob.glob(f"{c.dir}/data/a/**/*.log", recursive=True))[0]
            with open(segment, "r+b") as f:
                content = f.read(1 << 20)
                at = content.index(b"k3") + 40
                f.seek(at)
                f.write(bytes([content[at] ^ 1]))
            done = kvd(c, "a")
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn(os.path.basename(segment), done.stderr)
            self.assertRegex(done.stderr, r"offset \d+")

    def test_torn_tail_is_cut_and_the_node_serves(self):
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            for i in range(10):
                c.put(f"k{i}", "v" * 100)
            c.kvctl("down")
            segment = sorted(glob.glob(f"{c.dir}/data/a/**/*.log", recursive=True))[-1]
            with open(segment, "r+b") as f:
                content = f.read(1 << 20)
                end = len(content.rstrip(b"\0"))
                f.seek(end)
                f.write(b"CBR2" + os.urandom(60))  # what a crash in mid-write leaves
            c.up().wait_fresh()
            self.assertIn("torn", c.log_of("a"))
            self.assertEqual(c.get("k9")["value"], "v" * 100)

    def test_data_directory_that_is_a_file_exits_4(self):
        with Cluster({"a": "voter"}) as c:
            os.makedirs(f"{c.dir}/data")
            with open(f"{c.dir}/data/a", "w") as f:
                f.write("not a directory")
            done = kvd(c, "a")
            self.assertEqual(done.returncode, 4, done.stderr)
            self.assertIn(f"cannot make the directory {c.dir}/data/a: Not a directory", done.stderr)
            done = kvd(c, "a", "--data", f"{c.dir}/data/a/below")
            self.assertEqual(done.returncode, 4, done.stderr)
            with open(f"{c.dir}/data/a") as f:
                self.assertEqual(f.read(), "not a directory")

    def test_start_short_of_descriptors_at_any_point_is_no_damage(self):
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            c.put("k", "v")
            c.kvctl("down")
            statuses = set()
            for most in range(4, 16):
                process = subprocess.Popen(
                    [KVD, "--topology", c.topology, "--node", "a"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))
                ready = process.stdout.readline()
                process.terminate()
                _, err = process.communicate(timeout=30)
                if not ready:
                    statuses.add(process.returncode)
                    self.assertIn(process.returncode, (4, 7), err)
                    self.assertNotIn(" integrity ", err)
            self.assertIn(7, statuses)
            c.up().wait_fresh()
            self.assertEqual(c.get("k")["value"], "v")

    def test_sigterm_ends_cleanly(self):
        with Cluster({"a": "voter"}) as c:
            process = subprocess.Popen([KVD, "--topology", c.topology, "--node", "a"],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                self.assertIn("ready", process.stdout.readline())
                process.terminate()
                self.assertEqual(process.wait(30), 0)
            finally:
                process.kill()
                process.communicate()


if __name__ == "__main__":
    main()
