"""What happens to connections, over fake nodes: both forms, over both transports."""

import asyncio
import contextlib
import os
import socket
import sys
import threading
import unittest
from unittest import mock

from support import ROOT, TRANSPORTS  # isort: skip (makes the package importable)

sys.path.append(os.path.join(ROOT, "tests/conformance"))

from candor import AsyncClient, Client, ClientClosed, Code, OutcomeUnknown, Unavailable
from candor._core.limits import ENDPOINTS_KNOWN_MAX
from candor._transport import async_socket, nng, sync_socket
from candor._transport.async_pool import AsyncPool
from candor._transport.base import NoReplyError
from candor._transport.framing import EXPECTED

OK = {"body": {"item": {"key": "k", "value": "v", "found": True}}}
FORMS = [(form, transport) for form in (Client, AsyncClient) for transport in TRANSPORTS]


@contextlib.contextmanager
def node(script, name="a", **settings):
    from fake_node import FakeNode
    from script import Ids

    fake = FakeNode(name, script, Ids(), **settings)
    try:
        yield fake
    finally:
        fake.close()


def each_get(form, transport, endpoints, count, **options):
    """The results of `count` reads, one after the other, of one client; an error is one, too."""

    async def run():
        async with AsyncClient(endpoints, transport=transport, **options) as client:
            return [await settled(client.get("k")) for _ in range(count)]

    async def settled(operation):
        try:
            return await operation
        except Unavailable as error:
            return error

    if form is AsyncClient:
        return asyncio.run(run())
    results = []
    with Client(endpoints, transport=transport, **options) as client:
        for _ in range(count):
            try:
                results.append(client.get("k"))
            except Unavailable as error:
                results.append(error)
    return results


class Idle(unittest.TestCase):
    def test_a_connection_that_is_gone_without_a_word_does_not_use_up_the_deadline(self):
        """The node restarted, or something between forgot the connection: half of the time is
        left."""
        for form, transport in FORMS:
            script = [{"reply": OK}, {"then": {"silent": True}}, {"reply": OK}]
            with contextlib.ExitStack() as stack:
                for module in (async_socket, nng, sync_socket):
                    stack.enter_context(mock.patch.object(module, "IDLE_S", 0.0))
                fake = stack.enter_context(node(script))
                first, second = each_get(form, transport, [fake.endpoint], 2, deadline=3.0)
                self.assertEqual((first.attempts, second.attempts), (1, 2), (form, transport))
                self.assertEqual(fake.problems, [])

    def test_a_node_that_went_while_nobody_asked_is_passed_by_at_once(self):
        for form, transport in FORMS:
            answers = [{"reply": OK, "repeat": True}]
            with node(answers) as gone, node(answers, name="b") as other:
                endpoints = [gone.endpoint, other.endpoint]
                gone.closes_after_answers = True
                _, second = each_get(form, transport, endpoints, 2, deadline=600)
                self.assertEqual(second.freshness.node, "b", (form, transport))

    def test_a_connection_that_the_node_has_closed_is_made_anew(self):
        for form, transport in FORMS:
            script = [{"then": {"close": True}}, {"reply": OK}]
            with node(script) as fake:
                (only,) = each_get(form, transport, [fake.endpoint], 1)
                self.assertEqual((only.value, only.attempts), (b"v", 2), (form, transport))


class Many(unittest.TestCase):
    def test_calls_at_once_do_not_wait_for_one_that_is_not_answered(self):
        """A watch, or a read that waits, holds up nothing else of its client."""
        for transport in TRANSPORTS:
            with node([{"then": {"silent": True}}, *[{"reply": OK}] * 20]) as fake:
                asyncio.run(self.beside_a_silent_one(fake, transport))
                self.assertEqual(fake.problems, [])

    async def beside_a_silent_one(self, fake, transport):
        async with AsyncClient([fake.endpoint], transport=transport, deadline=60) as client:
            silent = asyncio.create_task(client.get("k"))
            while len(fake.left()) > 20:  # noqa: ASYNC110
                await asyncio.sleep(0)
            results = await asyncio.gather(*(client.get("k") for _ in range(20)))
            self.assertTrue(all(result.value == b"v" for result in results))
            silent.cancel()
            await asyncio.gather(silent, return_exceptions=True)


