"""Which calls share a message, and what each is told: without a node."""

import asyncio
import unittest

import support  # noqa: F401 (makes the package importable)

from candor._core.steps import Ask, Group, Reply, Silence
from candor._transport.bundle import METHOD, Bundler
from candor.v1 import rpc_pb2


def call(name, group=Group.LOCAL, body=b"", timeout_s=60.0):
    request = rpc_pb2.RpcRequest(method=f"/candor.v1.KV/{name}", deadline_ms=1000, body=body)
    return Ask("tcp://a:1", request, timeout_s, group)


def calls_in(ask):
    """The names of the calls that a message holds."""
    if ask.request.method != METHOD:
        return [ask.request.method.rpartition("/")[2]]
    bundle = rpc_pb2.BundleRequest.FromString(ask.request.body)
    return [one.method.rpartition("/")[2] for one in bundle.calls]


def answer(ask):
    """Each call is answered with its own name; a bundle's replies leave their freshness out."""
    freshness = rpc_pb2.Freshness(node="a")
    if ask.request.method != METHOD:
        return Reply(rpc_pb2.RpcReply(message=calls_in(ask)[0], freshness=freshness))
    replies = [rpc_pb2.RpcReply(message=name) for name in calls_in(ask)]
    body = rpc_pb2.BundleResponse(replies=replies).SerializeToString()
    return Reply(rpc_pb2.RpcReply(body=body, freshness=freshness))


class Node:
    """Answers when it is told to."""

    def __init__(self, answered=answer):
        self.messages, self.answered = [], answered
        self.gate = asyncio.Event()

    async def send(self, ask):
        self.messages.append(ask)
        await self.gate.wait()
        return self.answered(ask)

    async def until(self, count):
        while len(self.messages) < count:  # noqa: ASYNC110
            await asyncio.sleep(0)


class Bundles(unittest.IsolatedAsyncioTestCase):
    async def begin(self, node, *asks):
        """All of them in their order; the first two leave alone."""
        bundler = Bundler(node.send)
        tasks = [asyncio.create_task(bundler.ask(ask)) for ask in asks]
        await node.until(min(2, len(asks)))
        return tasks

    async def test_calls_wait_while_two_messages_are_under_way_and_then_go_together(self):
        node = Node()
        tasks = await self.begin(node, *(call(f"C{i}") for i in range(7)))
        node.gate.set()
        outcomes = await asyncio.gather(*tasks)
        self.assertEqual([o.message.message for o in outcomes], [f"C{i}" for i in range(7)])
        self.assertEqual([calls_in(m) for m in node.messages[:3]],
                         [["C0"], ["C1"], [f"C{i}" for i in range(2, 7)]])  # fmt: skip
        self.assertTrue(all(o.message.freshness.node == "a" for o in outcomes))

    async def test_groups_and_calls_that_travel_alone_do_not_wait_for_each_other(self):
        node = Node()
        groups = [Group.LOCAL, Group.REPLICATED, Group.AT_ONCE, Group.ALONE, Group.ALONE]
        asks = [call(f"C{i}", group) for i, group in enumerate(groups * 2)]
        tasks = await self.begin(node, *asks)
        await node.until(len(asks))
        node.gate.set()
        await asyncio.gather(*tasks)
        self.assertTrue(all(len(calls_in(message)) == 1 for message in node.messages))

    async def test_a_call_does_not_wait_long_for_a_message_that_is_not_answered(self):
        node = Node()
        tasks = await self.begin(node, *(call(f"C{i}") for i in range(4)))
        await node.until(3)
        self.assertEqual(calls_in(node.messages[2]), ["C2", "C3"])
        node.gate.set()
        await asyncio.gather(*tasks)

    async def test_what_did_not_fit_in_goes_again_alone(self):
        def full(ask):
            reply = answer(ask)
            if ask.request.method == METHOD:
                code = rpc_pb2.CODE_RESOURCE_EXHAUSTED
                left_out = rpc_pb2.RpcReply(code=code, reason=rpc_pb2.REASON_BUNDLE_FULL)
                bundle = rpc_pb2.BundleResponse.FromString(reply.message.body)
                bundle.replies[1].CopyFrom(left_out)
                reply.message.body = bundle.SerializeToString()
            return reply

        node = Node(full)
        tasks = await self.begin(node, *(call(f"C{i}") for i in range(4)))
        node.gate.set()
        outcomes = await asyncio.gather(*tasks)
        self.assertEqual([o.message.message for o in outcomes], ["C0", "C1", "C2", "C3"])
        self.assertEqual([o.sent_again for o in outcomes], [False, False, False, True])

    async def test_a_node_without_bundles_gets_none(self):
        def old(ask):
            if ask.request.method == METHOD:
                return Reply(rpc_pb2.RpcReply(code=rpc_pb2.CODE_UNIMPLEMENTED))
            return answer(ask)

        node = Node(old)
        node.gate.set()
        bundler = Bundler(node.send)
        for _ in range(2):
            outcomes = await asyncio.gather(*(bundler.ask(call(f"C{i}")) for i in range(6)))
            self.assertEqual([o.message.message for o in outcomes], [f"C{i}" for i in range(6)])
        self.assertLessEqual(sum(m.request.method == METHOD for m in node.messages), 2)

    async def test_a_failed_bundle_fails_each_of_its_calls(self):
        overloaded = Reply(rpc_pb2.RpcReply(code=rpc_pb2.CODE_RESOURCE_EXHAUSTED))
        lost = Silence("gone", sent=True)
        short = Reply(rpc_pb2.RpcReply(body=b""))
        garbage = Reply(rpc_pb2.RpcReply(body=b"\xff"))
        for failed in (overloaded, lost, short, garbage):
            node = Node(lambda ask, failed=failed: failed if ask.request.method == METHOD
                        else answer(ask))  # fmt: skip
            tasks = await self.begin(node, *(call(f"C{i}") for i in range(5)))
            node.gate.set()
            outcomes = (await asyncio.gather(*tasks))[2:]
            if failed in (overloaded, lost):
                self.assertEqual(outcomes, [failed] * 3)
            else:
                self.assertTrue(all(outcome.malformed for outcome in outcomes))

    async def test_a_call_that_is_given_up_takes_nothing_with_it(self):
        node = Node()
        tasks = await self.begin(node, *(call(f"C{i}") for i in range(5)))
        tasks[3].cancel()
        await asyncio.sleep(0)
        node.gate.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        self.assertIsInstance(done[3], asyncio.CancelledError)
        self.assertEqual([o.message.message for o in done if isinstance(o, Reply)],
                         ["C0", "C1", "C2", "C4"])  # fmt: skip

    async def test_a_call_whose_time_is_over_says_whether_it_was_sent(self):
        node = Node()
        asks = [call("C0"), call("C1"), call("C2", timeout_s=0.05)]
        tasks = await self.begin(node, *asks)
        outcome = await tasks[2]
        self.assertTrue(outcome.timed_out and outcome.sent)  # it went late, and without the others
        node.gate.set()
        await asyncio.gather(*tasks)


if __name__ == "__main__":
    unittest.main(verbosity=2)
