"""Drives a client (README.md, "The driver") through what goes wrong with real nodes.

    cluster.py -- DRIVER ARGUMENTS...
"""
import os
import sys
import threading
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cluster"))

from harness import Cluster, until  # noqa: E402  (made importable just before)
from run import Driver  # noqa: E402

COMMAND = []  # of the driver
PATIENCE_MS = 60_000
AUTOMATIC = {"failover": "automatic"}


class Real(unittest.TestCase):
    def cluster(self, *arguments, **settings):
        cluster = self.enterContext(Cluster(*arguments, **settings))
        cluster.up().wait_fresh()
        return cluster

    def client(self, endpoints, **options):
        """What asks a client of these nodes; its answers are right unless `fails` is set."""
        driver = Driver(COMMAND)
        self.addCleanup(driver.close)
        opened = driver.ask({"op": "open", "endpoints": list(endpoints), "deadline_ms": 5000, **options})
        self.assertTrue(opened["ok"], opened)

        def ask(op, *, fails=False, **command):
            answer = driver.ask({"op": op, **command})
            self.assertEqual(answer["ok"], not fails, (op, command, answer))
            return answer

        ask.can = driver.can
        return ask

    def no_violations(self, ask):
        self.assertEqual(ask("violations")["count"], 0)


class Failover(Real):
    def count(self, ask, halt, told):
        """Adds one to a key, eight times at once, until it is told to stop; how often it surely has."""
        while not halt.is_set():
            commands = [{"op": "increment", "key": "count", "delta": 1, "ack": "MAJORITY"}] * 8
            for answer in ask("many", commands=commands)["answers"]:
                told["done"] += answer["ok"] or self.settled(ask, answer)

    def settled(self, ask, answer):
        """Whether a write of unknown outcome counts."""
        if not answer["outcome_unknown"]:
            return False

        def decided():
            status = ask("txn_status", request=answer["request"])
            return status if status["state"] != "PENDING" else None
        return until(decided, "the outcome is decided")["state"] == "COMMITTED"

    def follow(self, ask, told):
        """Until seen/end; the watch begins with the state, so that none of it is missed."""
        ask("watch_open", prefix="seen/", with_state=True, wait_ms=1000)
        while True:
            for event in ask("watch_next")["events"]:
                if event["key"] == "seen/end":
                    return
                if event["type"] in ("PUT", "STATE"):
                    told.append(event["key"])

    def in_thread(self, function, *arguments):
        """What joins it, and raises what it raised."""
        failures = []

        def run():
            try:
                function(*arguments)
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def join():
            thread.join(PATIENCE_MS / 1000)
            for failure in failures:
                raise failure
            self.assertFalse(thread.is_alive(), "it hangs")
        return join

    def test_every_write_counts_once_and_is_told_once_though_the_primary_dies(self):
        cluster = self.cluster(**AUTOMATIC)
        endpoints = cluster.addresses().values()
        counter, watcher, writer = (self.client(endpoints, deadline_ms=PATIENCE_MS) for _ in range(3))
        halt, counted, told = threading.Event(), {"done": 0}, []
        joins = [self.in_thread(self.count, counter, halt, counted), self.in_thread(self.follow, watcher, told)]
        writer("put", key="seen/0", value="", ack="MAJORITY")
        until(lambda: told and counted["done"], "both have begun")
        for i in range(1, 60):
            writer("put", key=f"seen/{i}", value="", ack="MAJORITY")
            if i == 20:
                cluster.kill(cluster.primary())
        writer("put", key="seen/end", value="", ack="MAJORITY")
        before = counted["done"]
        until(lambda: counted["done"] > before, "it goes on")
        halt.set()
        for join in joins:
            join()
        self.assertEqual(told, [f"seen/{i}" for i in range(60)])
        self.assertEqual(int(writer("get", key="count", level="LINEARIZABLE")["value"]), counted["done"])
        for ask in (counter, watcher, writer):
            self.no_violations(ask)


