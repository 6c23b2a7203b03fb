"""What is measured (CELLS), and what is to be reached (TARGETS). A cell is one system doing one kind of work; those of a group are measured
in turn, while the systems of that group are up."""
import statistics

THREE, ONE = "three nodes", "one node"

# name -> group, what it belongs to (--only), system, operation and arguments of its measure()
CELLS = {
    "floor: NNG echo, 1 caller": (THREE, "floors", "floors", "echo", {}),
    "floor: NNG PUB/SUB, there and back": (THREE, "floors", "floors", "hop", {}),
    "floor: append + fdatasync": (THREE, "floors", "floors", "fsync", {}),

    "GET EVENTUAL, 64 asynchronous": (THREE, "get", "Candor", "get", {"callers": 64}),
    "GET EVENTUAL, 64 threads": (THREE, "get", "Candor", "get", {"callers": 64, "blocking": True}),
    "GET SESSION, 64 threads": (THREE, "get", "Candor", "get", {"callers": 64, "blocking": True, "level": "session"}),
    "GET LINEARIZABLE at the primary, 64 threads": (THREE, "get", "Candor", "get",
                                                    {"callers": 64, "blocking": True, "level": "linearizable"}),
    "GET LINEARIZABLE at a replica, 64 threads": (THREE, "get", "Candor", "get",
                                                  {"callers": 64, "blocking": True, "level": "linearizable", "node": "replica"}),
    "Redis GET, 64 connections": (THREE, "get", "Redis", "get", {"callers": 64}),
    "etcd get serializable, 64": (THREE, "get", "etcd", "get", {"callers": 64, "level": "serializable"}),
    "etcd get linearizable, 64": (THREE, "get", "etcd", "get", {"callers": 64, "level": "linearizable"}),
    "16 GETs a message, 16 callers": (THREE, "get", "Candor", "get", {"callers": 16, "batch": 16}),
    "Redis GET -P 16, 16 connections": (THREE, "get", "Redis", "get", {"callers": 16, "batch": 16}),
    "GET EVENTUAL, 1 caller": (THREE, "get", "Candor", "get", {"callers": 1, "blocking": True}),
    "GET LINEARIZABLE at the primary, 1 caller": (THREE, "get", "Candor", "get",
                                                  {"callers": 1, "blocking": True, "level": "linearizable"}),
    "Redis GET, 1 connection": (THREE, "get", "Redis", "get", {"callers": 1}),
    "etcd get linearizable, 1": (THREE, "get", "etcd", "get", {"callers": 1, "level": "linearizable"}),

    "PUT MAJORITY, 64 threads": (THREE, "put", "Candor", "put", {"callers": 64, "blocking": True, "ack": "majority"}),
    "PUT MAJORITY, 64 asynchronous": (THREE, "put", "Candor", "put", {"callers": 64, "ack": "majority"}),
    "PUT LOCAL, 64 threads": (THREE, "put", "Candor", "put", {"callers": 64, "blocking": True}),
    "Redis SET always + WAIT 1, 64 connections": (THREE, "put", "Redis", "put", {"callers": 64, "wait": True}),
    "etcd put, 64": (THREE, "put", "etcd", "put", {"callers": 64}),
    "PUT MAJORITY, 256 threads": (THREE, "put", "Candor", "put", {"callers": 256, "blocking": True, "ack": "majority"}),
    "Redis SET always + WAIT 1, 256 connections": (THREE, "put", "Redis", "put", {"callers": 256, "wait": True}),
    "etcd put, 256": (THREE, "put", "etcd", "put", {"callers": 256}),
    "PUT MAJORITY, 1 caller": (THREE, "put", "Candor", "put", {"callers": 1, "blocking": True, "ack": "majority"}),
    "PUT LOCAL, 1 caller": (THREE, "put", "Candor", "put", {"callers": 1, "blocking": True}),
    "Redis SET always + WAIT 1, 1 connection": (THREE, "put", "Redis", "put", {"callers": 1, "wait": True}),
    "etcd put, 1": (THREE, "put", "etcd", "put", {"callers": 1}),

    "lag of a replica under full write load": (THREE, "lag", "Candor", "lag", {}),

    "one node: PUT LOCAL, 64 threads": (ONE, "put", "Candor", "put", {"callers": 64, "blocking": True}),
    "one node: PUT LOCAL, 64 asynchronous": (ONE, "put", "Candor", "put", {"callers": 64}),
    "one node: Redis SET always, 64 connections": (ONE, "put", "Redis", "put", {"callers": 64}),
}

PARTS = ("get", "put", "lag", "snapshot", "memory", "sizes", "callers", "load", "failover", "partition")

