"""bench/RESULTS.md, written from what was measured."""
import statistics
import textwrap

from .rows import CELLS, TARGETS

COLUMNS = 98  # and the backslash of a line that goes on

LIMITS = """- One machine: clients and all nodes share its processors and its disk, and the network is loopback.
  What a system spends on its clients' side counts as much as what its servers spend. The systems of
  a group are up at the same time and measured in turn.
- **Redis, WAIT 1**: one replica *has* the write, in memory; with Candor's MAJORITY and etcd's put a
  majority has *synced* it to disk. Redis replicas may lose or fork what was acknowledged; a Redis
  read says nothing of its age. Redis is one thread a node.
- **etcd** keeps all revisions until they are compacted (not done here), and checks a quota. Its
  serializable get is nearest to EVENTUAL, its get to LINEARIZABLE.
- **Generators**: Candor: `kvctl bench`, one process and one client of libcandor: "asynchronous"
  submits operations (candor/async.h), "threads" are callers that block in its calls. Redis:
  `redis-benchmark`; `bench/load/redis_load.c` (one thread, epoll) for WAIT, for a given rate and
  for a timeline. etcd: `bench/load/etcd_load.go`, goroutines over etcd's own client of Debian's
  golang-etcd-server-dev, one connection for each 8 of them, at most 8, to the leader: Debian has
  none of etcd's `benchmark`.
- **Memory** is what a process has of its own (RssAnon). Candor's keys and values are in files that
  it maps, etcd's as well; Redis has them in memory alone, and says them again from its log.
- **Percentiles**: of `kvctl bench` and the two generators above at most 0.8 % too long; of
  redis-benchmark as it prints them.
- **Latency against offered load** counts from when an operation was due, not from when it was sent:
  what a slow answer holds up is late.
- **Failover of Redis** needs Sentinel, and is not measured. A partition is a leader that is stopped
  (SIGSTOP) and goes on later.
- The floor of PUT MAJORITY takes one NNG round trip, a PUB hop each way and one fdatasync, one
  after the other, of 200 bytes."""


def number(value, unit=""):
    if value is None:
        return "-"
    text = f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"
    return text + unit


def table(header, rows):
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(str(cell) for cell in row) + " |"


def verdict(target, results):
    value = target.value(results)
    if value is None:
        return ["not measured", ""]
    met = "met" if target.met(value) else "**missed**"
    if target.keys and target.keys[1](results) < target.keys[0]:
        met += f", but with {target.keys[1](results):,} keys"
    return [number(value, target.unit), met]


def median(rounds, figure):
    values = [r[figure] for r in rounds if r.get(figure) is not None]
    return statistics.median(values) if values else None


def spread(rounds):
    rates = [r["rate"] for r in rounds]
    return f"{number(min(rates))} - {number(max(rates))}"


def cell_rows(results):
    for name in CELLS:
        rounds = results["cells"].get(name)
        if not rounds:
            continue
        troubles = sum(r.get("errors", 0) + r.get("missing", 0) for r in rounds)
        yield [name,
               number(median(rounds, "rate")), spread(rounds), *(number(median(rounds, p)) for p in ("p50", "p99", "p99_9")),
               number(median(rounds, "server_us")), number(median(rounds, "client_us")), troubles or ""]


def key_rows(results):
    for system, points in results["curves"].get("keys", {}).items():
        for p in points:
            yield [system, f"{p['keys']:,}", *(number(p[op][f]) for op in ("get", "put") for f in ("rate", "server_us")),
                   number(p["disk_bytes"] / p["keys"]), number(p["anonymous_bytes"] / p["keys"])]


def picture(name, text):
    return [f"### {text}", "", "<picture>", f'  <source media="(prefers-color-scheme: dark)" srcset="pictures/{name}-dark.svg">',
            f'  <img alt="{text}" src="pictures/{name}-light.svg">', "</picture>", ""]


TITLES = {"callers-get": "GETs a second against operations in flight", "callers-put": "PUTs a second against operations in flight",
          "load-get": "Latency of GETs against offered load", "load-put": "Latency of PUTs against offered load",
          "keys": "What keys cost, one node", "failover": "The node that leads is killed", "partition": "The node that leads is cut off"}


def write(results, names, notes):
    """The text of the document; `names` of the pictures that were drawn, `notes` that somebody wrote about what is missed."""
    lines = ["# What was measured, beside Redis and etcd", "",
             f"{results['began']}, in {results['took_s'] / 60:.0f} minutes, by", "", "```sh",
             " \\\n".join(textwrap.wrap(results["command"], COLUMNS, subsequent_indent="    ")), "```", "",
             "Written by the program. What is to be said of the figures stands in `missed.md` beside it.", ""]
    if results["settings"]["quick"]:
        lines += ["**This is a quick run: it shows that the program works. Its figures mean nothing.**", ""]
    lines += ["## Targets", "", *table(["work", "at least", "measured", "met or missed"], (
        [t.work, t.wanted, *verdict(t, results)] for t in TARGETS)), "",
        f"A ratio is the median of those of the {results['settings']['rounds']} rounds: what the machine did in a round hits both.", ""]
    if notes:
        lines += ["## Why what is missed is missed", "", notes.strip(), ""]
    lines += ["## Machine and settings", "", *table(["", ""], results["machine"].items()), ""]
    if results["left_out"]:
        lines += ["Left out:", "", *(f"- {what}" for what in results["left_out"]), ""]
    lines += ["## What is not comparable", "", LIMITS, ""]
    if results["cells"]:
        lines += ["## Medians", "", "Latencies and processor time (an operation; all servers together, and the client) in microseconds.", "",
                  *table(["work", "a second", "least - most", "p50", "p99", "p99.9", "servers", "client", "failed"], cell_rows(results)), ""]
    if results["curves"].get("keys"):
        lines += ["## Keys", "", "One node, 64 callers; GET and PUT a second and the server's microseconds for each; bytes a key.", "",
                  *table(["system", "keys", "GET", "us", "PUT", "us", "on disk", "memory of its own"], key_rows(results)), ""]
    for kind in ("failover", "partition"):
        for system, line in results["curves"].get(kind, {}).items():
            lines += [f"- {TITLES[kind]}, {system}: no write was acknowledged for {line['gap_ms']} ms", ""]
    if names:
        lines += ["## Pictures", ""]
        for name in names:
            lines += picture(name, TITLES[name])
    return "\n".join(lines).rstrip() + "\n"
