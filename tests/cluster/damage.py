"""Random damage to what nodes have stored, stopped ones and running ones, one damage after another:
tests/cluster/damage --count N --seed S [--keep-going]

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

from harness import KVD, Cluster, Refused, until

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
        self.cluster = Cluster(nodes, failover="automatic", election_timeout="500ms", stale_after="300ms", **settings)
        self.model = {}
        c = self.cluster
        c.up().wait_fresh()
        self._write(1)
        if trimmed:
            c.trim_log(c.primary())
        self._stop("old")
        c.up().wait_fresh()
        if len(nodes) > 1:
            self._roll_back()
        self._write(2)
        self._stop("new")

    def _roll_back(self):
        """So that somebody holds an archive: of a write that only the primary had."""
        c = self.cluster
        primary = c.primary()
        others = [n for n in self.nodes if n != primary]
        for n in others:
            c.pause(n)
        c.put("rolled-back", "v", "--node", primary)
        c.kill(primary)
        for n in others:
            c.resume(n)
        until(lambda: c.put("elected", "v", "--ack", "majority", status=(0, 1, 4, 5)), "another primary")
        c.start(primary)
        c.wait_fresh()

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
UNDER_A_RUNNING_NODE = (bit, byte, page, zeros, cut)
FILES = {"hard state": ("hard_state",), "lives": ("lives",), "log": ("log",), "state": ("state/current",),
         "checkpoint": ("state/checkpoint",), "archive": ("archive",)}


# Of whole directories. Each says whose are not what they were.


def older(data, victim, other):
    del other
    shutil.rmtree(f"{data}/{victim}")
    shutil.copytree(f"{data}/../old/{victim}", f"{data}/{victim}")
    return {victim}


def emptied(data, victim, other):
    del other
    shutil.rmtree(f"{data}/{victim}")
    return {victim}


def copied(data, victim, other):
    shutil.rmtree(f"{data}/{victim}")
    shutil.copytree(f"{data}/{other}", f"{data}/{victim}")
    return {victim}


def swapped(data, victim, other):
    os.rename(f"{data}/{victim}", f"{data}/between")
    os.rename(f"{data}/{other}", f"{data}/{victim}")
    os.rename(f"{data}/between", f"{data}/{other}")
    return {victim, other}


DIRECTORY_KINDS = (older, emptied, copied, swapped)


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


def compare_those_who_serve(original, rows, victims):
    """A victim that says STALE may lack what the others have: it says so."""
    for n, row in rows.items():
        if row["state"] == "FRESH" or (row["state"] == "STALE" and n not in victims):
            held = export(original.cluster, n)
            if held is not None:
                compare(original, n, held)


def how_it_came_back(said):
    if "older copy" in said:
        return "right data, as a new disk"
    if "rejoining" in said:
        return "right data, rejoined"
    if "state_rebuild" in said or "state_damaged" in said:
        return "right data, made anew"
    if "healing" in said:
        return "right data, healed"
    return "right data"


def outcome(original, nodes, victims):
    """Of the damaged nodes, once the cluster has come to rest. All who serve must be right."""
    cluster = original.cluster
    victim = min(victims)
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        alive = {n: node for n, node in nodes.items() if node.ended() is None}
        refusals = {judge_refusal(nodes[n]) for n in victims if n not in alive}
        for n in set(nodes) - set(alive) - victims:
            judge_refusal(nodes[n])
            raise Wrong(f"{n}, which was not damaged, ended:\n{nodes[n].said()[-2000:]}")
        if len(refusals) == 1 and not set(alive) & victims and len(alive) <= len(nodes) // 2:
            return refusals.pop()  # those who are left are no majority
        rows = {n: row for n, row in cluster.status().items() if n in alive}
        compare_those_who_serve(original, rows, victims)
        states = {row["state"] for row in rows.values()}
        if states == {"FRESH"} and len({row["applied_seq"] for row in rows.values()}) == 1:
            return refusals.pop() if refusals else how_it_came_back(nodes[victim].said())
        time.sleep(0.1)
    raise Wrong(f"the cluster does not come to rest: {rows}\n{nodes[victim].said()[-2000:]}")


# ---- One damage ------------------------------------------------------------------------------------------------------


def start_all(original):
    return {n: Node(original.cluster, n) for n in original.nodes}


def come_up(original, nodes):
    """Before a running node is damaged."""
    end = time.monotonic() + PATIENCE_S
    while {row["state"] for row in original.cluster.status().values()} != {"FRESH"}:
        if any("Address already in use" in node.said() for node in nodes.values()):
            raise Undecided
        if time.monotonic() > end:
            raise Wrong("the undamaged cluster does not come up")
        time.sleep(0.05)


def damage_file(original, victim, rng, kinds):
    """(object, kind), or None: there is nothing of that kind to damage."""
    what, kind = rng.choice(sorted(FILES)), rng.choice(kinds)
    files = files_of(f"{original.cluster.dir}/data/{victim}", what)
    if not files:
        return None
    try:
        kind(rng.choice(files), rng)
    except FileNotFoundError:
        return None
    return what, kind.__name__


def damage_directory(original, victim, rng):
    """(damage, those whose directories are not what they were)"""
    kind = rng.choice(DIRECTORY_KINDS)
    other = rng.choice([n for n in original.nodes if n != victim])
    return ("directory", kind.__name__), kind(f"{original.cluster.dir}/data", victim, other)


def trial(original, rng):
    """(damage, outcome); None: there was nothing of the kind to damage."""
    original.restore()
    victim = rng.choice(sorted(original.nodes))
    victims, nodes, damage = {victim}, {}, None
    scope = rng.choices(("file", "directory", "running"), (6, 2 if len(original.nodes) > 1 else 0, 2))[0]
    try:
        if scope == "running":
            nodes = start_all(original)
            come_up(original, nodes)
            damage = damage_file(original, victim, rng, UNDER_A_RUNNING_NODE)
            damage = damage and (f"running {damage[0]}", damage[1])
        elif scope == "directory":
            damage, victims = damage_directory(original, victim, rng)
        else:
            damage = damage_file(original, victim, rng, KINDS)
        if damage is None:
            return None
        nodes = nodes or start_all(original)
        return damage, outcome(original, nodes, victims)
    except Undecided:
        return None
    except Wrong as wrong:
        raise Wrong(f"{original}: {damage} at {victim}: {wrong}") from None
    finally:
        for node in nodes.values():
            node.end()


# ---- All of it ---------------------------------------------------------------------------------------------------------


def print_table(results):
    outcomes = sorted({o for _, o in results})
    print(f"{'damage':24}" + "".join(f"{o:>27}" for o in outcomes))
    for damage in sorted({d for d, _ in results}):
        counts = collections.Counter(o for d, o in results if d == damage)
        print(f"{' '.join(damage):24}" + "".join(f"{counts[o] or '':>27}" for o in outcomes))


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
