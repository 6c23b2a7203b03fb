"""Where reads go: kvctl --route, by what is seen of real nodes over slow and cut networks."""
import contextlib
import socket
import threading
import time
import unittest

from harness import Cluster, Refused, main, until


class SlowAddress:
    """Forwards to `address`, and keeps what comes back for `seconds`: a node that is far away."""

    def __init__(self, address, seconds):
        host, port = address.removeprefix("tcp://").split(":")
        self.there, self.seconds = (host, int(port)), seconds
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                here, _ = self.listener.accept()
                there = socket.create_connection(self.there)
                threading.Thread(target=self.carry, args=(here, there, 0), daemon=True).start()
                threading.Thread(target=self.carry, args=(there, here, self.seconds), daemon=True).start()

    def carry(self, source, sink, seconds):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                time.sleep(seconds)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()


class Routes(unittest.TestCase):
    def test_each_route_finds_its_node(self):
        with Cluster(fault_proxy=True) as c:
            c.up().wait_fresh()
            c.put("k", "v")
            c.wait_equal()
            primary, addresses = c.primary(), c.addresses()
            near, far = (node for node in c.nodes if node != primary)

            def answers(*more, first=far):
                reply = c.get("k", "--endpoint", addresses[first], "--deadline", "20s", *more)
                self.assertEqual(reply["value"], "v")
                return reply["freshness"]["node"]

            # One address is enough: the others are learnt from it.
            self.assertEqual(answers(), far)
            until(lambda: answers("--route", "primary") == primary, "the primary is asked")
            for node in c.nodes:
                until(lambda n=node: answers("--route", "any") == n, f"{node} is asked")

            # Who is far from the primary proves least.
            for other in (primary, near):
                c.kvctl("fault", "delay", far, other, "150ms")
                c.kvctl("fault", "delay", other, far, "150ms")
            until(lambda: (c.get("k", "--node", far)["freshness"]["staleness_bound_ms"] or 0) > 150, f"{far} is behind")
            until(lambda: answers("--route", "freshest") != far, "a fresher one is asked")
            c.heal()

            # The list begins with the one that is far from the client.
            slow = SlowAddress(addresses[near], 0.2)
            try:
                these = ("--endpoint", slow.address, "--endpoint", addresses[far], "--deadline", "20s")
                self.assertEqual(c.get("k", *these)["freshness"]["node"], near)
                until(lambda: c.get("k", *these, "--route", "nearest")["freshness"]["node"] != near, "a nearer one is asked")
            finally:
                slow.close()

            # A ladder begins where its first rung is likely met; who is gone is gone around.
            ladder = ("--ladder", "linearizable:5s,eventual")
            until(lambda: answers(*ladder, "--endpoint", addresses[primary]) == primary, "the ladder is tried at the primary")
            c.kill(far)
            self.assertNotEqual(answers("--route", "nearest", "--endpoint", addresses[near]), far)

    def test_what_a_route_needs(self):
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            for options, says in ((("--route", "zone"), "--route zone needs --zone"), (("--zone", "z"), "goes with --route zone"),
                                  (("--route", "any", "--node", "a"), "--route excludes --node")):
                with self.assertRaises(Refused) as refused:
                    c.get("k", *options)
                self.assertEqual(refused.exception.status, 2)
                self.assertIn(says, refused.exception.err)


main()
