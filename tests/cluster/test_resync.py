"""Coming back: partial resync, snapshot, an empty disk (R11-R14, R4)."""
import glob
import shutil
import unittest

from harness import Cluster, flip_bit, main, until


class Resync(unittest.TestCase):
    def test_away_for_100000_writes_comes_back_without_a_snapshot(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.kill("c")
            c.import_lines(100000)
            c.start("c")
            c.wait_equal()
            self.assertNotIn("snapshot_wanted", c.log_of("c"))
            self.assertEqual(c.export("c"), c.export("a"))

    def test_away_longer_than_the_log_comes_back_by_snapshot_while_writes_go_on(self):
        # A small log: what an absent replica needs is trimmed.
        with Cluster(retention={"log": "1MiB"}) as c:
            c.up().wait_fresh()
            c.kill("c")
            until(lambda: c.import_lines(60000, size=2000, prefix="big") and
                  c.status()["a"]["log_first_seq"] > 1, "the primary trims its log", 200)
            c.start("c")
            n = 0
            while c.status()["c"]["state"] != "FRESH" or n < 5:
                n += 1
                c.put(f"during-{n}", "x")
            c.wait_equal()
            self.assertIn("snapshot_installed", c.log_of("c"))
            self.assertEqual(c.export("c"), c.export("a"))

    def test_a_checkpoint_that_rotted_is_not_sent_to_a_replica(self):
        with Cluster(retention={"log": "1MiB"}) as c:
            c.up().wait_fresh()
            c.trim_log("a")
            c.wait_equal()
            c.kill("c")
            with open(f"{c.dir}/data/a/state/checkpoint/data.mdb", "r+b") as f:
                content = f.read()
                at = content.index(b"x" * 1000)
                f.seek(at)
                f.write(b"y")
            shutil.rmtree(f"{c.dir}/data/c")
            c.start("c")
            c.wait_equal()
            self.assertIn("snapshot_not_served", c.log_of("a"))
            self.assertIn("snapshot_installed", c.log_of("c"))
            self.assertEqual(c.export("c"), c.export("a"))

    def rot_before(self, c, key):
        """The value of `key` rots in the log of a, which goes on, while c comes back and needs it."""
        flip_bit(max(glob.glob(f"{c.dir}/data/a/log/*.log")), key.encode() * 100)
        c.start("c")
        c.wait_equal()
        self.assertEqual((c.status()["a"]["role"], c.status()["a"]["epoch"]), ("primary", 1), "it was not ended")
        self.assertIn("snapshot_installed", c.log_of("c"))
        self.assertEqual(c.export("c"), c.export("a"))
        self.assertIn("log segment", c.status()["a"]["scrub_finding"])
        c.put("after", "x", "--ack", "all")

    def test_a_record_that_rotted_in_the_log_is_replaced_by_a_snapshot(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.kill("c")
            c.put("missed", "missed" * 100, "--ack", "majority")
            c.put("more", "x", "--ack", "majority")
            self.rot_before(c, "missed")

    def test_where_a_replica_ended_may_have_rotted_in_the_log(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.put("its-last", "its-last" * 100, "--ack", "all")
            c.wait_equal()
            c.kill("c")
            c.put("more", "x", "--ack", "majority")
            self.rot_before(c, "its-last")

    def test_empty_data_directory_is_filled_and_readmitted(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.import_lines(2000)
            c.wait_equal()
            c.kill("c")
            shutil.rmtree(f"{c.dir}/data/c")
            c.start("c")
            c.wait_equal()
            until(lambda: c.status()["c"]["admitted"], "c is admitted again")
            self.assertEqual(c.export("c"), c.export("a"))

    def test_blank_disk_under_an_old_id_elects_nobody_before_it_is_readmitted(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.put("k", "old")
            c.wait_equal()
            c.kill("c")
            c.put("k", "acknowledged by a and b", "--ack", "majority")
            c.kill("a")
            c.kill("b")
            shutil.rmtree(f"{c.dir}/data/b")  # it forgets the write, and what it promised
            c.start("b")
            c.start("c")
            until(lambda: c.kvctl("health", "--node", "c", status=(0, 1, 5)), "c answers")
            for _ in range(3):  # c alone has data, b's vote would make a majority
                c.kvctl("promote", "c", status=5)
                self.assertNotIn("primary", [c.status()[n]["role"] for n in "bc"])
            c.start("a")
            until(lambda: c.status()["b"]["admitted"], "b is admitted again")
            c.wait_equal()
            self.assertEqual(c.get("k", "--node", "b")["value"], "acknowledged by a and b")

    def test_when_most_disks_are_lost_a_forced_promotion_takes_the_new_ones_in(self):
        with Cluster() as c:
            c.up().wait_fresh()
            c.put("k", "v", "--ack", "all")
            for lost in "ab":
                c.kill(lost)
                shutil.rmtree(f"{c.dir}/data/{lost}")
                c.start(lost)
            # It takes in the disks that it hears at that moment (R28): the operator forces again when that was too early.
            until(lambda: c.kvctl("promote", "c", "--force", "--yes", status=(0, 5)) and
                  c.kvctl("put", "k2", "v2", "--ack", "majority", "--deadline", "3s", status=(0, 5))[1] == "",
                  "a majority holds it")
            c.wait_equal()
            self.assertTrue(all(row["admitted"] for row in c.status().values()))
            self.assertEqual(c.get("k", "--node", "a")["value"], "v")


if __name__ == "__main__":
    main()
