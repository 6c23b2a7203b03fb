"""What becomes of kvd's log must not become of kvd."""
import contextlib
import os
import signal
import subprocess
import unittest

from harness import DEADLINE_S, KVD, Cluster, main, until
from kvd_process import drain, full_pipe, running


class Log(unittest.TestCase):
    def test_nodes_whose_log_nobody_reads_serve_and_stop(self):
        with Cluster(failover="automatic") as c, contextlib.ExitStack() as stack:
            read, write = full_pipe()
            nodes = [stack.enter_context(running(c, n, "--log-level", "debug", stdout=write, stderr=write))
                     for n in c.nodes]
            c.wait_fresh()
            for i in range(50):
                c.put(f"k{i}", "v", "--ack", "majority")
            self.assertIn("SERVING", c.kvctl("rpc", "Cluster/Health", "{}")[0])
            nodes[0].send_signal(signal.SIGTERM)
            self.assertEqual(nodes[0].wait(DEADLINE_S), 0)
            survivors = list(c.nodes)[1:]
            until(lambda: c.put("after", "v", "--ack", "majority", "--node", survivors[0]), "a new primary")
            # It flows again when somebody reads.
            text = []
            until(lambda: text.append(drain(read)) or "INFO" in "".join(text), "log lines")
            for node in nodes[1:]:
                node.send_signal(signal.SIGTERM)
            for node in nodes[1:]:
                until(lambda: drain(read) is not None and node.poll() is not None, "the end")
                self.assertEqual(node.returncode, 0)
            os.close(read)
            os.close(write)

    def test_a_closed_pipe_does_not_end_the_node(self):
        with Cluster({"a": "voter"}) as c:
            read, write = os.pipe()
            with running(c, "a", "--log-level", "debug", stdout=write, stderr=write) as node:
                os.close(write)
                os.close(read)
                c.wait_fresh()
                c.put("k", "v")
                node.send_signal(signal.SIGTERM)
                self.assertEqual(node.wait(DEADLINE_S), 0)

    def test_with_closed_standard_streams_no_line_goes_into_the_data(self):
        with Cluster({"a": "voter"}) as c:
            command = f"exec '{KVD}' --topology '{c.topology}' --node a --log-level debug <&- >&- 2>&-"
            node = subprocess.Popen(["/bin/sh", "-c", command])
            try:
                c.wait_fresh()
                c.put("k", "v")
                with open(f"{c.dir}/data/a/lock", encoding="utf-8") as lock:
                    self.assertEqual(lock.read().split(), [str(node.pid)])
                for fd in range(3):
                    self.assertEqual(os.readlink(f"/proc/{node.pid}/fd/{fd}"), "/dev/null")
                node.send_signal(signal.SIGTERM)
                self.assertEqual(node.wait(DEADLINE_S), 0)
            finally:
                node.kill()
                node.wait()


if __name__ == "__main__":
    main()