class Closed(unittest.TestCase):
    def test_a_client_that_was_closed_asks_nobody(self):
        for transport in TRANSPORTS:
            with node([]) as fake:
                client = Client([fake.endpoint], transport=transport)
                client.close()
                with self.assertRaises(ClientClosed) as refused:
                    client.put("k", "v")
                self.assertFalse(refused.exception.outcome_unknown)
                asyncio.run(self.closed_at_once(fake.endpoint, transport))

    async def closed_at_once(self, endpoint, transport):
        client = AsyncClient([endpoint], transport=transport)
        await client.close()
        with self.assertRaises(ClientClosed):
            await client.get("k")

    def test_what_is_under_way_ends_when_the_client_is_closed(self):
        for transport in TRANSPORTS:
            with node([{"expect": {"id": "new"}, "then": {"silent": True}}]) as fake:
                asyncio.run(self.closed_meanwhile(fake, transport))

    async def closed_meanwhile(self, fake, transport):
        client = AsyncClient([fake.endpoint], transport=transport, deadline=600)
        write = asyncio.create_task(client.put("k", "v"))
        while fake.left():  # noqa: ASYNC110
            await asyncio.sleep(0)
        await client.close()
        with self.assertRaises(OutcomeUnknown) as ended:
            await write
        self.assertIs(ended.exception.code, Code.CANCELLED)


class Pool(unittest.IsolatedAsyncioTestCase):
    """Connections of asyncio, whatever they are."""

    class Connection:
        def __init__(self):
            self.calls, self.used, self.open = 0, 0.0, True

        def is_open(self):
            return self.open

        def close(self):
            self.open = False

    async def test_many_who_ask_at_once_share_one(self):
        made = []

        async def connect(endpoint):
            await asyncio.sleep(0)
            made.append(endpoint)
            return self.Connection()

        pool = AsyncPool(connect)
        connections = await asyncio.gather(*(pool.get("a") for _ in range(10)))
        self.assertEqual((len(set(connections)), made), (1, ["a"]))

    async def test_who_waits_for_one_that_fails_tries_it_himself(self):
        failures = iter([True, False])

        async def connect(endpoint):
            await asyncio.sleep(0)
            if next(failures):
                raise NoReplyError("refused", sent=False)
            return self.Connection()

        pool = AsyncPool(connect)
        first, second = await asyncio.gather(pool.get("a"), pool.get("a"), return_exceptions=True)
        self.assertIsInstance(first, NoReplyError)
        self.assertTrue(second.is_open())

    async def test_redirects_to_ever_other_addresses_do_not_fill_it(self):
        made = []

        async def connect(endpoint):
            made.append(self.Connection())
            return made[-1]

        pool = AsyncPool(connect)
        for i in range(3 * ENDPOINTS_KNOWN_MAX):
            (await pool.get(f"tcp://a:{i}")).used = float(i)
        still_open = [connection.used for connection in made if connection.open]
        self.assertEqual(still_open, sorted(still_open)[-ENDPOINTS_KNOWN_MAX:])


class Addresses(unittest.TestCase):
    def test_an_ipv6_literal_is_an_address(self):
        try:
            listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        except OSError as error:
            self.skipTest(f"no IPv6 here: {error}")
        endpoint = f"tcp://[::1]:{listener.getsockname()[1]}"
        accepted = []
        threading.Thread(target=accept, args=[listener, accepted], daemon=True).start()
        for form, transport in FORMS:
            (refused,) = each_get(form, transport, [endpoint], 1, deadline=0.3)
            self.assertIsInstance(refused, Unavailable)
        self.assertGreaterEqual(len(accepted), len(FORMS))
        listener.close()


def accept(listener, accepted):
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connection.sendall(EXPECTED)
            accepted.append(connection)


if __name__ == "__main__":
    unittest.main(verbosity=2)
