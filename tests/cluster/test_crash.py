"""kill -9, SIGSTOP and restarts under load: nothing acknowledged is lost, nobody needs an operator."""
import json
import random
import threading
import unittest

from harness import Cluster, main, python_client, until


candor = python_client()


class Writer(threading.Thread):
    """Writes numbered keys one after the other and remembers what was acknowledged."""

    def __init__(self, cluster, name):
        super().__init__(daemon=True)
        self.client = candor.Client(cluster.addresses().values(), deadline=2)
        self.prefix, self.acked, self.halt = name, {}, threading.Event()

    def run(self):
        n = 0
        while not self.halt.is_set():
            n += 1
            key = f"{self.prefix}-{n}"
            try:
                self.client.put(key.encode(), f"value-{n}".encode())
                self.acked[key] = f"value-{n}"
            except candor.CandorError:
                pass  # not acknowledged: anything may have become of it

    def stop(self):
        self.halt.set()
        self.join()


def export_map(cluster, node):
    pairs = {}
    for line in cluster.export(node).splitlines():
        item = json.loads(line)
        pairs[item["key"]] = item["value"]
    return pairs


class Crash(unittest.TestCase):
    def test_fifty_kills_under_write_load_lose_no_acknowledged_write(self):
        rng = random.Random(1)
        with Cluster() as c:
            c.up().wait_fresh()
            writers = [Writer(c, f"w{i}") for i in range(3)]
            for w in writers:
                w.start()
            for round in range(50):
                node = rng.choice(sorted(c.nodes))
                acked = sum(len(w.acked) for w in writers)
                c.kill(node)
                c.start(node)
                # Writes go on again before the next kill, so each kill meets load.
                until(lambda: sum(len(w.acked) for w in writers) > acked, f"writes after kill {round}")
            for w in writers:
                w.stop()
            c.wait_equal()
            acked = {}
            for w in writers:
                acked.update(w.acked)
            self.assertGreater(len(acked), 50)
            states = [c.export(n) for n in c.nodes]
            self.assertEqual(len(set(states)), 1, "nodes differ")
            have = export_map(c, "a")
            missing = [k for k, v in acked.items() if have.get(k) != v]
            self.assertEqual(missing, [])

    def test_paused_primary_is_waited_for_and_goes_on(self):
        with Cluster() as c:
            c.up().wait_fresh()
            primary = c.primary()
            replica = next(n for n in c.nodes if n != primary)
            c.put("k", "v")
            c.wait_equal()
            c.pause(primary)
            try:
                until(lambda: c.get("k", "--node", replica, "--no-redirect")["freshness"]["stale"],
                      "the replica flags its answers")
            finally:
                c.resume(primary)
            c.wait_fresh()
            c.put("k", "v2")
            c.wait_equal()
            self.assertEqual(c.get("k", "--node", replica)["value"], "v2")

    def test_clean_shutdown_and_restart_keep_everything(self):
        with Cluster() as c:
            c.up().wait_fresh()
            for i in range(20):
                c.put(f"k{i}", f"v{i}")
            c.kvctl("down")
            c.up().wait_fresh()
            for i in range(20):
                self.assertEqual(c.get(f"k{i}")["value"], f"v{i}")


if __name__ == "__main__":
    main()
