"""Random damage to what stopped nodes have stored, one damage after another: tests/cluster/damage --count N --seed S [--keep]

Each ends in the right data, or in a node that says what is wrong and ends with a status of its own. Never in a wrong or missing
value, a signal, a hang, or nodes that differ without a word. At the end a table says what became of what.
"""
import argparse
import collections
import json
import os
import random
import shutil
import subprocess
import sys
import time

from harness import KVD, Cluster, Refused

PAGE = 4096
PATIENCE_S = 60
ONE = {"a": "voter"}
THREE = {"a": "voter", "b": "voter", "c": "voter"}


class Wrong(AssertionError):
    pass


class Undecided(Exception):
    """Somebody else took a port meanwhile."""


# ---- The data that are damaged ------------------------------------------------------------------------------


def values(generation):
    sizes = (10, 300, 2000)
    return {f"key-{i:04d}": f"{generation}-{i}-" + "v" * sizes[i % 3] for i in range(300)}


class Original:
    """A stopped cluster's directories at two moments, `old` and `new`, and what was acknowledged until then."""

    def __init__(self, nodes, trimmed, clean):
        self.nodes, self.trimmed, self.clean = nodes, trimmed, clean
        settings = {"retention": {"log": "1MiB"}} if trimmed else {}
        self.cluster = Cluster(nodes, failover="automatic", **settings)
        self.model = {}
        c = self.cluster
        c.up().wait_fresh()
        self._write(1)
        if trimmed:
            c.trim_log(c.primary())
        self._stop("old")
        c.up().wait_fresh()
        self._write(2)
        self._stop("new")

    def _write(self, generation):
        path = os.path.join(self.cluster.dir, "values.jsonl")
        changed = values(generation)
        with open(path, "w") as f:
            f.writelines(json.dumps({"key": k, "value": v}) + "\n" for k, v in changed.items())
        self.cluster.json("import", path, "--format", "jsonl")
        self.cluster.put("committed", str(generation), "--ack", "all")  # and with it all before it
        self.cluster.wait_equal()
        self.model = dict(json.loads(line).values() for line in self.cluster.export(self.cluster.primary()).splitlines())

    def _stop(self, moment):
        self.cluster.kvctl("down", *([] if self.clean else ["--kill"]))
        shutil.copytree(f"{self.cluster.dir}/data", f"{self.cluster.dir}/{moment}")

    def restore(self):
        shutil.rmtree(f"{self.cluster.dir}/data")
        shutil.copytree(f"{self.cluster.dir}/new", f"{self.cluster.dir}/data")

    def __str__(self):
        return f"{len(self.nodes)} node{'s' if len(self.nodes) > 1 else ''}, log {'trimmed' if self.trimmed else 'whole'}, " \
               f"{'stopped' if self.clean else 'killed'}"


# ---- Damages ------------------------------------------------------------------------------------------------------


def used_bytes(path):
    with open(path, "rb") as f:
        return len(f.read().rstrip(b"\0"))


def overwrite(path, at, content):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(content)


def bit(path, rng):
    at = rng.randrange(used_bytes(path))
    with open(path, "rb") as f:
        f.seek(at)
        held = f.read(1)[0]
    overwrite(path, at, bytes([held ^ 1 << rng.randrange(8)]))


def byte(path, rng):
    overwrite(path, rng.randrange(used_bytes(path)), rng.randbytes(1))


