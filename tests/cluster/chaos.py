"""Load, faults and a verdict: three voters and a reader under the faults of chaos_nemesis.py, every answer written down and
judged at the end.

    tests/cluster/chaos --minutes 5 --seed 7 [--leases] [--keep]
"""
import argparse
import os
import random
import shutil
import sys
import time
import traceback

from attempts import candor
from chaos_bundles import all_bundlers
from chaos_checks import (Violation, archived_records, check_equal, check_journals, check_processes, check_states,
                          check_versions, export_map, run_checker, write_rolled_back)
from chaos_clients import Journal, all_workers
from chaos_history import CONDITIONAL, Caller, Shared
from chaos_library import all_programs
from chaos_nemesis import CLOCK_DRIFT_PPM, Nemesis
from chaos_package import all_of_the_package
from harness import Timeout
from node_faults import FaultyCluster

STALE_AFTER_MS = 400


def require(shared):
    """The levels that this run judges are served; notes what else is."""
    probe = Caller(shared, "probe", deadline_s=20)
    put = probe.write("probe", "probe", "majority")
    get = probe.read("probe", "linearizable")
    shared.conditional = CONDITIONAL and probe.increment("probe-counter").outcome == "ok"
    shared.dedupes = shared.conditional  # both came together
    probe.close()
    for done in (put, get):
        if done.outcome != "ok":
            raise RuntimeError(f"the cluster does not serve what chaos judges: {done.outcome} {done.reason}")


def final_reads(shared, cluster):
    """One LINEARIZABLE read of every register ends their histories."""
    caller = Caller(shared, "final", deadline_s=20)
    for key in export_map(cluster, "a"):
        if key.startswith(("reg-", "gone-", "cas-", "count-")):
            done = caller.read(key, "linearizable")
            assert done.outcome == "ok", f"{key}: {done.outcome} {done.reason}"
    caller.close()
    return caller.path


def version_reader(shared):
    """A key's version in the final state; whoever asks closes what comes second."""
    client = candor.Client(shared.endpoints.values(), deadline=20)

    def version_of(key):
        return client.get(key, level=candor.LINEARIZABLE).item.version  # 0: there is no such key
    return version_of, client


def stop(shared, workers, programs):
    shared.halt.set()
    for program in programs:
        program.stop()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive(), f"client {worker.name} hangs"
    for worker in workers:
        if worker.failure:
            raise RuntimeError(f"client {worker.name} broke") from worker.failure


def wait_equal(cluster, shared, paths):
    """Whoever does not come back to the others is a violation (I12); what clients saw until then may say why."""
    try:
        cluster.wait_equal(120)
    except Timeout as error:
        print("\n".join(f"{node}: {row['role']}, {row['state']}, epoch {row['epoch']}, applied {row['applied_seq']}"
                        for node, row in sorted(cluster.status().items())))
        rolled_back = write_rolled_back(archived_records(cluster), shared.directory)
        print(run_checker(paths + [rolled_back]), end="")
        raise Violation("the nodes do not become equal") from error


def judge(cluster, shared, workers, paths):
    """`paths`: of all histories but those of the end."""
    check_processes(paths)
    wait_equal(cluster, shared, paths)
    check_equal(cluster)
    final = export_map(cluster, "a")
    records = archived_records(cluster)
    journals = check_journals([w for w in workers if isinstance(w, Journal)], final, records)
    paths = paths + [final_reads(shared, cluster)]
    version_of, client = version_reader(shared)
    keys = check_versions(paths, records, version_of)
    client.close()
    verdict = run_checker(paths + [write_rolled_back(records, shared.directory)])
    if shared.conditional:
        caller = Caller(shared, "status", deadline_s=20)
        asked = check_states(caller, [w for w in workers if isinstance(w, Journal)], final)
        caller.close()
        print("TxnStatus: " + ", ".join(f"{count} {name}" for name, count in asked.items()))
    print(f"all {len(cluster.nodes)} nodes hold the same {len(final)} keys; {len(records)} records in archives")
    print("journals: " + ", ".join(f"{count} {name}" for name, count in journals.items()))
    print(f"{keys} keys were written as often as acknowledged")
    print(verdict, end="")


def table(title, counts):
    print(f"{title}: {sum(counts.values())}")
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        print(f"  {count:7d}  {name}")


def summary(shared, nemesis):
    table("faults", nemesis.counts)
    table("operations", {" ".join(key): count for key, count in shared.outcomes.items()})
    controls = nemesis.cluster.controls.values()
    print(f"slow fsyncs: {sum(c.slow_syncs for c in controls)}; writes that found the disk full: "
          f"{sum(c.refused_writes for c in controls)}")
    print(f"failovers: {max(0, len(shared.epochs) - 1)}")


def run(cluster, args, directory):
    endpoints = {n: a.removeprefix("tcp://") for n, a in cluster.addresses().items()}
    shared = Shared(directory, endpoints, STALE_AFTER_MS)
    cluster.up().wait_fresh()
    require(shared)
    workers = all_workers(shared, args.seed) + all_bundlers(shared, args.seed) + all_of_the_package(shared, args.seed)
    programs = all_programs(shared, args.seed, CLOCK_DRIFT_PPM)
    nemesis = Nemesis(cluster, shared, args.seed)
    for client in [*workers, *programs]:
        client.start()
    try:
        nemesis.run(time.monotonic() + 60 * args.minutes)
    finally:
        with open(os.path.join(directory, "faults.txt"), "w") as f:
            f.writelines(f"{seconds:9.3f} s  {what}\n" for seconds, what in nemesis.log)
        try:
            nemesis.heal()
        finally:
            stop(shared, workers, programs)
        summary(shared, nemesis)
    judge(cluster, shared, workers, [client.path for client in [*(w.caller for w in workers), *programs]])


def keep(cluster, directory):
    """Logs and histories, where they outlive the cluster."""
    for node in cluster.nodes:
        with open(os.path.join(directory, f"{node}.log"), "w") as f:
            f.write(cluster.log_of(node))
    shutil.copy(cluster.topology, directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0, help="of faults; default 1")
    parser.add_argument("--seed", type=int, default=None, help="default: drawn, and printed")
    parser.add_argument("--leases", action="store_true", help="with leader leases (R30)")
    parser.add_argument("--keep", action="store_true", help="keep histories and logs of a good run, too")
    args = parser.parse_args()
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(1 << 31)
    print(f"chaos --minutes {args.minutes:g} --seed {args.seed}" + (" --leases" if args.leases else ""), flush=True)
    cluster = FaultyCluster({"a": "voter", "b": "voter", "c": "voter", "r": "reader"}, fault_proxy=True,
                            failover="automatic", stale_after=f"{STALE_AFTER_MS}ms", clock_drift_ppm=CLOCK_DRIFT_PPM,
                            **({"leases": "on"} if args.leases else {}))
    directory = cluster.dir + "-history"
    os.mkdir(directory)
    good = False
    try:
        run(cluster, args, directory)
        good = True
    except BaseException:
        traceback.print_exc()
    if not good or args.keep:
        keep(cluster, directory)
        print(f"{'kept' if good else 'FAILED: see'} {directory}", file=sys.stderr)
    else:
        shutil.rmtree(directory)
    cluster.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
