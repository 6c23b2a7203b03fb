"""etcd under load: load/etcd_load.go, made of etcd's own client for Go, because Debian has none of etcd's benchmark."""
import json
import os
import shutil
import signal
import subprocess
import tempfile

from .measure import BIN, ROOT, Failed, measure_json, run, say

from harness import free_ports, until  # noqa: E402  (measure.py has said where)

SOURCE = os.path.join(ROOT, "bench/load/etcd_load.go")
LOAD = os.path.join(BIN, "etcd-load")
GO = "/usr/bin/go"  # Debian's: it fits Debian's sources of the client
GO_PATH = "/usr/share/gocode"
QUOTA_BYTES = 8 << 30


def build_load():
    """Compiles the generator, unless it is newer than its source."""
    if os.path.exists(LOAD) and os.path.getmtime(LOAD) >= os.path.getmtime(SOURCE):
        return
    say("compiling etcd-load (a minute, the first time)")
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": GO_PATH, "GOFLAGS": "", "GOTOOLCHAIN": "local"}
    done = subprocess.run([GO, "build", "-o", LOAD, SOURCE], capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise Failed(f"go build {SOURCE}: {done.stderr}")


class Etcd:
    name = "etcd"

    def __init__(self, nodes, keys, value):
        self.keys, self.value = keys, value
        self.dir = tempfile.mkdtemp(prefix="candor-compare-etcd-")
        ports = iter(free_ports(2 * nodes))
        self.nodes = [{"name": f"n{n}", "client": f"127.0.0.1:{next(ports)}", "peer": f"127.0.0.1:{next(ports)}"} for n in range(nodes)]
        self.leader = None

    @staticmethod
    def missing():
        if not shutil.which("etcd") or not shutil.which("etcdctl"):
            return "apt-get install etcd-server etcd-client golang-go golang-etcd-server-dev"
        if not os.path.exists(LOAD) and not (os.path.exists(GO) and os.path.exists(f"{GO_PATH}/src/go.etcd.io/etcd/clientv3")):
            return "apt-get install golang-go golang-etcd-server-dev"
        return None

    def start_one(self, node):
        cluster = ",".join(f"{n['name']}=http://{n['peer']}" for n in self.nodes)
        node["log"] = open(os.path.join(self.dir, node["name"] + ".log"), "a")  # noqa: SIM115
        node["process"] = subprocess.Popen(
            ["etcd", "--name", node["name"], "--data-dir", os.path.join(self.dir, node["name"]), "--logger", "zap",
             "--log-level", "error", "--listen-client-urls", f"http://{node['client']}", "--advertise-client-urls",
             f"http://{node['client']}", "--listen-peer-urls", f"http://{node['peer']}", "--initial-advertise-peer-urls",
             f"http://{node['peer']}", "--initial-cluster", cluster, "--initial-cluster-state", "new",
             "--quota-backend-bytes", str(QUOTA_BYTES)],
            stdout=node["log"], stderr=node["log"], start_new_session=True)

    def start(self):
        build_load()
        for node in self.nodes:
            self.start_one(node)
        self.leader = until(self.find_leader, "etcd has a leader")
        return self

    def find_leader(self):
        for node in self.nodes:
            done = subprocess.run(["etcdctl", "--endpoints", node["client"], "endpoint", "status", "-w", "json"], capture_output=True,
                                  text=True, check=False, env={**os.environ, "ETCDCTL_API": "3"})
            if done.returncode != 0:
                return None
            status = json.loads(done.stdout)[0]["Status"]
            if status["header"]["member_id"] == status.get("leader"):
                return node
        return None

    def pids(self):
        return [n["process"].pid for n in self.nodes if n["process"].poll() is None]

    def command(self, op, callers=64, **options):
        words = {"-op": op, "-callers": callers, "-keys": self.keys, "-value": self.value, **{f"-{k}": v for k, v in options.items()}}
        return [LOAD, *(f"{flag}={value}" for flag, value in words.items() if value is not None)]

    def load(self):
        run(self.command("load", endpoints=self.leader["client"], callers=16))

    def measure(self, op, seconds, callers=64, level=None, rate=None, timeline_ms=None, conns=None):
        return measure_json(self.command(op, seconds=seconds, callers=callers, level=level, rate=rate, timeline=timeline_ms,
                                         conns=conns or connections(callers), endpoints=self.leader["client"]), self.pids())

    def bench(self, op, seconds, callers, rate, timeline_ms, deadline):
        """The command line of a load that goes on while a node fails: all nodes are its endpoints."""
        return self.command(op, seconds=seconds, callers=callers, rate=rate, timeline=timeline_ms, deadline=deadline,
                            conns=connections(callers), endpoints=",".join(n["client"] for n in self.nodes))

    # -- What goes wrong --------------------------------------------------------------------------

    def kill(self):
        self.leader["process"].kill()
        self.leader["process"].wait()

    def pause(self):
        self.leader["process"].send_signal(signal.SIGSTOP)

    def resume(self):
        self.leader["process"].send_signal(signal.SIGCONT)

    def revive(self):
        self.start_one(self.leader)

    def data_folder(self):
        return os.path.join(self.dir, self.leader["name"])

    def close(self):
        for node in self.nodes:
            if "process" in node:
                node["process"].kill()
                node["process"].wait()
                node["log"].close()
        shutil.rmtree(self.dir, ignore_errors=True)


def connections(callers):
    """What gives etcd its best figures here: one for a caller alone, a few for many."""
    return max(1, min(8, callers // 8))