class Partition(Real):
    def test_a_node_that_is_cut_off_says_so_and_is_passed_by_where_that_is_asked_for(self):
        cluster = self.cluster(fault_proxy=True)
        cut_off = next(node for node in cluster.nodes if node != cluster.primary())
        addresses = cluster.addresses()
        near = [addresses[cut_off], *(a for n, a in addresses.items() if n != cut_off)]
        writer, reader = self.client(near), self.client(near)
        writer("put", key="k", value="old", ack="ALL")
        cluster.isolate(cut_off)
        writer("put", key="k", value="new", ack="MAJORITY")
        stale = until(lambda: (a := reader("get", key="k"))["freshness"]["stale"] and a, "it says stale")
        self.assertEqual((stale["freshness"]["node"], stale["freshness"]["state"], stale["value"]), (cut_off, "STALE", "old"))
        recent = reader("get", key="k", level="BOUNDED", max_staleness_ms=300)
        self.assertEqual((recent["value"], recent["redirects"]), ("new", 1))
        reader("join_session", token=writer("session")["token"])
        own = reader("get", key="k", level="SESSION", deadline_ms=2000)
        self.assertEqual(own["value"], "new")
        self.assertEqual(reader("get", key="k", level="LINEARIZABLE")["value"], "new")
        self.no_violations(reader)

    def test_a_session_whose_write_was_rolled_back_is_told(self):
        cluster = self.cluster(fault_proxy=True)
        old = cluster.primary()
        new = next(node for node in cluster.nodes if node != old)
        addresses = cluster.addresses()
        client, elsewhere = self.client(addresses.values()), self.client([addresses[new]])
        client("put", key="k", value="kept", ack="ALL")
        cluster.isolate(old)
        lost = client("put", key="k", value="lost")
        self.assertEqual(lost["freshness"]["node"], old)
        until(lambda: promoted(cluster, new), "the vote is won")
        elsewhere("put", key="k", value="after", ack="MAJORITY")
        cluster.heal()
        cluster.wait_equal()
        refused = client("get", key="k", level="SESSION", fails=True)
        self.assertEqual((refused["code"], refused["reason"]), ("ABORTED", "SESSION_LOST"))
        again = client("put", key="k", value="again")
        self.assertIsNotNone(again["session_loss"])
        self.assertEqual(client("session")["seq"], again["seq"])
        self.assertEqual(client("get", key="k", level="SESSION")["value"], "again")
        self.no_violations(client)


def promoted(cluster, node):
    cluster.kvctl("promote", node, status=(0, 5))
    return cluster.status()[node]["role"] == "primary"


class Redirects(Real):
    def test_they_are_followed_or_end_the_call_where_they_are_not_to_be(self):
        cluster = self.cluster()
        primary, addresses = cluster.primary(), cluster.addresses()
        other = next(node for node in cluster.nodes if node != primary)
        follows = self.client([addresses[other]])
        written = follows("put", key="k", value="v")
        self.assertEqual((written["redirects"], written["freshness"]["node"]), (1, primary))
        self.assertEqual(follows("put", key="k", value="v")["redirects"], 0)
        stays = self.client([addresses[other]], follow_redirects=False)
        refused = stays("put", key="k", value="v", fails=True)
        self.assertEqual((refused["code"], refused["hint"]["endpoint"]), ("FAILED_PRECONDITION", addresses[primary]))
        self.assertFalse(refused["outcome_unknown"])


class Deadlines(Real):
    def test_a_node_that_does_not_run_costs_no_more_than_the_deadline_and_nothing_is_claimed(self):
        cluster = self.cluster({"a": "voter"})
        client = self.client(cluster.addresses().values())
        client("put", key="k", value="before")
        cluster.pause("a")
        read = client("get", key="k", deadline_ms=500, fails=True)
        self.assertEqual((read["code"], read["outcome_unknown"]), ("DEADLINE_EXCEEDED", False))
        written = client("put", key="k", value="after", deadline_ms=500, fails=True)
        cluster.resume("a")
        state = client("txn_status", request=written["request"])["state"]
        value = client("get", key="k", level="LINEARIZABLE")["value"]
        if written["outcome_unknown"]:
            self.assertIn((state, value), {("COMMITTED", "after"), ("UNKNOWN", "before"), ("UNKNOWN", "after")})
        else:  # it was never sent: the node did not even shake hands
            self.assertEqual((written["code"], state, value), ("DEADLINE_EXCEEDED", "UNKNOWN", "before"))
        self.no_violations(client)


class KeysThatEnd(Real):
    def test_they_are_there_for_their_time_and_say_why_they_went(self):
        cluster = self.cluster({"a": "voter"})
        client = self.client(cluster.addresses().values())
        if "ttl" not in client.can:
            self.skipTest("the client has no ttl")
        stays = client("put", key="k", value="v", ttl_ms=3_600_000)["seq"]
        self.assertTrue(0 < client("get", key="k")["ttl_ms"] <= 3_600_000)
        self.assertFalse(client("expire", key="k", ttl_ms=1000, expect_mod_seq=stays + 1)["succeeded"])
        self.assertTrue(client("expire", key="k", ttl_ms=None, expect_mod_seq=stays)["succeeded"])
        self.assertIsNone(client("get", key="k")["ttl_ms"])
        client("txn", then=[{"put": {"key": "short", "value": "v", "ttl_ms": 50}}])
        until(lambda: not client("get", key="short", level="LINEARIZABLE")["found"], "its time is over")
        client("watch_open", key="short", since_seq=stays)
        events = []
        while len(events) < 2:
            events += client("watch_next")["events"]
        self.assertEqual([(e["type"], e["expired"]) for e in events], [("PUT", False), ("DELETE", True)])


if __name__ == "__main__":
    if sys.argv[1:2] != ["--"] or not sys.argv[2:]:
        sys.exit(__doc__)
    COMMAND[:] = sys.argv[2:]
    unittest.main(argv=sys.argv[:1], verbosity=2, warnings="ignore")  # clients end with the process
