"""A cluster on one machine by kvctl: up, down, logs, node, fault; and that nothing else is ever ended."""
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from harness import KVCTL, Cluster, main, until


def run(*args, kvctl=KVCTL, env=None, timeout=60):
    environment = {k: v for k, v in os.environ.items() if k not in ("CANDOR_TOPOLOGY", "CANDOR_ENDPOINTS")}
    environment.update(env or {})
    return subprocess.run([kvctl, *map(str, args)], capture_output=True, text=True, timeout=timeout,
                          check=False, env=environment)


def state_file(cluster):
    return os.path.join(cluster.run_dir, "cluster.json")


def edit_state(cluster, change):
    with open(state_file(cluster), encoding="utf-8") as f:
        state = json.load(f)
    change(state)
    with open(state_file(cluster), "w", encoding="utf-8") as f:
        json.dump(state, f)


def states(cluster):
    return {n["node"]: n["state"] for n in cluster.json("node", "ls")["nodes"]}


def pids(cluster):
    return {n["node"]: n["pid"] for n in cluster.json("node", "ls")["nodes"]}


class Local(unittest.TestCase):
    def local(self, cluster, command, *args, status=0, says=()):
        done = run(*command.split(), "--run-dir", cluster.run_dir, *args)
        self.assertEqual(done.returncode, status, done)
        for text in (says,) if isinstance(says, str) else says:
            self.assertIn(text, done.stdout + done.stderr)
        return done