def page(path, rng):
    overwrite(path, rng.randrange(used_bytes(path)) // PAGE * PAGE, rng.randbytes(PAGE))


def zeros(path, rng):
    at = rng.randrange(used_bytes(path))
    overwrite(path, at, bytes(min(rng.choice((8, 512, PAGE)), os.path.getsize(path) - at)))


def cut(path, rng):
    os.truncate(path, rng.randrange(used_bytes(path)))


def gone(path, rng):
    del rng
    os.unlink(path)


def stale(path, rng):
    del rng
    before = path.replace("/data/", "/old/")
    if not os.path.exists(before):
        raise FileNotFoundError(before)
    shutil.copy(before, path)


KINDS = (bit, byte, page, zeros, cut, gone, stale)
FILES = {"hard state": ("hard_state",), "log": ("log",), "state": ("state/current",), "checkpoint": ("state/checkpoint",)}


def files_of(directory, what):
    """Those of an object that hold something."""
    found = []
    for name in FILES[what]:
        path = os.path.join(directory, name)
        names = [path] if os.path.isfile(path) else \
            [os.path.join(path, n) for n in sorted(os.listdir(path))] if os.path.isdir(path) else []
        found += [n for n in names if os.path.isfile(n) and not n.endswith(("lock", "lock.mdb")) and used_bytes(n) > 0]
    return found


# ---- What becomes of it ----------------------------------------------------------------------------------------------


class Node:
    def __init__(self, cluster, name):
        self.name, self.path = name, os.path.join(cluster.dir, f"{name}.err")
        with open(self.path, "w") as log:
            self.process = subprocess.Popen([KVD, "--topology", cluster.topology, "--node", name], stdout=log, stderr=log)

    def said(self):
        with open(self.path) as f:
            return f.read()

    def ended(self):
        return self.process.poll()

    def end(self):
        self.process.kill()
        self.process.wait()


def judge_refusal(node):
    status, said = node.ended(), node.said()
    if "Address already in use" in said:
        raise Undecided
    if status < 0:
        raise Wrong(f"{node.name} died of signal {-status}:\n{said[-2000:]}")
    if status not in (3, 4):
        raise Wrong(f"{node.name} ended with status {status}:\n{said[-2000:]}")
    if not any(word in said for word in ("way out", "way_out", "Restore", "move", "remove", "Remove", "--adopt")):
        raise Wrong(f"{node.name} ended with status {status} and names no way out:\n{said[-2000:]}")
    return f"status {status}"


def export(cluster, name):
    """Its data, or None while it does not answer or refuses."""
    try:
        return dict(json.loads(line).values() for line in cluster.export(name).splitlines())
    except (Refused, subprocess.TimeoutExpired):
        return None


def compare(original, name, held):
    wrong = [k for k, v in original.model.items() if held.get(k) != v]
    more = [k for k in held if k not in original.model]
    if wrong or more:
        raise Wrong(f"{name} serves {len(wrong)} wrong or missing values ({wrong[:3]}), and {len(more)} that were never put")


def outcome(original, nodes, victim):
    """Of the damaged node, once the cluster has come to rest. All who serve must be right."""
    cluster = original.cluster
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        alive = {n: node for n, node in nodes.items() if node.ended() is None}
        result = judge_refusal(nodes[victim]) if victim not in alive else None
        for n in set(nodes) - set(alive) - {victim}:
            judge_refusal(nodes[n])
            raise Wrong(f"{n}, which was not damaged, ended:\n{nodes[n].said()[-2000:]}")
        if not alive:
            return result
        rows = {n: row for n, row in cluster.status().items() if n in alive}
        for n, row in rows.items():
            if row["state"] in ("FRESH", "STALE"):
                held = export(cluster, n)
                if held is not None and (row["state"] == "FRESH" or n != victim):
                    compare(original, n, held)
        states = {row["state"] for row in rows.values()}
        if states == {"FRESH"} and len({row["applied_seq"] for row in rows.values()}) == 1:
            return result or ("right data, made anew" if "state_rebuild" in nodes[victim].said() else "right data")
        time.sleep(0.1)
    raise Wrong(f"the cluster does not come to rest: {rows}\n{nodes[victim].said()[-2000:]}")


def trial(original, rng):
    """(damage, outcome); None: there was nothing of the kind to damage."""
    original.restore()
    victim = rng.choice(sorted(original.nodes))
    what, kind = rng.choice(sorted(FILES)), rng.choice(KINDS)
    files = files_of(f"{original.cluster.dir}/data/{victim}", what)
    if not files:
        return None
    path = rng.choice(files)
    try:
        kind(path, rng)
    except FileNotFoundError:
        return None
    damage = (what, kind.__name__)
    nodes = {n: Node(original.cluster, n) for n in original.nodes}
    try:
        return damage, outcome(original, nodes, victim)
    except Undecided:
        return None
    except Wrong as wrong:
        raise Wrong(f"{original}: {kind.__name__} of {path}: {wrong}") from None
    finally:
        for node in nodes.values():
            node.end()


# ---- All of it ---------------------------------------------------------------------------------------------------------


def print_table(results):
    outcomes = sorted({o for _, o in results})
    print(f"{'damage':24}" + "".join(f"{o:>24}" for o in outcomes))
    for damage in sorted({d for d, _ in results}):
        counts = collections.Counter(o for d, o in results if d == damage)
        print(f"{' '.join(damage):24}" + "".join(f"{counts[o] or '':>24}" for o in outcomes))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, help="of damages; default 20")
    parser.add_argument("--seed", type=int, default=None, help="default: drawn, and printed")
    parser.add_argument("--keep-going", action="store_true", help="go on after a wrong outcome")
    args = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 31) if args.seed is None else args.seed
    print(f"damage --count {args.count} --seed {seed}", flush=True)
    rng = random.Random(seed)
    originals = [Original(nodes, trimmed, clean) for nodes, trimmed, clean in
                 ((ONE, False, True), (ONE, True, False), (THREE, False, False), (THREE, True, True))]
    results, wrong = [], 0
    try:
        while len(results) < args.count:
            try:
                done = trial(rng.choice(originals), rng)
            except Wrong as what:
                wrong += 1
                print(f"WRONG after {len(results)}: {what}", flush=True)
                if not args.keep_going:
                    break
                done = ("wrong", "-"), "wrong"
            if done is not None:
                results.append(done)
    finally:
        for original in originals:
            original.cluster.close()
    print_table(results)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
