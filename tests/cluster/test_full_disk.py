"""Disks that are really full: each node's data on a small tmpfs, in mount namespaces of this test's own."""
import os
import subprocess
import sys
import unittest

from harness import Cluster, Refused, main, until

DISK = "80m"  # a log segment of 64 MiB, the state, and little else
VALUE = "x" * 100000


def enter_namespaces():
    """Runs this file again where it may mount; one that may not says so and tests nothing."""
    if os.environ.get("CANDOR_TEST_MAY_MOUNT"):
        return
    flags = next((f for f in ("-m", "-Urm") if subprocess.run(
        ["unshare", f, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False).returncode == 0), None)
    if flags is None:
        print("skipped: no namespace to mount in")
        sys.exit(0)
    os.environ["CANDOR_TEST_MAY_MOUNT"] = "1"
    os.execvp("unshare", ["unshare", flags, sys.executable, "-B", *sys.argv])


class SmallDisks(Cluster):
    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        for node in self.nodes:
            os.makedirs(self.disk(node))
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", self.disk(node)], check=True)

    def disk(self, node):
        return f"{self.dir}/data/{node}"

    def fill(self, node):
        with open(f"{self.disk(node)}/junk", "wb", buffering=0) as f:
            for step in (1 << 20, 4096, 1):
                try:
                    while True:
                        f.write(b"j" * step)
                except OSError:
                    pass

    def make_room(self, node):
        os.unlink(f"{self.disk(node)}/junk")

    def put_large(self, key, *args):
        return self.kvctl("put", key, "--value-file", "-", "--deadline", "2s", *args, input=VALUE)

    def put_until_full(self):
        """The keys that were stored before the disk was full."""
        for i in range(200):
            try:
                self.put_large(f"k{i}")
            except Refused as refused:
                return [f"k{k}" for k in range(i)], refused.err
        raise AssertionError("the disk is never full")

    def close(self):
        for node in self.nodes:
            subprocess.run(["umount", "-l", self.disk(node)], check=False)
        super().close()


class FullDisks(unittest.TestCase):
    def test_full_disk_reads_deletes_restarts_and_takes_writes_again(self):
        with SmallDisks({"a": "voter"}) as c:
            c.up().wait_fresh()
            pid = c.status()["a"]["pid"]
            c.put("k", "before")
            c.fill("a")
            stored, err = c.put_until_full()
            self.assertIn("DISK_FULL", err)
            self.assertIn("node a", err)
            self.assertEqual(c.get("k")["value"], "before")
            c.kvctl("del", "k", "--deadline", "2s")  # what frees room is taken
            self.assertEqual(c.status()["a"]["pid"], pid)
            for end in (lambda: c.kill("a"), lambda: c.kvctl("node", "stop", "a")):
                end()
                c.start("a")
                c.wait_fresh()
                self.assertEqual(c.get("k", status=(0, 1, 3, 4))["found"], False)
                for key in stored:
                    self.assertEqual(c.get(key)["value"], VALUE)
            c.make_room("a")
            until(lambda: c.put_large("after"), "writes again")
            self.assertEqual(c.get("after")["value"], VALUE)

    def test_three_full_at_once_stay_up_read_and_write_again(self):
        with SmallDisks(failover="automatic") as c:
            c.up().wait_fresh()
            pids = {n: row["pid"] for n, row in c.status().items()}
            c.put("k", "before", "--ack", "all")
            for node in c.nodes:
                c.fill(node)
            c.put_until_full()
            for node in c.nodes:
                self.assertEqual(c.get("k", "--node", node, "--no-redirect")["value"], "before")
            self.assertEqual({n: row["pid"] for n, row in c.status().items()}, pids)
            for node in c.nodes:
                c.kill(node)
            for node in c.nodes:
                c.start(node)
            # Who has to take back what another epoch replaced waits for room to archive it; reads are served meanwhile.
            for node in c.nodes:
                until(lambda: c.get("k", "--node", node, "--no-redirect", "--allow-syncing")["value"] == "before",
                      f"{node} serves")
            for node in c.nodes:
                c.make_room(node)
            until(lambda: c.put_large("after", "--ack", "all"), "writes again")
            c.wait_equal()
            self.assertEqual(c.export("a"), c.export("b"))
            self.assertEqual(c.export("a"), c.export("c"))


if __name__ == "__main__":
    enter_namespaces()
    main()
