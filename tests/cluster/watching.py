"""Watches through failovers, snapshots and compactions: each must be told the committed history of its range, whole and in order,
or that it was not.

    tests/cluster/watching --watchers 200 --failovers 50 --seed 7

A writer puts and deletes keys at level MAJORITY meanwhile, and notes where each write stands. The primary is killed again and
again. Now and then a replica is kept down, and half of the watches sleep, while so much is written that logs are trimmed: the replica
comes back with a snapshot, the watches meet logs that do not reach back. Now and then the primary is killed with a LOCAL write that
only it has: whoever was told of it, since he watches what is not committed, too, is told that it has not happened.
"""
import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading

from harness import BIN, Cluster, Refused, until

PROGRAM = os.path.join(BIN, "watchers")


class Writer(threading.Thread):
    """Unique values, one after the other; what was acknowledged is known with its position."""

    def __init__(self, cluster, seed):
        super().__init__(daemon=True, name="writer")
        self.cluster, self.rng = cluster, random.Random(f"{seed}/writer")
        self.halt = threading.Event()
        self.acknowledged = {}  # seq: (type, key, value)
        self.unknown = set()  # (type, key, value) that may have been executed
        self.count, self.failure = 0, None

    def run(self):
        try:
            while not self.halt.is_set():
                self.write()
        except BaseException as error:  # told by stop()
            self.failure = error

    def write(self):
        self.count += 1
        key = self.rng.choice("ab") + str(self.rng.randrange(20))
        event = ("delete", key, "") if self.rng.random() < 0.2 else ("put", key, f"v{self.count}")
        command = ("del", key) if event[0] == "delete" else ("put", key, event[2])
        try:
            done = self.cluster.json(*command, "--ack", "majority", "--deadline", "30s")
            self.acknowledged[done["pos"]["seq"]] = event
        except Refused:
            self.unknown.add(event)

    def stop(self):
        self.halt.set()
        self.join(120)
        assert not self.is_alive(), "the writer hangs"
        if self.failure:
            raise RuntimeError("the writer failed") from self.failure


