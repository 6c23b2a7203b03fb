"""Every key of the topology at its least, its most and each of its choices: the node starts and serves, or refuses the
file by the key's name. The ranges are those of docs/topology.md, which test_topology holds against the code's table."""
import os
import re
import subprocess
import unittest

from harness import KVD, ROOT, Cluster, main, until

# What another key must be for an extreme to be allowed at all.
COMPANIONS = {
    ("heartbeat_interval", "1h"): {"stale_after": "24h", "election_timeout": "1h"},
    ("stale_after", "1ms"): {"heartbeat_interval": "1ms"},
    ("stale_after", "24h"): {"reject_after": "never"},
    ("reject_after", "1ms"): {"heartbeat_interval": "1ms", "stale_after": "2ms"},
    ("election_timeout", "1ms"): {"heartbeat_interval": "1ms"},
    ("leases", "on"): {"clock_drift_ppm": "200"},
    ("sync_interval", "1ms"): {"durability": "interval"},
    ("sync_interval", "1h"): {"durability": "interval"},
    ("limits.value", "16MiB"): {"limits.message": "64MiB"},
    ("limits.message", "64KiB"): {"limits.value": "1B"},
}

# No companion allows these: half or a third of the least heartbeat_interval, and a request around a value.
NEVER_ALLOWED = {("heartbeat_interval", "1h"), ("stale_after", "1ms"), ("election_timeout", "1ms"),
                 ("reject_after", "1ms"), ("limits.message", "64KiB")}

NAMES = ("x", "x" * 31)


def keys():
    """(key, extreme) of every table in the document; keys of a mapping as `limits.value`."""
    section, found = None, []
    with open(os.path.join(ROOT, "docs/topology.md"), encoding="utf-8") as f:
        for line in f:
            head = re.match(r"### (?:At the top|In (?:each of )?`(\w+)`)", line)
            if head:
                section = head.group(1)
            row = re.match(r"\| `(\w+)` \| (\w+) \| .*? \| (.*?) \| ", line)
            if not row or section == "nodes" or (section is None and not head and not row):
                continue
            name = f"{section}.{row.group(1)}" if section else row.group(1)
            kind, values = row.group(2), row.group(3)
            if kind == "name" and name == "cluster":
                found += [(name, value) for value in NAMES]
            elif " to " in values:
                least, most = values.split(", or ")[0].split(" to ")
                found += [(name, least), (name, most)]
            elif " or " in values:
                found += [(name, value) for value in re.split(", | or ", values)]
    return found


def topology_settings(key, value):
    settings = {}
    for name, text in {**COMPANIONS.get((key, value), {}), key: value}.items():
        section, _, rest = name.partition(".")
        if rest:
            settings.setdefault(section, {})[rest] = text
        else:
            settings[name] = text
    return settings


class Extremes(unittest.TestCase):
    def test_table_is_read(self):
        found = keys()
        for wanted in (("heartbeat_interval", "1ms"), ("limits.message", "64MiB"), ("retention.log", "0"),
                       ("durability", "os"), ("reject_after", "8760h"), ("limits.state", "64TiB")):
            self.assertIn(wanted, found)
        self.assertGreaterEqual(len(found), 35)

    def test_every_extreme_starts_and_serves_or_is_refused_by_name(self):
        for key, value in keys():
            with self.subTest(key=key, value=value), Cluster({"a": "voter"}, **topology_settings(key, value)) as c:
                if (key, value) in NEVER_ALLOWED:
                    done = subprocess.run([KVD, "--topology", c.topology, "--node", "a"], capture_output=True,
                                          text=True, timeout=60, check=False)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn(key.split(".")[-1].split("_")[0], done.stderr)
                    continue
                c.up()
                most = 1 if (key, value) == ("limits.value", "1B") else 4
                until(lambda: c.put("k", "v" * most, "--deadline", "5s"), f"{key}: {value}: a write")
                until(lambda: c.get("k")["value"] == "v" * most, f"{key}: {value}: a read")
                if (key, value) == ("limits.value", "16MiB"):
                    c.kvctl("put", "large", "--value-file", "-", input="v" * (16 << 20))
                    self.assertEqual(len(c.get("large")["value"]), 16 << 20)
                c.kvctl("down")  # cleanly

    def test_shortest_and_longest_names_of_nodes_serve(self):
        for name in NAMES:
            with self.subTest(name=name), Cluster({name: "voter"}) as c:
                c.up()
                until(lambda: c.put("k", "v"), "a write")
                self.assertEqual(c.get("k")["value"], "v")


if __name__ == "__main__":
    main()
