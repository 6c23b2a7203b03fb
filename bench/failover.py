"""How long writes stand still when the primary goes: three nodes with default timers, failover automatic, 50 clients writing
MAJORITY; the primary is killed (kill -9), or cut off silently: no connection is closed, packets vanish.

A trial is measured from before the fault is asked for to the first MAJORITY write that a newer epoch's primary acknowledged,
as a client saw it. At the end no acknowledged write may be missing. With --waiting N, that many reads of sessions that are ahead wait at
every node meanwhile: an election must not wait for them.
"""
import argparse
import json
import os
import statistics
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.environ.setdefault("CANDOR_BIN", os.path.join(ROOT, "build-release/bin"))
sys.path.insert(0, os.path.join(ROOT, "tests/cluster"))
from harness import Cluster, python_client, until  # noqa: E402
from chaos_checks import export_map  # noqa: E402
from crowd import Crowd, session_ahead, status  # noqa: E402

candor = python_client()
PATIENCE_S = 0.5  # of one write: a client that is not answered asks another node
PAUSE_S = 0.02  # between two writes of a client: 50 clients leave the processors to the nodes
TIMERS = {"heartbeat_interval": "100ms", "stale_after": "1s", "election_timeout": "1500ms"}  # the defaults


def order(epoch):
    return (epoch.generation, epoch.term, epoch.owner)


def beginning_at(endpoints, number):
    """Clients start at different nodes."""
    first = number % len(endpoints)
    return endpoints[first:] + endpoints[:first]


class Writer(threading.Thread):
    """Writes every key once; knows what was acknowledged, when, and by which epoch first."""

    def __init__(self, shared, number):
        super().__init__(daemon=True)
        self.shared, self.number, self.acked, self.errors = shared, number, {}, 0
        self.client = candor.Client(beginning_at(shared.endpoints, number), deadline=PATIENCE_S)

    def run(self):
        n = 0
        while not self.shared.halt.is_set():
            n += 1
            key, value = f"w{self.number}-{n}", f"v{n}"
            try:
                pos = self.client.put(key, value, ack=candor.Ack.MAJORITY).pos
                self.acked[key] = value
                self.shared.acknowledged(pos.epoch)
            except candor.CandorError:
                self.errors += 1
            time.sleep(PAUSE_S)
        self.client.close()


class Shared:
    def __init__(self, endpoints):
        self.endpoints = list(endpoints)
        self.halt, self.changed = threading.Event(), threading.Condition()
        self.newest = (0, 0, "")
        self.first_s = {}  # epoch -> when its first write was acknowledged
        self.count = 0

    def acknowledged(self, epoch):
        now = time.monotonic()
        with self.changed:
            self.count += 1
            if order(epoch) not in self.first_s:
                self.first_s[order(epoch)] = now
                self.newest = max(self.newest, order(epoch))
                self.changed.notify_all()

    def wait_newer(self, epoch, deadline_s=60):
        """When the first write of an epoch newer than `epoch` was acknowledged."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.newest > epoch, deadline_s):
                raise TimeoutError(f"no MAJORITY write for {deadline_s} s")
            return min(at for other, at in self.first_s.items() if other > epoch)


def kill(cluster, primary):
    cluster.kill(primary)


def cut(cluster, primary):
    cluster.isolate(primary)


def fix(cluster, primary, fault):
    """Everybody is back and writes flow, so that trials do not meet."""
    if fault is kill:
        cluster.start(primary)
    cluster.heal()
    cluster.wait_fresh()


def wait_crowds(cluster, waiting):
    """Reads that wait at every node, for longer than the trial."""
    crowds = [Crowd(address, session_ahead(address), waiting) for address in cluster.addresses().values() if waiting]
    for address in cluster.addresses().values():
        until(lambda a=address: status(a).waiting_calls >= waiting, "all of them wait")
    return crowds


def trial(cluster, shared, fault, waiting):
    crowds = wait_crowds(cluster, waiting)
    before = shared.count
    until(lambda: shared.count > before + len(shared.endpoints), "writes flow")
    epoch = shared.newest
    started = time.monotonic()
    fault(cluster, epoch[2])
    took_ms = 1000 * (shared.wait_newer(epoch) - started)
    for crowd in crowds:
        crowd.close()
    fix(cluster, epoch[2], fault)
    return took_ms


def check_nothing_missing(cluster, writers):
    cluster.wait_equal(120)
    acked = {key: value for w in writers for key, value in w.acked.items()}
    for node in cluster.nodes:
        have = export_map(cluster, node)
        missing = [key for key, value in acked.items() if have.get(key) != value]
        if missing:
            raise AssertionError(f"{node} lacks {len(missing)} acknowledged MAJORITY writes, e.g. {missing[:5]}")
    return len(acked)


def run(args):
    results = {"kill": [], "cut": []}
    with Cluster(fault_proxy=True, failover="automatic", **TIMERS) as c:
        c.up().wait_fresh()
        shared = Shared(a.removeprefix("tcp://") for a in c.addresses().values())
        writers = [Writer(shared, n) for n in range(args.clients)]
        for w in writers:
            w.start()
        for n in range(args.trials):
            for name, fault in (("kill", kill), ("cut", cut)):
                if name not in args.faults:
                    continue
                results[name].append(trial(c, shared, fault, args.waiting))
                if not args.json:
                    print(f"trial {n + 1}: {name} {results[name][-1]:.0f} ms", flush=True)
        shared.halt.set()
        for w in writers:
            w.join()
        acked = check_nothing_missing(c, writers)
    return results, acked, sum(w.errors for w in writers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20, help="of each fault; default 20")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--waiting", type=int, default=0, help="reads that wait at each node meanwhile; default none")
    parser.add_argument("--faults", default="kill,cut", help="which; default both")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    results, acked, errors = run(args)
    figures = {name: {"min_ms": round(min(ms)), "median_ms": round(statistics.median(ms)), "max_ms": round(max(ms)),
                      "trials_ms": [round(x) for x in ms]} for name, ms in results.items() if ms}
    if args.json:
        print(json.dumps({**figures, "acknowledged": acked, "missing": 0, "failed_attempts": errors, **TIMERS}))
        return
    for name, f in figures.items():
        print(f"{name}: the next acknowledged MAJORITY write after {f['min_ms']} / {f['median_ms']} / {f['max_ms']} ms "
              f"(min / median / max of {args.trials})")
    print(f"{acked} acknowledged writes, none missing on any node; {errors} writes failed or are unknown")


if __name__ == "__main__":
    main()
