"""The story that scripts/demo tells. It checks everything it says and ends with status 1 when something differs."""
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests/cluster"))
from harness import copy_on_free_ports  # noqa: E402

KVCTL = os.path.join(ROOT, "build/bin/kvctl")
DATA = "/usr/share/unicode/UnicodeData.txt"
NODES = ("a", "b", "c")
BOLD, DIM, RED, PLAIN = ("\033[1m", "\033[2m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("",) * 4


class Differs(Exception):
    pass


def say(text):
    print(f"\n{BOLD}{text}{PLAIN}", flush=True)


def check(holds, what):
    if not holds:
        raise Differs(what)
    print(f"  ✓ {what}", flush=True)


class Demo:
    def __init__(self, directory):
        self.dir = directory
        self.run_dir = os.path.join(directory, "run")
        self.topology = os.path.join(directory, "three.yaml")
        copy_on_free_ports(os.path.join(ROOT, "examples/topologies/three.yaml"), self.topology)

    def kvctl(self, *args, show=True, status=(0,), place=None):
        if place is None:
            place = ["--run-dir", self.run_dir] if args[0] in ("up", "down", "fault", "node") \
                else ["--topology", self.topology]
        if show:
            print(f"{DIM}$ kvctl {shlex.join(args)}{PLAIN}", flush=True)
        done = subprocess.run([KVCTL, args[0], *place, *args[1:]], capture_output=True, text=True,
                              timeout=120, check=False)
        if done.returncode not in status:
            raise Differs(f"kvctl {' '.join(args)} ended with {done.returncode}: {done.stderr or done.stdout}")
        return done

    def show(self, *args, **kwargs):
        done = self.kvctl(*args, **kwargs)
        for line in (done.stdout + done.stderr).rstrip().splitlines():
            print("  " + line)
        return done

    def json(self, *args, **kwargs):
        done = self.kvctl(args[0], "-o", "json", *args[1:], show=False, **kwargs)
        return json.loads(done.stdout)

    def get(self, key, node, *args):
        return self.json("get", key, "--node", node, "--no-redirect", *args)

    def status(self):
        return {n["node"]: n for n in self.json("status", status=(0, 5))["nodes"]}

    def until(self, condition, what, seconds=40):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                got = condition()
                if got:
                    return got
            except Differs:
                pass
            time.sleep(0.05)
        raise Differs(f"not within {seconds} s: {what}")

    def all_equal(self):
        rows = self.status().values()
        return all(r["state"] == "FRESH" for r in rows) and len({r["applied_seq"] for r in rows}) == 1

    # -- the chapters ------------------------------------------------------------------------------

    def start(self):
        say("1. Three nodes from one YAML file, with a proxy between them that can cut the network.")
        self.show("up", self.topology, "--with-fault-proxy")
        check(all(r["state"] == "FRESH" for r in self.status().values()), "all nodes are FRESH at once")
        self.show("status")

    def load(self):
        say("2. Unicode's character table goes in through the primary, and is read back from every node.")
        lines = open(DATA, encoding="utf-8").read().splitlines()
        self.show("import", DATA, "--separator", ";", "--key-field", "1")
        self.until(self.all_equal, "all nodes equal")
        snowman = next(line for line in lines if line.startswith("2603;"))
        for node in NODES:
            check(self.get("2603", node)["value"] == snowman, f"{node} answers 2603 with the snowman")
        exports = {n: self.kvctl("export", "--node", n, "--no-redirect", show=False).stdout for n in NODES}
        check(len(exports["a"].splitlines()) == len(lines), f"a holds all {len(lines)} characters")
        check(exports["a"] == exports["b"] == exports["c"], "all three nodes hold the same bytes")

    def partition(self):
        say("3. The network between c and the others is cut. c cannot know why, but it knows that, and says so.")
        for other in ("a", "b"):
            self.show("fault", "cut", "c", other)
        self.until(lambda: self.get("2603", "c")["freshness"]["stale"], "c flags its answers")
        self.kvctl("put", "2603", "a melted snowman", show=True)
        first = self.get("2603", "c")["freshness"]
        second = self.until(lambda: (f := self.get("2603", "c")["freshness"])["heartbeat_age_ms"] >
                            first["heartbeat_age_ms"] + 500 and f, "the age grows")
        self.show("get", "2603", "--node", "c", "--no-redirect")
        check("SNOWMAN" in self.get("2603", "c")["value"], "c keeps serving what it has")
        check(second["stale"] and second["state"] == "STALE", "every answer of c says stale = true")
        check(second["heartbeat_age_ms"] > first["heartbeat_age_ms"],
              f"and its age: {first['heartbeat_age_ms']} ms, then {second['heartbeat_age_ms']} ms")
        check(second["staleness_bound_ms"] > first["staleness_bound_ms"], "the proven bound grows with it")

        say("   Whoever needs newer data says so: BOUNDED at c is a redirect that names the primary.")
        done = self.show("get", "2603", "--node", "c", "--level", "bounded", "--max-staleness", "300ms",
                         "--no-redirect", status=(4,))
        check("TOO_STALE" in done.stderr, "refused TOO_STALE, exit status 4")
        reply = self.json("get", "2603", "--node", "c", "--level", "bounded", "--max-staleness", "300ms")
        check(reply["value"] == "a melted snowman" and reply["freshness"]["node"] == "a",
              "the client follows it and gets the new value from a")

    def heal(self):
        say("4. While c is away, 34,000 more writes happen. Then the network heals; no restart, no operator.")
        self.show("import", DATA, "--separator", ";", "--key-field", "1", "--key-prefix", "again-")
        self.show("fault", "heal", "--all")
        seen = set()

        def fresh():
            done = self.kvctl("get", "2603", "--node", "c", "--no-redirect", "-o", "json", show=False,
                              status=(0, 4))
            if done.returncode == 4:
                seen.add("SYNCING" if "SYNCING" in done.stderr else done.stderr)
                return False
            return json.loads(done.stdout)["freshness"]["state"] == "FRESH"
        self.until(fresh, "c is FRESH again")
        if seen:
            check(seen == {"SYNCING"}, "while catching up c gave no data, but a redirect: SYNCING")
        else:
            print("  (c caught up faster than one question)")
        check(self.get("2603", "c")["value"] == "a melted snowman", "then FRESH, with what it had missed")

    def split(self):
        say("5. Now the primary a is cut off, and b is promoted by vote. a cannot know, and goes on writing.")
        for other in ("b", "c"):
            self.show("fault", "cut", "a", other)
        self.until(lambda: self.kvctl("promote", "b", show=False, status=(0, 5)).returncode == 0,
                   "b wins the vote")
        print(f"{DIM}$ kvctl promote b{PLAIN}")
        for n in range(3):
            self.kvctl("put", f"cart-{n}", "written at a", "--node", "a", "--no-redirect", show=n == 0)
        self.kvctl("put", "cart-0", "written at b", "--node", "b", "--no-redirect")
        self.until(lambda: self.status()["a"]["state"] == "STALE", "a has lost its majority")
        rows = self.status()
        self.show("status")
        check(rows["a"]["role"] == rows["b"]["role"] == "primary", "two primaries, in two epochs: "
              f"{rows['a']['epoch']} and {rows['b']['epoch']}")
        check(rows["a"]["state"] == "STALE", "a no longer says that it is fresh")

    def reunite(self):
        say("6. The network heals. One history wins; what the other acknowledged is archived, not lost silently.")
        self.show("fault", "heal", "--all")
        self.until(self.all_equal, "all nodes equal", 60)
        self.show("status")
        rows = self.status()
        check(len({r["epoch"] for r in rows.values()}) == 1, f"one epoch everywhere: {rows['a']['epoch']}")
        for node in NODES:
            check(self.get("cart-0", node)["value"] == "written at b", f"{node}: cart-0 is b's")
        exports = {self.kvctl("export", "--node", n, "--no-redirect", show=False).stdout for n in NODES}
        check(len(exports) == 1, "all three nodes hold the same bytes")
        archives = self.json("rollback", "ls", "--node", "a")["archives"]
        check(len(archives) == 1, "a archived what it discarded")
        done = self.show("rollback", "show", archives[0]["id"], "--node", "a")
        check(all(f"cart-{n}" in done.stdout for n in range(3)), "all three discarded writes are in it")

    def run(self):
        try:
            for chapter in (self.start, self.load, self.partition, self.heal, self.split, self.reunite):
                chapter()
            say("Everything was as told. The nodes are shut down; nothing is left behind.")
        finally:
            self.kvctl("down", show=False, status=(0, 1, 2, 5))


def main():
    directory = tempfile.mkdtemp(prefix="candor-demo-")
    started = time.monotonic()
    try:
        Demo(directory).run()
    except Differs as difference:
        print(f"\n{RED}The demo differs from what it tells: {difference}{PLAIN}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{DIM}{time.monotonic() - started:.0f} s{PLAIN}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