ECHO, HOP, FSYNC = "floor: NNG echo, 1 caller", "floor: NNG PUB/SUB, there and back", "floor: append + fdatasync"
REDIS_GET = "Redis GET, 64 connections"


class Target:
    """One thing to reach: `value(results)` gives the medians' figure, or None where something was not measured."""

    def __init__(self, part, work, wanted, value, met, unit, keys=None):
        self.part, self.work, self.wanted, self.value, self.met, self.unit = part, work, wanted, value, met, unit
        self.keys = keys  # with how many keys it is to be reached, and a function of the results: with how many it was measured


def per_round(results, figure, cell, others):
    """The figure of a cell by the sum of the others', round by round: what the machine did in a round hits all of them."""
    if any(not results["cells"].get(name) for name in (cell, *others)):
        return None
    rows = zip(results["cells"][cell], *(results["cells"][name] for name in others))
    return statistics.median(mine[figure] / sum(other[figure] for other in theirs) for mine, *theirs in rows)


def rate(part, cell, factor, other, text):
    return Target(part, cell, f"{factor} x {text}", lambda r: per_round(r, "rate", cell, [other]), lambda v: v >= factor, " x")


def latency(part, cell, factor, others, text):
    return Target(part, f"{cell}, p50", f"at most {factor} x {text}" if factor != 1 else f"below {text}",
                  lambda r: per_round(r, "p50", cell, others), lambda v: v <= factor, " x")


def median_of(results, cell, figure):
    rounds = results["cells"].get(cell)
    return statistics.median(r[figure] for r in rounds) if rounds else None


def scalar(part, work, wanted, name, most, unit):
    keys = (60_000_000, lambda r: r["settings"]["sizes"][-1]) if part == "sizes" else (1_000_000, lambda r: r["settings"]["many"])
    return Target(part, work, wanted, lambda r: r["long"].get(name), lambda v: v <= most, unit, keys)


TARGETS = [
    rate("get", "GET EVENTUAL, 64 asynchronous", 4, REDIS_GET, "Redis GET with 64 connections"),
    rate("get", "GET EVENTUAL, 64 threads", 2, REDIS_GET, "the same Redis figure"),
    rate("get", "GET EVENTUAL, 64 threads", 8, "etcd get serializable, 64", "etcd serializable"),
    rate("get", "GET LINEARIZABLE at the primary, 64 threads", 8, "etcd get linearizable, 64", "etcd linearizable"),
    rate("get", "GET LINEARIZABLE at a replica, 64 threads", 5, "etcd get linearizable, 64", "etcd linearizable"),
    rate("get", "16 GETs a message, 16 callers", 1, "Redis GET -P 16, 16 connections", "Redis -P 16 with 16 connections"),
    latency("get", "GET EVENTUAL, 1 caller", 1.1, [ECHO], "the bare NNG echo"),
    latency("get", "GET LINEARIZABLE at the primary, 1 caller", 2.2, [ECHO], "the bare NNG echo"),
    rate("put", "one node: PUT LOCAL, 64 threads", 1.5, "one node: Redis SET always, 64 connections", "Redis AOF always"),
    rate("put", "PUT MAJORITY, 64 threads", 6, "etcd put, 64", "etcd put"),
    rate("put", "PUT MAJORITY, 64 threads", 2, "Redis SET always + WAIT 1, 64 connections", "Redis always + WAIT 1"),
    latency("put", "PUT MAJORITY, 1 caller", 1, ["Redis SET always + WAIT 1, 1 connection"], "Redis always + WAIT 1"),
    latency("put", "PUT MAJORITY, 1 caller", 1.5, [ECHO, HOP, FSYNC], "(NNG round trip + PUB hop each way + fdatasync)"),
    Target("lag", "replica lag under full write load, p99", "below 5 ms",
           lambda r: (v := median_of(r, "lag of a replica under full write load", "p99")) and v / 1000, lambda v: v < 5, " ms"),
    scalar("snapshot", "snapshot of 1 M keys to an empty node while writes go on", "below 5 s", "snapshot_s", 5, " s"),
    scalar("memory", "anonymous RSS with 1 M keys of 16 + 128 bytes", "below Redis's", "memory_ratio", 1, " x"),
    scalar("sizes", "GET, 100 k to 60 M keys", "falls by less than 15 %", "get_fall_percent", 15, " %"),
    scalar("sizes", "PUT LOCAL, 100 k to 60 M keys", "falls by less than 25 %", "put_fall_percent", 25, " %"),
    scalar("sizes", "bytes on disk, of those of the keys and values, beyond retention.log", "at most 2 x", "disk_ratio", 2, " x"),
]
