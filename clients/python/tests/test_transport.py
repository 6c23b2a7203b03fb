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

from candor import AsyncClient, Client, Unavailable
from candor._transport import async_socket, nng, sync_socket
from candor._transport.framing import EXPECTED

OK = {"body": {"item": {"key": "k", "value": "v", "found": True}}}
FORMS = [(form, transport) for form in (Client, AsyncClient) for transport in TRANSPORTS]


@contextlib.contextmanager
def node(script, **settings):
    from fake_node import FakeNode
    from script import Ids

    fake = FakeNode("a", script, Ids(), **settings)
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
            with node([{"reply": OK}]) as gone, node([{"reply": OK}]) as other:
                endpoints = [gone.endpoint, other.endpoint]
                gone.closes_after_answers = True
                first, second = each_get(form, transport, endpoints, 2, deadline=600)
                self.assertEqual(second.freshness.node, "a", (form, transport))
                self.assertGreater(second.attempts, first.attempts)

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
