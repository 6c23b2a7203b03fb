"""Real clusters for tests: kvd and kvctl as a user runs them.

Everything lives in a temporary directory on free ports, and only processes started here are ended. Tests
wait for conditions with a deadline (`until`), never for a time.
"""
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

from ports import free_port, free_ports  # noqa: F401 (tests take them from here)

# Of whoever runs the tests: kvctl would ask his cluster.
for variable in ("CANDOR_TOPOLOGY", "CANDOR_ENDPOINTS", "CANDOR_CONTEXT"):
    os.environ.pop(variable, None)
os.environ["XDG_CONFIG_HOME"] = "/dev/null/none"

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("CANDOR_BIN") or os.path.join(ROOT, "build/bin")
KVD = os.path.join(BIN, "kvd")
KVCTL = os.path.join(BIN, "kvctl")
DEADLINE_S = float(os.environ.get("CANDOR_TEST_DEADLINE_S", "60"))


def python_client():
    """The package of clients/python, with messages generated from the .proto files."""
    package = os.path.join(ROOT, "clients/python")
    subprocess.run([sys.executable, "-B", os.path.join(package, "generate")], check=True)
    if os.path.join(package, "src") not in sys.path:
        sys.path.insert(0, os.path.join(package, "src"))
    import candor
    return candor


def peer_messages():
    """What nodes say to each other, which the package does not have, and the envelope of any call: (replication_pb2, rpc_pb2)."""
    python_client()
    generated = tempfile.mkdtemp(prefix="candor-python-")
    subprocess.run(["protoc", "-I", os.path.join(ROOT, "proto"), "--python_out", generated,
                    os.path.join(ROOT, "proto/candor/v1/replication.proto")], check=True)
    import candor.v1
    candor.v1.__path__.append(os.path.join(generated, "candor/v1"))
    from candor.v1 import replication_pb2, rpc_pb2
    shutil.rmtree(generated, ignore_errors=True)
    return replication_pb2, rpc_pb2


class Timeout(AssertionError):
    pass


def until(condition, what, deadline_s=DEADLINE_S):
    """Calls `condition` until it returns something true, and returns that."""
    end = time.monotonic() + deadline_s
    last = None
    while time.monotonic() < end:
        try:
            last = condition()
            if last:
                return last
        except (Refused, json.JSONDecodeError, KeyError) as error:
            last = error
        time.sleep(0.02)
    raise Timeout(f"not within {deadline_s} s: {what}; last seen: {last!r}")


def copy_on_free_ports(source, target):
    """Copies a topology; its ports of 127.0.0.1 become free ones, so that two runs do not meet.

    What follows from a port is kept free, too: a stream's heartbeats come at the next one, an rpc's
    peers at the third."""
    with open(source, encoding="utf-8") as f:
        text = f.read()
    for port in sorted(set(re.findall(r"127\.0\.0\.1:(\d+)", text))):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port(steps=(1, 3))}")
    with open(target, "w", encoding="utf-8") as f:
        f.write(text)


def on_a_terminal(columns, *args, says, status=0):
    """The lines that kvctl prints on a terminal of so many columns, without any cluster to find by itself. `says` is among its
    words: nobody judges the lines of something else."""
    parent, child = os.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("CANDOR_TOPOLOGY", "CANDOR_ENDPOINTS")}
    environment.update(XDG_RUNTIME_DIR="/nonexistent", NO_COLOR="1")
    process = subprocess.Popen([KVCTL, *args], stdin=subprocess.DEVNULL, stdout=child, stderr=child, env=environment)
    os.close(child)
    text = b""
    with os.fdopen(parent, "rb", buffering=0) as terminal, contextlib.suppress(OSError):  # EIO: its end
        while chunk := terminal.read(65536):
            text += chunk
    lines = text.decode().replace("\r\n", "\n").splitlines()
    if process.wait(timeout=60) != status or says not in " ".join(" ".join(lines).split()):
        raise AssertionError(f"{' '.join(args)}: status {process.returncode}, wanted {status} and '{says}': {lines}")
    return lines


def flip_bit(path, content):
    """One bit of the place where `content` stands last. Returns what the file holds now."""
    with open(path, "r+b") as f:
        held = bytearray(f.read())
        at = held.rindex(content)
        held[at] ^= 1
        f.seek(at)
        f.write(held[at:at + 1])
    return bytes(held)


class Refused(Exception):
    """kvctl ended with a status other than 0."""

    def __init__(self, args, status, out, err):
        super().__init__(f"{' '.join(args)}: status {status}: {err.strip() or out.strip()}")
        self.status, self.out, self.err = status, out, err


