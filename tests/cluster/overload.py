"""More clients than a cluster can serve, honest and not, under faults; then they go, and the cluster must be itself again:
all nodes FRESH, writes acknowledged, memory and descriptors back.

    tests/cluster/overload --minutes 30 --clients 2000 --seed 7 [--within 5]
"""
import argparse
import json
import os
import random
import resource
import sys
import threading
import time
import traceback

from harness import DEADLINE_S, Cluster, Refused, Timeout, until
from overload_bundles import KINDS
from attempts import candor
from candor.position import token_message
from overload_clients import LARGE_VALUE_BYTES, Crowd

RSS_BUDGET_BYTES = 192 << 20  # above what a node had before, after the load is gone (docs/operations.md, "Limits")
DESCRIPTOR_BUDGET = 64


def usage(pid):
    """(bytes of its own, open descriptors) of a process; the mapped state is the page cache's."""
    with open(f"/proc/{pid}/status") as f:
        anonymous = [int(line.split()[1]) for line in f if line.startswith("RssAnon:")]
    if not anonymous:
        raise ProcessLookupError(f"{pid} has ended, and is not waited for yet")
    return anonymous[0] << 10, len(os.listdir(f"/proc/{pid}/fd"))


class Faults(threading.Thread):
    """One after the other, from a seed; heals what it did."""

    def __init__(self, cluster, seed):
        super().__init__(daemon=True, name="faults")
        self.cluster, self.rng = cluster, random.Random(f"{seed}/faults")
        self.nodes = sorted(cluster.nodes)
        self.halt = threading.Event()
        self.counts, self.failure = {}, None

    def run(self):
        try:
            while not self.halt.wait(self.rng.uniform(0.5, 4)):
                fault = self.rng.choice((self.restart, self.pause_all, self.pause_some, self.cut, self.isolate))
                self.counts[fault.__name__] = self.counts.get(fault.__name__, 0) + 1
                fault()
        except BaseException as error:  # told by stop()
            self.failure = error

    def stop(self):
        self.halt.set()
        self.join(120)
        assert not self.is_alive(), "the faults hang"
        if self.failure:
            raise RuntimeError("a fault itself failed") from self.failure

    def hold(self, low, high):
        self.halt.wait(self.rng.uniform(low, high))

    def restart(self):
        nodes = self.rng.sample(self.nodes, self.rng.choice((1, 1, 2)))
        self.cluster.kvctl("node", "kill", *nodes)
        self.hold(0, 2)
        self.cluster.kvctl("node", "start", *nodes)

    def pause_all(self):
        for _ in range(3):
            for node in self.rng.sample(self.nodes, len(self.nodes)):
                self.cluster.pause(node)
            self.hold(0.05, 2)
            for node in self.rng.sample(self.nodes, len(self.nodes)):
                self.cluster.resume(node)
            self.hold(0.05, 1)

    def pause_some(self):
        nodes = self.rng.sample(self.nodes, self.rng.choice((1, 2)))
        for node in nodes:
            self.cluster.pause(node)
        self.hold(0.3, 3)
        for node in nodes:
            self.cluster.resume(node)

    def cut(self):
        self.cluster.cut(*self.rng.sample(self.nodes, 2))
        self.hold(0.5, 3)
        self.cluster.heal()

    def isolate(self):
        self.cluster.isolate(self.rng.choice(self.nodes))
        self.hold(0.5, 3)
        self.cluster.heal()


def pids(cluster):
    return {row["node"]: row["pid"] for row in cluster.json("node", "ls")["nodes"]}


def prepare(cluster, client):
    """Something to read, and the memory that a node takes when it works."""
    for i in range(2000):
        client.put(b"load-%d" % i, b"x" * 100)
    for i in range(20):
        client.put(b"large-%d" % i, os.urandom(LARGE_VALUE_BYTES))
    client.put(b"probe", b"0", ack=candor.Ack.ALL)
    cluster.wait_equal()


def acknowledged(client):
    try:
        client.put(b"probe", b"1", ack=candor.Ack.MAJORITY)
        return True
    except candor.CandorError:
        return False


def all_fresh(cluster):
    return all(row["state"] == "FRESH" for row in cluster.status().values())


def recover(cluster, client, within_s):
    """Seconds until all are FRESH and a write is acknowledged by a majority."""
    began = time.monotonic()
    until(lambda: all_fresh(cluster) and acknowledged(client), "all nodes FRESH and a MAJORITY write acknowledged", within_s)
    return time.monotonic() - began