class Watchers:
    def __init__(self, cluster, count):
        self.directory = tempfile.mkdtemp(prefix="candor-test-", dir=cluster.dir)
        self.count = count
        endpoints = [word for address in cluster.addresses().values() for word in ("--endpoint", address)]
        self.process = subprocess.Popen([PROGRAM, "--out", self.directory, "--watchers", str(count), *endpoints],
                                        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def told(self, number):
        """Whole lines."""
        with open(os.path.join(self.directory, f"{number}.tsv"), encoding="utf-8") as f:
            text = f.read()
        lines = text[:text.rfind("\n") + 1].splitlines()
        return [(kind, int(seq), key, value) for kind, seq, key, value in (line.split("\t") for line in lines)]

    def has_seen(self, number, line):
        with open(os.path.join(self.directory, f"{number}.tsv"), "rb") as f:
            f.seek(max(0, os.path.getsize(f.name) - 4096))
            return line in f.read()

    def have_all_seen(self, key, value):
        return all(self.has_seen(n, f"\t{key}\t{value}\n".encode()) for n in range(self.count))

    def end(self):
        _, err = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, err


class Piece:
    """History without a gap, behind a position; `state` is what was there then (None: it begins with the log)."""

    def __init__(self, behind, state=None):
        self.behind, self.state, self.events = behind, state, {}
        self.last = behind


class Told:
    """What one watch was told, as it stands in the end."""

    def __init__(self, number, lines):
        self.number, self.prefix = number, "a" if number % 3 == 1 else ""
        self.state = {} if number % 5 == 1 else None  # while it is being told: {key: (seq, value)}
        self.pieces = [] if self.state is not None else [Piece(0)]
        self.compacted = self.rolled_back = 0
        for kind, seq, key, value in lines:
            if kind == "compacted":
                self.compacted += 1
                self.state = {}
            elif kind == "state":
                self.state[key] = (seq, value)
            elif kind == "end":
                self.pieces.append(Piece(seq, self.state))
                self.state = None
            elif kind == "back":
                self.roll_back(seq)
            else:
                self.add(seq, (kind, key, value))

    def roll_back(self, seq):
        assert self.number % 5 == 2, f"watch {self.number}: what was committed is taken back from {seq} on"
        self.rolled_back += 1
        if seq == 0:  # nobody knows from where on: the present state follows
            self.pieces, self.state = [], {}
        for piece in self.pieces:
            assert piece.behind < seq, f"watch {self.number}: its present state was rolled back, and is not told anew"
            piece.events = {s: event for s, event in piece.events.items() if s < seq}
            piece.last = max(piece.events, default=piece.behind)

    def add(self, seq, event):
        if self.state is not None:  # of a key that was told already
            self.state[event[1]] = (seq, event[2])
            if event[0] == "delete":
                del self.state[event[1]]
            return
        piece = self.pieces[-1]
        assert seq >= piece.last and seq > piece.behind, f"watch {self.number}: {seq} {event} behind {piece.last}"
        piece.last = seq
        piece.events.setdefault(seq, []).append(event)


def judge(lines, writer):
    """`lines`: of each watch, its number and what it was told."""
    told = [Told(number, of_one) for number, of_one in lines]
    truth = {}
    for one in told:
        for seq, events in ((seq, events) for piece in one.pieces for seq, events in piece.events.items()):
            if not one.prefix:
                assert truth.setdefault(seq, events) == events, f"watch {one.number}: {seq} is {events}, and {truth[seq]} to others"
    whole = [one for one in told if not one.prefix and len(one.pieces) == 1 and one.pieces[0].state is None]
    assert whole, "no watch has seen everything: there is nothing to compare with"
    for seq, event in writer.acknowledged.items():
        assert truth.get(seq) == [event], f"the acknowledged {event} at {seq} is {truth.get(seq)}"
    allowed = set(writer.acknowledged.values()) | writer.unknown
    strange = [e for events in truth.values() for e in events if e not in allowed and not e[1].startswith("big")]
    assert not strange, f"nobody wrote {strange[:3]}"
    for one in told:
        check_against(one, truth)
    return {"watches": len(told), "events": sum(len(p.events) for one in told for p in one.pieces), "records": len(truth),
            "compacted": sum(one.compacted for one in told), "rolled_back": sum(one.rolled_back for one in told),
            "acknowledged": len(writer.acknowledged), "unknown": len(writer.unknown)}


def check_against(one, truth):
    """Each piece holds all that happened in its range between its first and its last position."""
    for piece in one.pieces:
        wanted = {seq: [e for e in events if e[1].startswith(one.prefix)] for seq, events in truth.items()
                  if piece.behind < seq <= piece.last}
        wanted = {seq: events for seq, events in wanted.items() if events}
        wrong = [seq for seq in sorted(wanted.keys() | piece.events.keys()) if wanted.get(seq) != piece.events.get(seq)]
        assert not wrong, f"watch {one.number}: at {wrong[:5]} it was told {[piece.events.get(s) for s in wrong[:5]]}, and " \
            f"{[wanted.get(s) for s in wrong[:5]]} happened"
        if piece.state is not None:
            check_state(one, piece, truth)


def check_state(one, piece, truth):
    expected = {}
    for seq, events in sorted(truth.items()):
        for kind, key, value in events:
            if seq <= piece.behind and key.startswith(one.prefix):
                expected[key] = (seq, value)
                if kind == "delete":
                    del expected[key]
    wrong = [key for key in expected.keys() | piece.state.keys() if expected.get(key) != piece.state.get(key)]
    assert not wrong, f"watch {one.number}: in the state up to {piece.behind} {wrong[0]} is {piece.state.get(wrong[0])}, and was " \
        f"{expected.get(wrong[0])}"


def check_the_judge(lines, writer):
    """It finds what is missing, comes twice, comes too early, or is another value."""
    number, good = lines[0]
    at = next(i for i in range(len(good) // 2, len(good)) if good[i][2][:1] in "ab" and good[i][0] == "put")
    kind, seq, key, _ = good[at]
    for bad in (good[:at] + good[at + 1:], good[:at] + [good[at]] + good[at:], good[:at] + [good[at + 1], good[at]] + good[at + 2:],
                good[:at] + [(kind, seq, key, "other")] + good[at + 1:]):
        try:
            judge([(number, bad)] + lines[1:], writer)
        except AssertionError:
            continue
        raise RuntimeError(f"the judge does not see what is wrong at {seq}")


def trim_logs(cluster, rng, sleepy):
    away = rng.choice([node for node in sorted(cluster.nodes) if node != cluster.primary()])
    sleepy.process.send_signal(signal.SIGSTOP)
    cluster.kill(away)
    cluster.trim_log(cluster.primary())
    cluster.start(away)
    sleepy.process.send_signal(signal.SIGCONT)


def write_what_will_be_lost(cluster, writer, n):
    """Acknowledged by the primary, when nobody else is there."""
    primary = cluster.primary()
    others = [node for node in cluster.nodes if node != primary]
    for node in others:
        cluster.kill(node)
    writer.unknown.add(("put", "alost", str(n)))
    with contextlib.suppress(Refused):
        cluster.kvctl("put", "alost", str(n), "--node", primary, "--no-redirect", "--deadline", "2s")
    cluster.kill(primary)
    for node in others:
        cluster.start(node)


def fail_over(cluster, rng, sleepy, writer, n):
    if n % 5 == 1:
        trim_logs(cluster, rng, sleepy)
    cluster.wait_fresh()
    if n % 5 == 2:
        write_what_will_be_lost(cluster, writer, n)
    else:
        cluster.kill(cluster.primary())
    until(lambda: any(row["role"] == "primary" for row in cluster.status().values()), "another primary")
    for node, row in cluster.status().items():
        if row["state"] == "UNREACHABLE":
            cluster.start(node)
    cluster.wait_fresh()


def run(watchers, failovers, seed, say=lambda text: None):
    rng = random.Random(seed)
    with Cluster(failover="automatic", retention={"log": "1MiB"}) as c:
        c.up()
        c.wait_fresh()
        c.kvctl("put", "a0", "v0", "--ack", "majority")
        steady, sleepy = Watchers(c, watchers - watchers // 2), Watchers(c, watchers // 2)
        writer = Writer(c, seed)
        writer.unknown.add(("put", "a0", "v0"))
        writer.start()
        for n in range(failovers):
            fail_over(c, rng, sleepy, writer, n)
            say(f"failover {n + 1} of {failovers}, {writer.count} writes")
        writer.stop()
        for prefix in "ba":
            c.kvctl("put", prefix + "last", "last", "--ack", "majority", "--deadline", "60s")
            writer.unknown.add(("put", prefix + "last", "last"))
        for group in (steady, sleepy):
            until(lambda group=group: group.have_all_seen("alast", "last"), "all watches to see the end", 120)
            group.end()
        lines = [(n, group.told(n)) for group in (steady, sleepy) for n in range(group.count)]
        result = judge(lines, writer)
        check_the_judge(lines, writer)
        return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--failovers", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    print(run(options.watchers, options.failovers, options.seed, lambda text: print(text, flush=True)))
    sys.exit(0)
