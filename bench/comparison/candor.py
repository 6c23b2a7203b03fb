"""Candor under load: kvctl bench, as asynchronous callers or as threads that block in libcandor."""
import os
import shutil
import subprocess
import time

from .measure import BIN, measure_json, run

from harness import Cluster, until  # noqa: E402  (measure.py has said where)

SETTINGS = {"failover": "automatic", "heartbeat_interval": "100ms", "stale_after": "1s", "election_timeout": "1500ms"}  # the defaults
VERSION_OF = [os.path.join(BIN, "kvd"), "--version"]


class Candor:
    name = "Candor"

    def __init__(self, nodes, keys, value, **settings):
        names = "abcdefg"[:nodes]
        self.cluster = Cluster({name: "voter" for name in names}, binaries=BIN, **{**SETTINGS, **settings})
        self.keys, self.value = keys, value

    @staticmethod
    def missing():
        return None

    def start(self):
        self.cluster.up().wait_fresh()
        self.primary = self.cluster.primary()
        self.replica = next((n for n in self.cluster.nodes if n != self.primary), None)
        return self

    def pids(self):
        return [row["pid"] for row in self.cluster.json("node", "ls")["nodes"] if row.get("pid")]

    def pid_of(self, node):
        return next(row["pid"] for row in self.cluster.json("node", "ls")["nodes"] if row["node"] == node)

    def load(self):
        run(self.command("load", "--keys", self.keys, "--value-size", f"{self.value}B", "-d", "60s"))

    def command(self, op, *args):
        return [self.cluster.kvctl_path, "bench", "--topology", self.cluster.topology, "-o", "json", op, *args]

    def bench(self, op, seconds, callers=64, blocking=False, level=None, ack=None, node=None, batch=1, rate=None, timeline_ms=None,
              deadline=None):
        """The command line of one measurement."""
        node = {"primary": self.primary, "replica": self.replica}.get(node, node)
        options = {"--seconds": seconds, "--callers": callers, "--keys": self.keys, "--value-size": f"{self.value}B", "--level": level,
                   "--ack": ack, "--node": node, "--batch": batch if batch > 1 else None, "--rate": rate,
                   "--timeline": f"{timeline_ms}ms" if timeline_ms else None, "--deadline": deadline}
        words = [word for option, value in options.items() if value is not None for word in (option, value)]
        return self.command(op, "--loaded", *(["--blocking"] if blocking else []), *words)

    def measure(self, op, seconds, **work):
        if op == "lag":
            return self.lag(seconds)
        return measure_json(self.bench(op, seconds, **{"node": "primary", **work}), self.pids())

    def lag(self, seconds):
        """Of a replica, while 64 threads write as fast as they can."""
        load = [str(word) for word in self.bench("put", 3600, blocking=True)]
        writers = subprocess.Popen(load, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return measure_json(self.bench("lag", seconds, callers=1, node="replica"), self.pids())
        finally:
            writers.terminate()
            writers.wait()

    # -- What goes wrong --------------------------------------------------------------------------

    def kill(self):
        self.cluster.kill(self.primary)

    def pause(self):
        self.cluster.pause(self.primary)

    def resume(self):
        self.cluster.resume(self.primary)

    def revive(self):
        self.cluster.start(self.primary)

    # -- What it takes ----------------------------------------------------------------------------

    def data_folder(self):
        return os.path.join(self.cluster.dir, "data", self.primary)

    def close(self):
        self.cluster.close()


def snapshot_seconds(keys, value):
    """How long an empty node takes to be FRESH, while writes go on; and what it said of the snapshot."""
    system = Candor(3, keys, value, retention={"log": "1MiB"})
    try:
        system.start()
        node = system.replica
        system.cluster.kill(node)
        shutil.rmtree(os.path.join(system.cluster.dir, "data", node))
        system.load()
        trim_log(system)
        writers = subprocess.Popen([str(w) for w in system.bench("put", 3600, callers=16, blocking=True, node="primary")],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return until_fresh(system, node)
        finally:
            writers.terminate()
            writers.wait()
    finally:
        system.close()


def trim_log(system):
    """Writes until the log no longer begins with the first record: from it alone nobody can begin any more."""
    more = system.bench("put", 2, callers=32, batch=16)
    until(lambda: run(more) and system.cluster.status()[system.primary]["log_first_seq"] > 1, "the primary trims its log", 600)


def until_fresh(system, node):
    begun = time.monotonic()
    system.cluster.start(node)
    until(lambda: system.cluster.status()[node]["state"] == "FRESH", "the empty node is FRESH", 600)
    return time.monotonic() - begun, "snapshot_installed" in system.cluster.log_of(node)
