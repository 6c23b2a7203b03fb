"""The client over real nodes: both forms, over both transports, through what goes wrong."""

import asyncio
import os
import sys
import threading
import unittest

from support import TRANSPORTS, endpoints  # isort: skip (makes the next two importable)
from harness import Cluster, until

from candor import (
    ABSENT,
    EVENTUAL,
    LINEARIZABLE,
    SESSION,
    Ack,
    AsyncClient,
    Client,
    EventType,
    FailedPrecondition,
    NodeState,
    OutcomeUnknown,
    Put,
    SessionLost,
    Token,
    TxnState,
    bounded,
)

PATIENCE_S = 60
AUTOMATIC = {"failover": "automatic"}


class Counter:
    """A client that adds one to its own key until it is told to stop; how often it surely has."""

    def __init__(self, cluster, name):
        self.endpoints, self.key = endpoints(cluster), f"count/{name}"
        self.done = 0
        self.halt = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self._guarded)
        self.thread.start()

    def _guarded(self):
        try:
            self.run()
        except Exception as failure:
            self.failure = failure

    def end(self):
        self.halt.set()
        self.thread.join()
        if self.failure is not None:
            raise self.failure

    def settled(self, client, request):
        """A write whose outcome nobody knew: 1 when it counts."""
        answer = until(
            lambda: (s := client.txn_status(request, deadline=PATIENCE_S)).state
            is not TxnState.PENDING and s, "the outcome is decided")  # fmt: skip
        return int(answer.state is TxnState.COMMITTED)


class SyncCounter(Counter):
    def __init__(self, cluster, transport):
        self.transport = transport
        super().__init__(cluster, f"sync-{transport}")

    def run(self):
        with Client(self.endpoints, transport=self.transport, deadline=PATIENCE_S) as client:
            while not self.halt.is_set():
                try:
                    client.increment(self.key, ack=Ack.MAJORITY)
                    self.done += 1
                except OutcomeUnknown as unknown:
                    self.done += self.settled(client, unknown.request)
            if client.violations:
                raise AssertionError(f"{client.violations} broken promises")


class AsyncCounter(Counter):
    """Eight tasks of one client."""

    def __init__(self, cluster, transport):
        self.transport = transport
        super().__init__(cluster, f"asyncio-{transport}")

    def run(self):
        asyncio.run(self.tasks())

    async def tasks(self):
        async with AsyncClient(
            self.endpoints, transport=self.transport, deadline=PATIENCE_S
        ) as client:
            await asyncio.gather(*(self.task(client) for _ in range(8)))
            if client.violations:
                raise AssertionError(f"{client.violations} broken promises")

    async def task(self, client):
        while not self.halt.is_set():
            await client.increment(self.key, ack=Ack.MAJORITY)
            self.done += 1


class Failover(unittest.TestCase):
    def test_every_write_counts_once_though_the_primary_dies_in_the_middle(self):
        with Cluster(**AUTOMATIC) as cluster:
            cluster.up().wait_fresh()
            counters = [
                kind(cluster, t) for kind in (SyncCounter, AsyncCounter) for t in TRANSPORTS
            ]
            with Client(endpoints(cluster), deadline=PATIENCE_S) as client:
                for _ in range(2):
                    before = [counter.done for counter in counters]
                    until(
                        lambda before=before: all(
                            c.failure or c.done > b + 20
                            for c, b in zip(counters, before, strict=True)
                        ),
                        "all write",
                    )
                    dead = cluster.primary()
                    cluster.kill(dead)
                    until(lambda dead=dead: cluster.primary() != dead, "another primary")
                    cluster.start(dead)
                    cluster.wait_fresh()
                for counter in counters:
                    counter.end()
                for counter in counters:
                    found = client.get(counter.key, level=LINEARIZABLE)
                    self.assertEqual(int(found.value), counter.done, counter.key)

    def test_a_watch_tells_every_write_once_and_in_order_over_a_failover(self):
        with Cluster(**AUTOMATIC) as cluster:
            cluster.up().wait_fresh()
            told = {transport: [] for transport in TRANSPORTS}
            watchers = [
                threading.Thread(target=follow, args=[endpoints(cluster), t, told[t]], daemon=True)
                for t in TRANSPORTS
            ]
            watchers.append(threading.Thread(target=follow_async, daemon=True,
                            args=[endpoints(cluster), told.setdefault("asyncio", [])]))  # fmt: skip
            for watcher in watchers:
                watcher.start()
            with Client(endpoints(cluster), deadline=PATIENCE_S) as client:
                client.put("seen/0", "0", ack=Ack.MAJORITY)
                until(lambda: all(told.values()), "all watch")
                for i in range(1, 60):
                    client.put(f"seen/{i}", str(i), ack=Ack.MAJORITY)
                    if i == 20:
                        cluster.kill(cluster.primary())
                client.put("seen/end", "", ack=Ack.MAJORITY)
            for watcher in watchers:
                watcher.join(PATIENCE_S)
            wanted = [f"seen/{i}" for i in range(60)]
            for name, keys in told.items():
                self.assertEqual(keys, wanted, name)


