"""kvctl verify: what nodes hold is compared from their bytes, and what differs is named (R60)."""
import json
import os
import subprocess
import unittest

from harness import Cluster, flip_bit, until

ONE = {"a": "voter"}


def verify(cluster, *args, status=0):
    return cluster.json("verify", *args, status=status)


class Verify(unittest.TestCase):
    def test_nodes_that_hold_the_same(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.import_lines(40000)
            c.wait_equal()
            out = verify(c)
            self.assertEqual(out["nodes"], ["a", "b", "c"])
            self.assertEqual((out["entries"], out["differing"], out["unsettled"]), (40000, 0, 0))
            self.assertIn("40000 entries compared at a, b, c: 0 keys differ", c.kvctl("verify")[0])

    def test_while_they_are_written(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.import_lines(3000)
            bench = subprocess.Popen([c.kvctl_path, "bench", "--topology", c.topology, "put", "--keys", "500", "--seconds", "600"],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                until(lambda: c.status()["a"]["applied_seq"] > 4000, "writes run")
                out = verify(c, "-d", "60s")
                self.assertEqual(out["differing"], 0)
                self.assertGreaterEqual(out["entries"], 3000)
            finally:
                bench.kill()
                bench.wait()

    def test_keys_that_differ_are_named(self):
        """Two clusters of one node each stand in for two nodes that differ at equal positions."""
        with Cluster(ONE) as one, Cluster(ONE) as two:
            for c, middle, only in ((one, "v", "only-a"), (two, "w", "only-b")):
                c.up().wait_fresh()
                c.import_lines(3000, 20, "key", "--parallel", "1")  # in order: the same seqs at both
                c.put("middle", middle)
                c.put(only, "v")
                c.put("z", "v")
            path = os.path.join(one.dir, "both.yaml")
            with open(path, "w") as f:
                f.write("cluster: both\nnodes:\n")
                for node, c in (("a", one), ("b", two)):
                    address = c.addresses()["a"]
                    f.write(f"  - id: {node}\n    rpc: {address}\n    stream: tcp://127.0.0.1:{1 if node == 'a' else 3}\n"
                            f"    data: {one.dir}/none-{node}\n    role: voter\n")
            done = subprocess.run([one.kvctl_path, "verify", "--topology", path, "-o", "json"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 3, done.stderr)
            out = json.loads(done.stdout)
            self.assertEqual([k["key"] for k in out["keys"]], ["middle", "only-a", "only-b"])
            self.assertEqual([n["present"] for n in out["keys"][1]["nodes"]], [True, False])
            done = subprocess.run([one.kvctl_path, "verify", "--topology", path, "--max-keys", "1"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 3)
            self.assertIn("middle", done.stdout)
            self.assertNotIn("only-a", done.stdout)
            self.assertIn("1 of 3 keys are shown", done.stderr)

    def test_damaged_bytes_are_named_and_made_anew(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.put("precious", "x" * 10000, "--ack", "all")  # on pages of its own, of which LMDB keeps no older copy
            c.import_lines(1000)
            c.wait_equal()
            flip_bit(f"{c.dir}/data/b/state/current/data.mdb", b"x" * 10000)
            out = verify(c, status=3)
            self.assertEqual([(f["node"], f["damaged"]) for f in out["failed"]], [("b", True)])
            self.assertIn("precious", out["failed"][0]["message"])
            self.assertEqual((out["nodes"], out["differing"]), (["a", "c"], 0))
            c.wait_equal()
            self.assertEqual(verify(c)["nodes"], ["a", "b", "c"])

    def test_what_cannot_be_compared(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.kill("c")
            out = verify(c, status=5)
            self.assertEqual((out["nodes"], out["failed"][0]["node"]), (["a", "b"], "c"))
            self.assertIn("nothing to compare", c.kvctl("verify", "--node", "a", status=2)[1])

    def test_what_a_cut_off_replica_lacks_was_not_compared(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            c.put("before", "v", "--ack", "all")
            c.isolate("c")
            c.put("missing-1", "v", "--ack", "majority")
            c.put("missing-2", "v", "--ack", "majority")

            def settled():  # a node that is slow to answer is not compared at all
                out = verify(c, status=5)
                return (out["entries"], out["differing"], out["unsettled"]) == (3, 0, 2)
            until(settled, "all but what c lacks is compared")
            c.import_lines(3000)  # each is not waited for as long as the first ones
            text, notes = c.kvctl("verify", status=5)
            self.assertIn("compared at a, b, c: 0 keys differ, 3002 could not be compared\n", text)
            self.assertIn("verify: 3002 keys changed all the time, or a node lags: they were not compared", notes)
            c.heal()
            c.wait_equal()
            self.assertEqual(verify(c)["unsettled"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
