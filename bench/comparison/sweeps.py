"""Throughput against callers, latency against offered load, and what keys cost: points of a curve, for each system in turn."""
import contextlib

from .candor import Candor
from .etcd import Etcd
from .measure import Failed, anonymous_bytes, bytes_on_disk, say
from .redis import Redis

# curve -> system, operation, arguments
CURVES = {
    "get": {"Candor EVENTUAL, asynchronous": ("Candor", "get", {}),
            "Candor EVENTUAL, threads": ("Candor", "get", {"blocking": True}),
            "Candor LINEARIZABLE, threads": ("Candor", "get", {"blocking": True, "level": "linearizable"}),
            "Redis": ("Redis", "get", {}),
            "etcd serializable": ("etcd", "get", {"level": "serializable"}),
            "etcd linearizable": ("etcd", "get", {"level": "linearizable"})},
    "put": {"Candor MAJORITY, asynchronous": ("Candor", "put", {"ack": "majority"}),
            "Candor MAJORITY, threads": ("Candor", "put", {"ack": "majority", "blocking": True}),
            "Candor LOCAL, asynchronous": ("Candor", "put", {}),
            "Redis always + WAIT 1": ("Redis", "put", {"wait": True}),
            "etcd": ("etcd", "put", {})},
}
ENOUGH_CALLERS = {"Candor": 512, "Redis": 256, "etcd": 512}  # of the open loop: nothing waits for a caller before the system is full
FULL = 0.95  # of an offered load: a system that does less is full, and offered no more


def point(systems, system, op, seconds, work):
    try:
        return systems[system].measure(op, seconds, **work)
    except Failed as error:
        say(f"  {system}: {error}")
        return None


def against_callers(systems, settings):
    curves = {}
    for op, lines in CURVES.items():
        for callers in settings.callers:
            for name, (system, _, work) in lines.items():
                if system in systems:
                    at = point(systems, system, op, settings.seconds, {**work, "callers": callers})
                    curves.setdefault(op, {}).setdefault(name, []).append([callers, at and at["rate"]])
            say(f"{op}, {callers} callers: " + ", ".join(f"{name} {p[-1][1] or 0:,.0f}/s" for name, p in curves[op].items()))
    return curves


def against_load(systems, settings):
    """Open loop: [rate that was offered, p50, p99, p99.9] for as long as the system keeps up."""
    curves = {}
    for op, lines in CURVES.items():
        full = set()
        for rate in settings.rates:
            for name, (system, _, work) in lines.items():
                if system not in systems or name in full:
                    continue
                at = point(systems, system, op, settings.seconds, {**work, "callers": ENOUGH_CALLERS[system], "rate": rate})
                if at is None or at["rate"] < FULL * rate:
                    full.add(name)
                    continue
                curves.setdefault(op, {}).setdefault(name, []).append([rate, at["p50"], at["p99"], at["p99_9"]])
            say(f"{op}, {rate:,} a second: " + ", ".join(f"{name} p99.9 {p[-1][3] / 1000:.1f} ms" for name, p in
                                                        curves.get(op, {}).items() if p[-1][0] == rate))
    return curves


# ---- Keys ----------------------------------------------------------------------------------------------------

SIZE_WORK = {"Candor": {"get": {}, "put": {}}, "Redis": {"get": {}, "put": {}}, "etcd": {"get": {"level": "serializable"}, "put": {}}}
RETAINED_BYTES = 64 << 20
SETTINGS = {"retention": {"log": f"{RETAINED_BYTES >> 20}MiB"}, "limits": {"state": "64GiB"}}
KINDS = {"Candor": lambda *args: Candor(*args, **SETTINGS), "Redis": Redis, "etcd": Etcd}


def at_size(kind, keys, settings):
    """One node of one system with so many keys: rates, the server's microseconds an operation, bytes on disk and in memory."""
    system = KINDS[kind](1, keys, settings.value)
    with contextlib.closing(system):
        system.start()
        system.load()
        out = {"keys": keys}
        for op, work in SIZE_WORK[kind].items():
            runs = [system.measure(op, settings.seconds, callers=64, **work) for _ in range(settings.rounds)]
            best = sorted(runs, key=lambda r: r["rate"])[len(runs) // 2]
            out[op] = {"rate": best["rate"], "server_us": best["server_us"]}
        out["anonymous_bytes"] = anonymous_bytes(system.pids()[0])
        out["disk_bytes"] = bytes_on_disk(system.data_folder())
        return out


def against_keys(kinds, settings):
    curves = {}
    for keys in settings.sizes:
        for kind in kinds:
            if kind == "etcd" and keys > settings.etcd_keys_most:
                continue
            out = at_size(kind, keys, settings)
            curves.setdefault(kind, []).append(out)
            say(f"{keys:,} keys, {kind}: GET {out['get']['rate']:,.0f}/s, {out['get']['server_us']:.1f} us; PUT "
                f"{out['put']['rate']:,.0f}/s, {out['put']['server_us']:.1f} us; {out['disk_bytes'] / 1e6:,.0f} MB on disk")
    return curves


def falls(points, settings):
    """From 100,000 keys, or the size nearest to them, to the most: what the targets ask for."""
    if len(points) < 2:
        return {}
    first = min(points[:-1], key=lambda p: abs(p["keys"] - 100_000))
    last = points[-1]
    data = last["keys"] * (16 + settings.value)
    return {"get_fall_percent": 100 * (1 - last["get"]["rate"] / first["get"]["rate"]),
            "put_fall_percent": 100 * (1 - last["put"]["rate"] / first["put"]["rate"]),
            "disk_ratio": max(0, last["disk_bytes"] - RETAINED_BYTES) / data}