class Cluster:
    """A topology and its nodes. `nodes` maps ids to roles, e.g. {"a": "voter", "b": "reader"}."""

    def __init__(self, nodes=None, fault_proxy=False, binaries=BIN, **settings):
        self.kvctl_path = os.path.join(binaries, "kvctl")
        self.nodes = nodes or {"a": "voter", "b": "voter", "c": "voter"}
        self.dir = tempfile.mkdtemp(prefix="candor-test-")
        self.run_dir = os.path.join(self.dir, "run")
        self.topology = os.path.join(self.dir, "topology.yaml")
        self.fault_proxy = fault_proxy
        self.settings = settings
        self.environment = None  # of the nodes; None: this process's own
        self._write_topology()

    def _write_topology(self):
        ports = iter(free_ports(4 * len(self.nodes)))
        settings = {"cluster": "test-" + os.path.basename(self.dir)[-8:], "failover": "manual",
                    "heartbeat_interval": "50ms", "stale_after": "400ms", "election_timeout": "800ms"}
        settings.update(self.settings)
        lines = []
        for key, value in settings.items():
            if isinstance(value, dict):
                lines.append(f"{key}:")
                lines += [f"  {k}: {v}" for k, v in value.items()]
            else:
                lines.append(f"{key}: {value}")
        lines.append("nodes:")
        for node, role in self.nodes.items():
            lines += [f"  - id: {node}", f"    rpc: tcp://127.0.0.1:{next(ports)}",
                      f"    peer: tcp://127.0.0.1:{next(ports)}",
                      f"    stream: tcp://127.0.0.1:{next(ports)}",
                      f"    heartbeat: tcp://127.0.0.1:{next(ports)}",
                      f"    data: {self.dir}/data/{node}", f"    role: {role}"]
        with open(self.topology, "w") as f:
            f.write("\n".join(lines) + "\n")

    def addresses(self):
        """rpc address of each node."""
        with open(self.topology) as f:
            lines = [line.split() for line in f]
        ids = [line[2] for line in lines if line[:2] == ["-", "id:"]]
        return dict(zip(ids, (line[1] for line in lines if line and line[0] == "rpc:")))

    # -- kvctl ------------------------------------------------------------------------------------

    def kvctl(self, *args, status=0, input=None, timeout_s=120):
        """Runs kvctl and gives (stdout, stderr); any other exit status than `status` (or those of a tuple) is Refused."""
        command = [self.kvctl_path, args[0], "--topology", self.topology, *map(str, args[1:])]
        if args[0] in ("up", "down", "node", "fault", "logs"):
            command = [self.kvctl_path, args[0], "--run-dir", self.run_dir, *map(str, args[1:])]
        done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=timeout_s, check=False,
                              env=self.environment if args[0] in ("up", "node") else None)
        if "broken promise" in done.stderr:
            raise AssertionError(f"kvctl accuses a node: {done.stderr}")
        wanted = status if isinstance(status, tuple) else (status,)
        if done.returncode not in wanted:
            raise Refused(command, done.returncode, done.stdout, done.stderr)
        return done.stdout, done.stderr

    def json(self, *args, **kwargs):
        out, _ = self.kvctl(args[0], "-o", "json", *args[1:], **kwargs)
        return json.loads(out)

    # -- life of the nodes ------------------------------------------------------------------------

    def up(self, *args):
        extra = ["--with-fault-proxy"] if self.fault_proxy else []
        self.kvctl("up", self.topology, "--wait-for", "ready", *extra, *args)  # tests wait for what they need
        return self

    def kill(self, node):
        self.kvctl("node", "kill", node)

    def start(self, node):
        self.kvctl("node", "start", node)

    def pause(self, node):
        self.kvctl("node", "pause", node)

    def resume(self, node):
        self.kvctl("node", "continue", node)

    def cut(self, a, b):
        self.kvctl("fault", "cut", a, b)

    def isolate(self, node):
        for other in self.nodes:
            if other != node:
                self.cut(node, other)

    def heal(self):
        self.kvctl("fault", "heal", "--all")

    def log_of(self, node):
        return self.kvctl("logs", node)[0]

    # -- what the cluster says --------------------------------------------------------------------

    def status(self):
        return {n["node"]: n for n in self.json("status", status=(0, 5))["nodes"]}

    def wait_fresh(self, *nodes, deadline_s=DEADLINE_S):
        nodes = nodes or tuple(self.nodes)
        return until(lambda: all(self.status()[n]["state"] == "FRESH" for n in nodes),
                     f"{', '.join(nodes)} FRESH", deadline_s)

    def wait_equal(self, deadline_s=DEADLINE_S):
        """All nodes FRESH at the same applied_seq."""
        def equal():
            rows = self.status().values()
            return all(r["state"] == "FRESH" for r in rows) and \
                len({r["applied_seq"] for r in rows}) == 1
        return until(equal, "all nodes equal", deadline_s)

    def primary(self):
        return until(lambda: [n for n, r in self.status().items() if r["role"] == "primary"],
                     "a primary")[0]

    def put(self, key, value, *args, **kwargs):
        return self.json("put", key, value, *args, **kwargs)

    def get(self, key, *args, **kwargs):
        return self.json("get", key, *args, **kwargs)

    def import_lines(self, count, size=20, prefix="key", *args):
        path = os.path.join(self.dir, f"{prefix}.jsonl")
        with open(path, "w") as f:
            for i in range(count):
                f.write(json.dumps({"key": f"{prefix}-{i:07d}", "value": "x" * size}) + "\n")
        return self.json("import", path, "--format", "jsonl", *args, timeout_s=240)

    def trim_log(self, node):
        """Writes until its log no longer begins with the first record; retention.log is to be 1MiB."""
        until(lambda: self.import_lines(3000, size=2000, prefix="big") and self.status()[node]["log_first_seq"] > 1,
              f"{node} trims its log", 200)

    def export(self, node):
        """All keys of one node, as its own bytes."""
        return self.kvctl("export", "--node", node, "--no-redirect")[0]

    def close(self):
        for args in (("down", "--kill"),):
            with contextlib.suppress(Exception):
                self.kvctl(*args)
        if os.environ.get("CANDOR_TEST_KEEP"):
            print("kept", self.dir, file=sys.stderr)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is not None:
            self.dump_logs()
        self.close()

    def dump_logs(self):
        for node in self.nodes:
            with contextlib.suppress(Exception):
                print(f"---- log of {node}\n{self.log_of(node)[-4000:]}", file=sys.stderr)


def main():
    unittest.main(verbosity=2, warnings="ignore")  # clients are closed with the process