def follow(addresses, transport, told):
    """Until seen/end; the watch begins with the state, so that none of it is missed."""
    with Client(addresses, transport=transport) as client:
        for event in client.watch(prefix="seen/", with_state=True, wait=1.0):
            if event.type in (EventType.PUT, EventType.STATE):
                if event.key == b"seen/end":
                    return
                told.append(event.key.decode())


def follow_async(addresses, told):
    async def run():
        async with AsyncClient(addresses) as client:
            async for event in client.watch(prefix="seen/", with_state=True, wait=1.0):
                if event.type in (EventType.PUT, EventType.STATE):
                    if event.key == b"seen/end":
                        return
                    told.append(event.key.decode())

    asyncio.run(run())


class Partition(unittest.TestCase):
    def test_a_node_that_is_cut_off_says_so_and_is_passed_by_where_that_is_asked_for(self):
        with Cluster(fault_proxy=True) as cluster:
            cluster.up().wait_fresh()
            primary = cluster.primary()
            cut_off = next(node for node in cluster.nodes if node != primary)
            addresses = cluster.addresses()
            near = [addresses[cut_off], *(a for n, a in addresses.items() if n != cut_off)]
            with Client(near) as writer:
                writer.put("k", "old", ack=Ack.ALL)
                cluster.isolate(cut_off)
                writer.put("k", "new", ack=Ack.MAJORITY)
                for transport in TRANSPORTS:
                    with Client(near, transport=transport) as client:
                        self.check_reads(client, cut_off, writer.session)

    def check_reads(self, client, cut_off, session):
        stale = until(lambda: (a := client.get("k")).freshness.stale and a, "it says stale")
        self.assertEqual((stale.freshness.node, stale.value), (cut_off, b"old"))
        self.assertEqual(stale.freshness.state, NodeState.STALE)
        recent = client.get("k", level=bounded(300))
        self.assertEqual((recent.value, recent.redirects), (b"new", 1))
        self.assertLessEqual(recent.freshness.staleness_bound_ms, 5000)
        client.join_session(Token.parse(str(session)))
        own = client.get("k", level=SESSION, deadline=2.0)
        self.assertEqual(own.value, b"new")
        self.assertEqual(client.get("k", level=LINEARIZABLE).value, b"new")
        self.assertEqual(client.violations, 0)

    def test_a_session_whose_write_was_rolled_back_is_told(self):
        with Cluster(fault_proxy=True) as cluster:
            cluster.up().wait_fresh()
            old = cluster.primary()
            new = next(node for node in cluster.nodes if node != old)
            addresses = cluster.addresses()
            with Client(list(addresses.values())) as client:
                client.put("k", "kept", ack=Ack.ALL)
                cluster.isolate(old)
                lost = client.put("k", "lost")
                self.assertEqual(lost.freshness.node, old)
                until(lambda: promoted(cluster, new), "the vote is won")
                with Client([addresses[new]]) as elsewhere:
                    elsewhere.put("k", "after", ack=Ack.MAJORITY)
                cluster.heal()
                cluster.wait_equal()
                with self.assertRaises(SessionLost):
                    client.get("k", level=SESSION)
                again = client.put("k", "again")
                self.assertIsNotNone(again.session_loss)
                self.assertEqual(client.violations, 0)
                self.assertGreater(again.pos, lost.pos)
                self.assertEqual(client.session, again.freshness.token)


def promoted(cluster, node):
    cluster.kvctl("promote", node, status=(0, 5))
    return cluster.status()[node]["role"] == "primary"