def give_back(cluster, before):
    """Memory and descriptors go back to within the budget; the nodes may be others than at the start."""
    def excess():
        over = {}
        for node, pid in pids(cluster).items():
            rss, descriptors = usage(pid)
            if rss > before[node][0] + RSS_BUDGET_BYTES or descriptors > before[node][1] + DESCRIPTOR_BUDGET:
                over[node] = (rss, descriptors)
        return over
    try:
        until(lambda: not excess(), "memory and descriptors within the budget")
    except Timeout:
        raise Timeout(f"(bytes, descriptors) over the budget: {excess()}; before the load: {before}") from None


class Watch:
    """The most that any node took; what `Status`, asked anew each second, said meanwhile."""

    def __init__(self, cluster):
        self.cluster, self.most, self.slowest_s, self.asked, self.failed = cluster, {}, 0.0, 0, 0

    def look(self, addresses, pids_now):
        for node, pid in pids_now.items():
            try:
                rss, descriptors = usage(pid)
            except OSError:
                continue  # killed just now
            had = self.most.get(node, (0, 0))
            self.most[node] = max(had[0], rss), max(had[1], descriptors)
        for node in addresses:
            self.asked += 1
            began = time.monotonic()
            try:
                self.cluster.kvctl("health", "--endpoint", addresses[node], "--deadline", "2s")
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            except Refused:
                self.failed += 1  # a node that is killed, paused or restarting does not answer


def load(cluster, crowd, faults, minutes):
    watch = Watch(cluster)
    addresses = cluster.addresses()
    end = time.monotonic() + 60 * minutes
    crowd.start()
    faults.start()
    while time.monotonic() < end and crowd.failure is None and faults.failure is None:
        time.sleep(1)  # between two looks
        watch.look(addresses, pids(cluster))
    faults.stop()
    cluster.heal()
    crowd.stop()
    return watch


def table(title, counts):
    print(f"{title}: {sum(counts.values())}")
    for name, count in sorted(counts.items(), key=lambda item: str(item[0])):
        print(f"  {count:9d}  {name if isinstance(name, str) else ' '.join(name)}")


def run(cluster, args):
    cluster.up().wait_fresh()
    addresses = cluster.addresses()
    client = candor.Client(addresses.values(), deadline=2.0)
    prepare(cluster, client)
    before = {node: usage(pid) for node, pid in pids(cluster).items()}
    endpoints = {n: (a.removeprefix("tcp://").rsplit(":", 1)[0], int(a.rsplit(":", 1)[1])) for n, a in addresses.items()}
    crowd = Crowd(endpoints, args.clients, args.seed, KINDS)
    client.get(b"probe")
    token = token_message(client.session)
    crowd.epoch, crowd.cluster_id = token.pos.epoch, token.cluster_id
    faults = Faults(cluster, args.seed)
    watch = load(cluster, crowd, faults, args.minutes)
    client = candor.Client(addresses.values(), deadline=2.0)  # the old one's connections are of dead nodes
    seconds = recover(cluster, client, args.within)
    give_back(cluster, before)
    table("faults", faults.counts)
    table("requests", crowd.outcomes)
    after = {node: usage(pid) for node, pid in pids(cluster).items()}
    for node in sorted(before):
        print(f"{node}: anonymous memory {before[node][0] >> 20} MiB before, {watch.most[node][0] >> 20} at most, "
              f"{after[node][0] >> 20} after; descriptors {before[node][1]}, {watch.most[node][1]}, {after[node][1]}")
    print(f"health asked {watch.asked} times, {watch.failed} times without an answer, the slowest took {watch.slowest_s:.2f} s")
    print(f"all FRESH and a MAJORITY write acknowledged {seconds:.2f} s after the last client left")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0, help="of load; default 1")
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--within", type=float, default=DEADLINE_S, help="seconds to recover in; default: the tests' deadline")
    parser.add_argument("--keep", action="store_true", help="keep the nodes' logs")
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    print(f"overload --minutes {args.minutes:g} --clients {args.clients} --seed {args.seed}", flush=True)
    cluster = Cluster(fault_proxy=True, failover="automatic", heartbeat_interval="100ms", stale_after="1s",
                      election_timeout="1s")
    good = False
    try:
        run(cluster, args)
        good = True
    except BaseException:
        traceback.print_exc()
        cluster.dump_logs()
        print(json.dumps(cluster.status(), indent=1) if cluster else "", file=sys.stderr)
    if args.keep:
        os.environ["CANDOR_TEST_KEEP"] = "1"
    cluster.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
