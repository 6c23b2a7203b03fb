"""Runs two stories with real processes and records what every answer said, for draw.py:

partition.json: the primary is cut off, takes LOCAL writes that nobody else has, is replaced, and comes back.
cut-off.json:   a replica is cut off, and says how old it is until it is told to say nothing any more.
"""
import json
import os
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tests/cluster"))
from harness import Cluster, python_client, until  # noqa: E402

candor = python_client()
SAMPLE_S = 0.02
WRITE_S = 0.1


class Recorder:
    """Threads that ask and write until stopped; times are seconds since the start."""

    def __init__(self):
        self.began = time.monotonic()
        self.samples, self.writes, self.marks, self.threads = [], [], {}, []
        self.over = threading.Event()

    def now(self):
        return round(time.monotonic() - self.began, 3)

    def mark(self, name):
        self.marks[name] = self.now()

    def run(self, step, pause_s, *args):
        def loop():
            while not self.over.wait(pause_s):
                step(*args)
        self.threads.append(threading.Thread(target=loop))
        self.threads[-1].start()

    def sample(self, node, client):
        """What a read at this node is told, data or not."""
        try:
            fresh = client.get(b"picture", deadline=0.5).freshness
        except candor.CandorError as error:
            fresh = error.freshness
        if fresh is None:
            return
        self.samples.append({
            "t": self.now(), "node": node, "state": fresh.state.name,
            "primary": fresh.role is candor.Role.PRIMARY, "epoch": fresh.epoch.term,
            "age_ms": fresh.heartbeat_age_ms, "bound_ms": fresh.staleness_bound_ms})

    def write(self, level, client, key):
        began = self.now()
        try:
            reply = client.put(key, str(began), ack=candor.Ack[level], deadline=0.4)
            self.writes.append({"t": self.now(), "level": level, "node": reply.freshness.node, "ok": True,
                                "seq": reply.pos.seq, "epoch": reply.pos.epoch.term})
        except candor.CandorError as error:
            self.writes.append({"t": self.now(), "level": level, "ok": False, "why": str(error)})

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def save(self, name, **more):
        path = os.path.join(HERE, name)
        with open(path, "w") as f:
            json.dump({"marks": self.marks, "samples": self.samples, "writes": self.writes, **more}, f, indent=None,
                      separators=(",", ":"))
        print(f"{path}: {len(self.samples)} answers, {len(self.writes)} writes")


def watch(recorder, addresses):
    for node, address in addresses.items():
        recorder.run(recorder.sample, SAMPLE_S, node, candor.Client([address], follow_redirects=False))


def partition():
    with Cluster(fault_proxy=True, failover="automatic", stale_after="1s", election_timeout="1500ms") as c:
        c.up().wait_fresh()
        old = c.primary()
        others = [n for n in c.nodes if n != old]
        addresses = c.addresses()
        r = Recorder()
        watch(r, addresses)
        r.run(r.write, WRITE_S, "LOCAL", candor.Client([addresses[old]], follow_redirects=False), b"beside-the-old-primary")
        r.run(r.write, WRITE_S, "MAJORITY", candor.Client([addresses[n] for n in others]), b"beside-the-others")
        time.sleep(1.5)
        c.isolate(old)
        r.mark("cut")
        time.sleep(4.5)
        c.heal()
        r.mark("heal")
        time.sleep(2)
        r.stop()
        c.wait_equal()
        archives = c.json("rollback", "ls", "--node", old)["archives"]
        r.save("partition.json", nodes=[old, *others], archives=archives)


def cut_off():
    settings = {"stale_after": "1s", "reject_after": "4s", "heartbeat_interval": "100ms", "election_timeout": "1500ms"}
    with Cluster(fault_proxy=True, **settings) as c:
        c.up().wait_fresh()
        node = [n for n in c.nodes if n != c.primary()][0]
        addresses = c.addresses()
        r = Recorder()
        r.run(r.sample, SAMPLE_S, node, candor.Client([addresses[node]], follow_redirects=False))
        time.sleep(1.5)
        c.isolate(node)
        r.mark("cut")
        time.sleep(5)
        c.heal()
        r.mark("heal")
        until(lambda: r.samples[-1]["state"] == "FRESH", "FRESH again")
        time.sleep(1)
        r.stop()
        r.save("cut-off.json", node=node, stale_after_ms=1000, reject_after_ms=4000)


if __name__ == "__main__":
    partition()
    cut_off()