class Processes(unittest.TestCase):
    def test_a_child_goes_on_with_its_own_ids_and_connections(self):
        """Three children and their parent go on from one client; all that was acknowledged is
        there."""
        with Cluster({"a": "voter"}) as cluster:
            cluster.up().wait_fresh()
            with Client(endpoints(cluster), deadline=PATIENCE_S) as client:
                client.put("n", "0")
                children = []
                for _ in range(3):
                    pid = os.fork()
                    if pid == 0:
                        os._exit(child(client))
                    children.append(pid)
                for _ in range(20):
                    client.increment("n")
                for pid in children:
                    self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
                self.assertEqual(client.get("n").value, b"80")


def child(client):
    try:
        for _ in range(20):
            client.increment("n")
    except BaseException as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


class Threads(unittest.TestCase):
    def test_threads_share_a_client(self):
        with Cluster({"a": "voter"}) as cluster:
            cluster.up().wait_fresh()
            for transport in TRANSPORTS:
                with Client(endpoints(cluster), transport=transport) as client:
                    key = f"n-{transport}"
                    threads = [threading.Thread(target=add, args=[client, key]) for _ in range(8)]
                    for thread in threads:
                        thread.start()
                    for thread in threads:
                        thread.join()
                    self.assertEqual(client.get(key, level=EVENTUAL).value, b"200")


def add(client, key):
    for _ in range(25):
        client.increment(key)


class Redirects(unittest.TestCase):
    def test_they_end_the_operation_where_they_are_not_to_be_followed(self):
        with Cluster() as cluster:
            cluster.up().wait_fresh()
            primary, addresses = cluster.primary(), cluster.addresses()
            other = next(node for node in cluster.nodes if node != primary)
            with Client([addresses[other]], follow_redirects=False) as client:
                with self.assertRaises(FailedPrecondition) as refused:
                    client.put("k", "v")
                self.assertEqual(refused.exception.hint.endpoint, addresses[primary])
                self.assertFalse(refused.exception.outcome_unknown)


class KeysThatEnd(unittest.TestCase):
    def check(self, client):
        stays = client.put("k", "v", ttl=3600).pos.seq
        self.assertTrue(0 < client.get("k").item.ttl <= 3600)
        refused = client.expire("k", 1, expect_mod_seq=stays + 1)
        self.assertFalse(refused.succeeded or refused.wrote)
        self.assertEqual(refused.item.mod_seq, stays)
        self.assertTrue(client.expire("k", None, expect_mod_seq=stays).succeeded)
        self.assertIsNone(client.get("k").item.ttl)
        self.assertFalse(client.expire("nobody", 1).succeeded)
        client.txn(then_ops=[Put("short", "v", ttl=0.05)])
        client.batch([Put("brief", "v", ttl=0.001)])
        for key in ("short", "brief"):
            until(lambda key=key: not client.get(key, level=LINEARIZABLE).found, "its time is over")
        with client.watch(key="short", since_seq=stays) as watch:
            put, gone = (event for _, event in zip(range(2), watch, strict=False))
        self.assertEqual((put.type, put.ttl), (EventType.PUT, 0.05))
        self.assertEqual((gone.type, gone.expired), (EventType.DELETE, True))
        for ttl in (0, -1, float("nan"), float("inf")):
            self.assertRaises(ValueError, client.put, "k", "v", ttl=ttl)

    def test_they_are_there_for_their_time_and_say_why_they_went(self):
        with Cluster({"a": "voter"}) as cluster:
            cluster.up()
            for transport in TRANSPORTS:
                with (
                    self.subTest(transport),
                    Client(endpoints(cluster), transport=transport) as client,
                ):
                    self.check(client)

    def test_the_asyncio_form_has_them_too(self):
        async def run(cluster):
            async with AsyncClient(endpoints(cluster)) as client:
                taken = await client.compare_and_swap("lock", ABSENT, "me", ttl=60)
                again = await client.compare_and_swap("lock", ABSENT, "you", ttl=60)
                self.assertTrue(taken.succeeded and not again.succeeded)
                self.assertTrue((await client.expire("lock", 120)).succeeded)
                self.assertGreater((await client.get("lock")).item.ttl, 60)
                await client.put("lock", "mine", ttl=0.02)
                while (await client.get("lock", level=LINEARIZABLE)).found:
                    pass

        with Cluster({"a": "voter"}) as cluster:
            cluster.up()
            asyncio.run(run(cluster))


if __name__ == "__main__":
    unittest.main(verbosity=2)