class Life(Local):
    def test_up_waits_until_all_serve_and_down_leaves_only_logs(self):
        with Cluster() as c:
            up = json.loads(self.local(c, "up -o json", c.topology).stdout)
            self.assertEqual([n["state"] for n in up["nodes"]], ["ready"] * 3)
            self.assertIsNone(up["fault_proxy"])
            for node, pid in pids(c).items():
                self.assertTrue(c.kvctl("get", "nothing", "--node", node, status=(1, 4, 5)))
                os.kill(pid, 0)
            running = pids(c)
            down = json.loads(self.local(c, "down -o json").stdout)
            self.assertEqual([(n["was_running"], n["ended"]) for n in down["nodes"]],
                             [(True, True)] * 3)
            for pid in running.values():
                self.assertFalse(os.path.exists(f"/proc/{pid}/exe") and
                                 os.readlink(f"/proc/{pid}/exe").endswith("kvd"))
            self.assertEqual(sorted(os.listdir(c.run_dir)), ["lock", "logs"])
            self.local(c, "down", status=1, says="no cluster is up in")

    def test_up_waits_until_every_node_is_fresh(self):
        nodes = {**{n: "voter" for n in "abcde"}, "f": "reader", "g": "reader"}
        with Cluster(nodes) as c:
            up = json.loads(self.local(c, "up -o json", c.topology).stdout)
            self.assertTrue(up["waited_until_fresh"])
            self.assertEqual({n: row["state"] for n, row in c.status().items()}, {n: "FRESH" for n in nodes})
            self.assertEqual([n for n, row in c.status().items() if row["role"] == "primary"], ["a"])

    def test_up_says_which_node_is_not_fresh_in_time(self):
        with Cluster() as c:
            wait_ms = 300
            while "is not ready after" in (done := self.local(c, f"up --node b --wait-for fresh --wait {wait_ms}ms", c.topology,
                                                              status=5)).stderr:
                self.local(c, "down")  # the machine is slow: b is to have time to serve
                wait_ms *= 2
            for says in ("b is up and not FRESH", "knows no primary", "--wait-for ready"):
                self.assertIn(says, done.stderr)
            self.assertEqual(done.stdout, "")
            self.assertEqual(states(c)["b"], "running")
            up = json.loads(self.local(c, "up -o json --node c", c.topology).stdout)  # one of several: until it serves
            self.assertFalse(up["waited_until_fresh"])
            error = json.loads(run("up", c.topology, "-o", "json", "--wait-for", "fresh", "--node", "a", "--wait", "0s",
                                   "--run-dir", c.run_dir).stderr)["error"]
            self.assertEqual(error["code"], "DEADLINE_EXCEEDED")

    def test_an_up_of_which_nothing_is_left_leaves_no_cluster(self):
        with Cluster({"a": "voter"}) as c:
            os.makedirs(os.path.join(c.dir, "data"))
            with open(os.path.join(c.dir, "data/a"), "w", encoding="utf-8") as f:
                f.write("a file where the data directory belongs")
            self.local(c, "up", c.topology, status=1, says="a did not start (exit status 4)")
            self.local(c, "node ls", status=1, says="no cluster is up")
            self.local(c, "down", status=1, says="no cluster is up")

    def test_up_refuses_what_is_up_and_starts_what_is_missing(self):
        with Cluster() as c:
            c.up("--node", "a", "--node", "b")
            self.assertEqual(states(c), {"a": "running", "b": "running", "c": "ended"})
            before = pids(c)
            self.local(c, "up", c.topology, status=6, says=("already up: a (pid", "b (pid"))
            self.local(c, "up --with-fault-proxy --node c", c.topology, status=6,
                       says="up without fault proxy")
            c.up("--node", "c")
            self.assertEqual(set(states(c).values()), {"running"})
            self.assertEqual({n: pids(c)[n] for n in "ab"}, {n: before[n] for n in "ab"})
            self.local(c, "up --node d", c.topology, status=2, says="no node 'd'")

    def test_two_ups_at_once_start_one_cluster(self):
        with Cluster() as c:
            ups = [subprocess.Popen([KVCTL, "up", c.topology, "--run-dir", c.run_dir],
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                   for _ in range(2)]
            told = [up.communicate(timeout=60)[0] for up in ups]
            self.assertEqual(sorted(up.returncode for up in ups), [0, 6], told)
            self.assertEqual(set(states(c).values()), {"running"})

    def test_a_command_waits_for_another_that_changes_the_cluster(self):
        with Cluster({"a": "voter"}) as c:
            c.up()
            with open(os.path.join(c.run_dir, "lock"), encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                with subprocess.Popen([KVCTL, "node", "kill", "a", "--run-dir", c.run_dir],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as kill:
                    self.assertIn("waiting for another command", kill.stderr.readline())
                    self.assertEqual(states(c), {"a": "running"})  # looking needs no lock
                    fcntl.flock(lock, fcntl.LOCK_UN)
                    self.assertEqual(kill.communicate(timeout=60)[0], "a was killed\n")

    def test_a_node_that_does_not_start_is_shown_with_its_log_and_the_others_stay(self):
        with Cluster() as c:
            with open(c.topology, encoding="utf-8") as f:
                port = int(f.read().split("id: b\n")[1].split(":", 3)[3].split("\n")[0])
            with socket.socket() as taken:
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                taken.bind(("127.0.0.1", port))
                taken.listen()
                done = self.local(c, "up", c.topology, status=1,
                                  says=("b did not start (exit status 4)", f":{port}", "  | "))
            self.assertIn("logs/b.log", done.stderr)
            self.assertEqual(states(c), {"a": "running", "b": "ended", "c": "running"})
            self.local(c, "node start", "b", says="b is ready")

    def test_nodes_are_killed_paused_and_brought_back(self):
        with Cluster() as c:
            c.up()
            first = pids(c)
            self.local(c, "node pause", "a", says="a is paused")
            self.assertEqual(states(c)["a"], "paused")
            self.local(c, "node start", "a", status=6, says="`kvctl node continue`")
            self.local(c, "node continue", "a", says="a goes on")
            self.local(c, "node kill", "a", "b", says=("a was killed", "b was killed"))
            self.assertEqual(states(c), {"a": "ended", "b": "ended", "c": "running"})
            self.local(c, "node kill", "a", status=6, says="a is not running")
            self.local(c, "node start", "a", "b", says=("a is ready", "b is ready"))
            self.assertNotEqual(pids(c)["a"], first["a"])
            self.assertEqual(pids(c)["c"], first["c"])
            self.local(c, "node stop", "c", says="c has shut down")
            self.local(c, "node stop", "cc", status=2, says="did you mean 'c'?")

    def test_down_ends_paused_nodes_too(self):
        with Cluster() as c:
            c.up()
            self.local(c, "node pause", "b")
            self.local(c, "down", says="b has ended")

    def test_logs_are_printed_cut_and_followed(self):
        with Cluster({"a": "voter"}) as c:
            c.up()
            whole = c.log_of("a")
            self.assertIn("ready node=a", whole)
            self.assertEqual(self.local(c, "logs a --lines 2").stdout.count("\n"), 2)
            with subprocess.Popen([KVCTL, "logs", "a", "-f", "--run-dir", c.run_dir, "--lines", "1"],
                                  stdout=subprocess.PIPE, text=True) as follow:
                self.assertTrue(follow.stdout.readline())
                self.local(c, "node kill", "a")
                self.local(c, "node start", "a")
                while "ready node=a" not in follow.stdout.readline():
                    pass
                follow.send_signal(signal.SIGINT)
                self.assertEqual(follow.wait(timeout=20), 0)
            self.local(c, "logs", status=2)
            self.local(c, "logs --fault-proxy", status=1, says="fault-proxy.log")
            self.local(c, "down")
            c.up()
            self.assertTrue(os.path.exists(os.path.join(c.run_dir, "logs/a.log.1")))


class OnlyItsOwn(Local):
    def test_a_pid_that_another_process_has_by_now_is_left_alone(self):
        with Cluster({"a": "voter", "b": "reader"}) as c:
            c.up()
            real = pids(c)["a"]
            with subprocess.Popen(["sleep", "600"]) as other:
                try:
                    def reuse(state):
                        state["nodes"][0]["pid"] = other.pid
                    edit_state(c, reuse)
                    self.assertEqual(states(c)["a"], "ended")
                    for command in ("kill", "pause", "continue", "stop"):
                        self.local(c, f"node {command}", "a", status=6, says="a is not running")
                    self.local(c, "down --kill", says=("a had ended before", "b has ended"))
                    self.assertIsNone(other.poll())
                finally:
                    other.kill()
                    os.kill(real, signal.SIGKILL)

    def test_pids_of_another_boot_of_the_machine_are_left_alone(self):
        with Cluster({"a": "voter"}) as c:
            c.up()
            with open(state_file(c), encoding="utf-8") as f:
                kept = f.read()
            edit_state(c, lambda state: state.update(boot_id="another"))
            self.assertEqual(states(c)["a"], "ended")
            self.local(c, "node kill", "a", status=6)
            with open(state_file(c), "w", encoding="utf-8") as f:
                f.write(kept)
            self.assertEqual(states(c)["a"], "running")

    def test_a_state_file_that_is_none_is_refused(self):
        with Cluster({"a": "voter"}) as c:
            os.makedirs(c.run_dir, mode=0o700)
            for text in ("", "[]", "{", '{"cluster":"x"}', "\x00\xff",
                         '{"cluster":"x","topology":"/t","boot_id":"b","nodes":[{"node":"a","pid":-1}]}',
                         '{"cluster":"x","topology":"/t","boot_id":"b","nodes":[{"node":"' + "a" * 99 + '"}]}'):
                with self.subTest(text), open(state_file(c), "w", encoding="latin-1") as f:
                    f.write(text)
                for command in ("down", "node ls", "node kill a", "fault show", "up " + c.topology):
                    self.local(c, command, status=2, says="cluster.json")

    def test_a_run_directory_that_others_may_change_is_refused(self):
        with Cluster({"a": "voter"}) as c:
            os.makedirs(c.run_dir)
            os.chmod(c.run_dir, 0o777)
            self.local(c, "up", c.topology, status=2, says="may be changed by other users")


class Program(Local):
    """With a kvd that is none, beside a copy of kvctl."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="candor-test-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.kvctl = shutil.copy(KVCTL, self.dir)
        self.cluster = Cluster({"a": "voter"})
        self.addCleanup(self.cluster.close)

    def kvd(self, text):
        path = os.path.join(self.dir, "kvd")
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)

    def up(self, *args):
        return run("up", self.cluster.topology, "--run-dir", self.cluster.run_dir, *args,
                   kvctl=self.kvctl)

    def test_without_a_kvd_it_says_where_one_belongs(self):
        done = self.up()
        self.assertEqual(done.returncode, 2)
        self.assertIn("install kvd beside kvctl", done.stderr)

    def test_a_node_that_is_not_ready_in_time_is_status_5_and_down_ends_it(self):
        self.kvd("exec sleep 600\n")
        done = self.up("--wait", "200ms")
        self.assertEqual(done.returncode, 5, done)
        self.assertIn("a is not ready after 200ms", done.stderr)
        self.assertEqual(states(self.cluster), {"a": "running"})
        self.local(self.cluster, "down", says="a has ended")

    def test_without_any_time_to_wait_it_starts_and_says_that_it_is_not_ready(self):
        self.kvd("exec sleep 600\n")
        for wait, shown in (("0s", "0ms"), ("1ms", "1ms")):
            done = self.up("--wait", wait)
            self.assertEqual((done.returncode, done.stdout), (5, ""), done)
            self.assertIn(f"a is not ready after {shown}", done.stderr)
            self.assertEqual(states(self.cluster), {"a": "running"})
            self.local(self.cluster, "down", says="a has ended")

    def test_one_that_ignores_sigterm_is_told_and_killed_on_request(self):
        self.kvd("trap '' TERM; echo ready node=a; while :; do sleep 600; done\n")
        self.assertEqual(self.up("--wait-for", "ready").returncode, 0)
        pid = pids(self.cluster)["a"]
        child = until(lambda: subprocess.run(["pgrep", "-P", str(pid)], capture_output=True,
                                             text=True, check=False).stdout.strip(), "its sleep")
        try:
            self.local(self.cluster, "down --wait 200ms", status=5, says="--kill")
            self.assertEqual(states(self.cluster), {"a": "running"})
            self.local(self.cluster, "down --kill", says="a has ended")
        finally:
            os.kill(int(child), signal.SIGKILL)

    def test_interrupted_it_leaves_what_it_started_to_down(self):
        self.kvd("exec sleep 600\n")
        with subprocess.Popen([self.kvctl, "up", self.cluster.topology, "--run-dir",
                               self.cluster.run_dir], stderr=subprocess.PIPE, text=True) as up:
            until(lambda: os.path.exists(state_file(self.cluster)) and
                  states(self.cluster)["a"] == "running", "a is started")
            up.send_signal(signal.SIGINT)
            self.assertEqual(up.wait(timeout=20), 5)
        self.local(self.cluster, "down", says="a has ended")

    def test_a_ready_line_must_be_a_line_of_its_own(self):
        self.kvd("echo not ready yet; echo ' ready'; printf 'ready no'; exec sleep 600\n")
        self.assertEqual(self.up("--wait", "300ms").returncode, 5)
        self.local(self.cluster, "down")


class Usual(Local):
    """Without --run-dir: the directory of the user's session."""

    def setUp(self):
        self.runtime = tempfile.mkdtemp(prefix="candor-test-")
        self.addCleanup(shutil.rmtree, self.runtime, ignore_errors=True)
        self.clusters = [Cluster({"a": "voter"}), Cluster({"a": "voter"})]
        for cluster in self.clusters:
            self.addCleanup(cluster.close)
            self.addCleanup(run, "down", "--kill", "--run-dir", self.dir_of(cluster))

    def dir_of(self, cluster):
        return os.path.join(self.runtime, "candor", cluster.settings.get("cluster") or
                            "test-" + os.path.basename(cluster.dir)[-8:])

    def usual(self, *args, status=0):
        done = run(*args, env={"XDG_RUNTIME_DIR": self.runtime})
        self.assertEqual(done.returncode, status, done)
        return done

    def names(self):
        return [os.path.basename(self.dir_of(cluster)) for cluster in self.clusters]

    def test_other_commands_find_the_cluster_that_was_brought_up_last(self):
        first, second = self.clusters
        self.usual("get", "k", status=2)
        self.usual("up", first.topology)
        self.usual("put", "k", "of the first")
        self.assertIn(self.dir_of(first), self.usual("node", "ls").stdout)
        self.usual("up", second.topology)
        self.assertEqual(self.usual("get", "k", status=1).stdout, "")
        self.assertIn(self.dir_of(second), self.usual("node", "ls").stdout)
        self.usual("down", "-t", second.topology)
        self.usual("get", "k", status=2)
        self.usual("down", self.names()[0])
        self.assertIn("no cluster is up here", self.usual("down", status=1).stderr)

    def test_down_ends_no_cluster_that_nobody_has_named(self):
        for cluster in self.clusters:
            self.usual("up", cluster.topology)
        names = self.names()
        refused = self.usual("down", status=2).stderr
        for says in ("2 clusters are up", *names, "name one, as in `kvctl down "):
            self.assertIn(says, refused)
        self.usual("down", names[1])
        for command in (("down",), ("node", "ls"), ("node", "kill", "a"), ("logs", "a"), ("fault", "show")):
            refused = self.usual(*command, status=2).stderr
            self.assertIn(f"which cluster? up: {names[0]}; name one by --cluster NAME or --topology FILE", refused)
        self.assertIn("running", self.usual("node", "ls", "--cluster", names[0]).stdout)
        self.usual("down", "--cluster", names[0])

    def test_a_cluster_is_named_by_its_name_its_topology_or_the_environment(self):
        first, second = self.clusters
        names = self.names()
        self.usual("up", first.topology)
        self.usual("up", second.topology)
        self.usual("node", "pause", "a", "--cluster", names[0])
        self.assertIn("paused", self.usual("node", "ls", "-t", first.topology).stdout)
        self.assertIn("running", self.usual("node", "ls").stdout)
        self.usual("node", "continue", "a", "--topology", first.topology)
        self.assertIn("ready node=a", self.usual("logs", "a", "--cluster", names[0]).stdout)
        done = run("node", "ls", env={"XDG_RUNTIME_DIR": self.runtime, "CANDOR_TOPOLOGY": first.topology})
        self.assertIn(self.dir_of(first), done.stdout)
        relative = os.path.relpath(first.topology)
        self.assertIn(self.dir_of(first), self.usual("node", "ls", "-t", relative).stdout)
        refused = self.usual("down", "--cluster", "nosuch", status=1).stderr
        for says in ("no cluster nosuch is up", *names):
            self.assertIn(says, refused)
        self.assertIn("no cluster of /nonexistent.yaml is up",
                      self.usual("node", "kill", "a", "-t", "/nonexistent.yaml", status=1).stderr)
        self.assertIn("name it in one way", self.usual("down", names[0], "-t", first.topology, status=2).stderr)
        done = run("down", env={"XDG_RUNTIME_DIR": self.runtime, "CANDOR_TOPOLOGY": first.topology})
        self.assertEqual(done.returncode, 0, done)
        self.usual("down")  # the only one, and started last

    def kill_all(self, cluster):
        for node in json.loads(self.usual("node", "ls", "-o", "json", "-t", cluster.topology).stdout)["nodes"]:
            os.kill(node["pid"], signal.SIGKILL)
        until(lambda: "running" not in self.usual("node", "ls", "-t", cluster.topology).stdout, "they are gone")

    def test_a_cluster_of_which_no_process_is_left_is_not_up(self):
        first, second = self.clusters
        names = self.names()
        self.usual("up", first.topology)
        self.kill_all(first)
        self.usual("up", second.topology)
        self.assertEqual(self.usual("completion", "words", "--", "down", "").stdout.split(), ["words", names[1]])
        self.assertNotIn(names[0], self.usual("down", "nosuch", status=1).stderr)
        self.usual("down")  # the only one that is up
        self.assertIn("no cluster is up here", self.usual("down", status=1).stderr)
        self.assertIn("a had ended before", self.usual("down", names[0]).stdout)  # by its name it is still found

    def test_down_ends_no_other_cluster_than_the_last_when_that_has_ended_by_itself(self):
        first, second = self.clusters
        names = self.names()
        self.usual("up", first.topology)
        self.usual("up", second.topology)
        self.kill_all(second)
        self.assertIn(f"which cluster? up: {names[0]}; name one", self.usual("down", status=2).stderr)
        self.usual("node", "start", "a")  # of the last one, which was killed
        self.usual("down", names[0])
        self.usual("down")

    def test_no_hint_is_cut_however_many_clusters_are_up(self):
        """Their state files are there, and one process that stands for all of their nodes."""
        with subprocess.Popen(["sleep", "600"]) as other:
            try:
                names = [f"cluster-{i:02d}-{'x' * 20}" for i in range(40)]
                for name in names:
                    self.pretend_up(name, other.pid)
                for command in (("down",), ("node", "ls"), ("down", "nosuch")):
                    hint = self.usual(*command, status=1 if "nosuch" in command else 2).stderr.strip()
                    self.assertRegex(hint, r", and \d+ others; (name one by --cluster NAME or --topology FILE|"
                                     r"one that has a --run-dir is named by it)$")
                    named = re.findall(r"cluster-[\w-]+", hint)
                    self.assertLessEqual(set(named), set(names))  # each of them whole
                    self.assertIn(f", and {len(names) - len(named)} others;", hint)
            finally:
                other.kill()

    def pretend_up(self, name, pid):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            ticks = int(f.read().rpartition(")")[2].split()[19])
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as f:
            boot = f.read().strip()
        place = os.path.join(self.runtime, "candor", name)
        os.makedirs(place, mode=0o700)
        with open(os.path.join(place, "cluster.json"), "w", encoding="utf-8") as f:
            json.dump({"cluster": name, "topology": f"/nonexistent/{name}.yaml", "boot_id": boot,
                       "nodes": [{"node": "a", "pid": pid, "start_ticks": ticks}]}, f)


class Fault(Local):
    def test_who_reaches_whom_is_shown_cut_delayed_and_healed(self):
        with Cluster(fault_proxy=True) as c:
            c.up()
            self.assertNotIn("CUT", self.local(c, "fault show").stdout)
            self.local(c, "fault cut", "a", "b", "--one-way")
            self.local(c, "fault delay", "a", "c", "50ms")
            lines = self.local(c, "fault show").stdout.splitlines()
            self.assertEqual([line.split() for line in lines[:4]],
                             [["packets", "from", "a", "b", "c"],
                              ["a", "to", "·", "CUT", "+50ms"],
                              ["b", "to", "yes", "·", "yes"],
                              ["c", "to", "+50ms", "yes", "·"]])
            self.assertIn("{a b c}", lines[-1])  # over c
            self.local(c, "fault cut", "a", "c", says="{a}  {b c}")
            shown = c.json("fault", "show")
            cut = {(p["from"], p["to"]) for p in shown["paths"] if p["cut"]}
            self.assertEqual(cut, {("a", "b"), ("a", "c"), ("c", "a")})
            self.local(c, "fault heal", "c", "a")
            self.local(c, "fault heal", "--all")
            self.assertNotIn("CUT", self.local(c, "fault show").stdout)

    def test_wrong_orders_are_refused(self):
        with Cluster(fault_proxy=True) as c:
            c.up()
            self.local(c, "fault cut", "a", "a", status=2, says="no network to itself")
            self.local(c, "fault cut", "a", "bb", status=2, says="did you mean 'b'?")
            self.local(c, "fault delay", "a", "b", "2m", status=2)
            self.local(c, "fault delay", "a", "b", "5", status=2)
            self.local(c, "fault heal", status=2)
            self.local(c, "fault heal", "a", "b", "--all", status=2)
            self.assertNotIn("CUT", self.local(c, "fault show").stdout)

    def test_without_a_proxy_it_says_how_to_get_one(self):
        with Cluster({"a": "voter"}) as c:
            c.up()
            self.local(c, "fault show", status=1, says="--with-fault-proxy")

    def test_a_killed_node_comes_back_behind_the_same_proxy(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            c.isolate("c")
            until(lambda: c.status()["c"]["state"] == "STALE", "c is cut off")
            c.kill("c")
            c.start("c")
            c.put("k", "v")
            self.assertNotEqual(c.status()["c"]["state"], "FRESH")
            c.heal()
            c.wait_equal()
            self.assertEqual(c.get("k", "--node", "c", "--no-redirect")["value"], "v")

    def test_down_ends_the_proxy_and_a_killed_proxy_is_in_nobodys_way(self):
        with Cluster({"a": "voter", "b": "reader"}, fault_proxy=True) as c:
            up = json.loads(self.local(c, "up -o json --with-fault-proxy", c.topology).stdout)
            os.kill(up["fault_proxy"]["pid"], signal.SIGKILL)
            self.local(c, "down")
            self.assertEqual(sorted(os.listdir(c.run_dir)), ["fault-proxy.log", "lock", "logs"])
            c.up()
            self.local(c, "down", says="the fault proxy has ended")


if __name__ == "__main__":
    main()
