"""Calls at once of an asyncio client share messages (docs/wire.md, "Many calls in one message").

A call alone is sent at once. While BUNDLES_IN_FLIGHT messages of its group are under way to its
endpoint, others wait and go together when one is answered, or after LINGER_S."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from google.protobuf.message import DecodeError

from candor._core.decode import decode
from candor._core.limits import (
    BUNDLE_BYTES,
    BUNDLE_CALL_BYTES,
    BUNDLE_CALLS,
    BUNDLES_IN_FLIGHT,
    ENDPOINTS_KNOWN_MAX,
    LINGER_S,
)
from candor._core.steps import Ask, Group, Outcome, Reply, Silence
from candor.v1 import rpc_pb2

METHOD = "/candor.v1.Rpc/Bundle"
# Sends one message, and never raises for what the node or the network does.
Send: TypeAlias = Callable[[Ask], Awaitable[Outcome]]


@dataclass(slots=True, eq=False)
class _Waiting:
    ask: Ask
    packed: bytes
    future: asyncio.Future[Outcome]
    since: float


@dataclass(slots=True)
class _Lane:
    """Of one endpoint and one group."""

    in_flight: int = 0
    waiting: deque[_Waiting] = field(default_factory=deque)
    late: asyncio.TimerHandle | None = None

    def is_used(self) -> bool:
        return self.in_flight > 0 or bool(self.waiting) or self.late is not None


class Bundler:
    def __init__(self, send: Send) -> None:
        self._send = send
        self._lanes: dict[tuple[str, Group], _Lane] = {}
        self._refuses: set[str] = set()  # endpoints that know no bundles
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, ask: Ask) -> Outcome:
        if ask.group is Group.ALONE or ask.endpoint in self._refuses:
            return await self._send(ask)
        lane = self._lane(ask)
        if lane.in_flight < BUNDLES_IN_FLIGHT and not lane.waiting:
            return await self._alone(lane, ask)
        packed = ask.request.SerializeToString()
        if len(packed) > BUNDLE_CALL_BYTES:
            return await self._send(ask)
        return await self._wait(lane, ask, packed)

    def _lane(self, ask: Ask) -> _Lane:
        """Those that nobody uses are not kept: redirects may name any number of endpoints."""
        key = (ask.endpoint, ask.group)
        if key not in self._lanes and len(self._lanes) > len(Group) * ENDPOINTS_KNOWN_MAX:
            self._lanes = {k: lane for k, lane in self._lanes.items() if lane.is_used()}
            self._refuses.clear()
        return self._lanes.setdefault(key, _Lane())

    async def _alone(self, lane: _Lane, ask: Ask) -> Outcome:
        lane.in_flight += 1
        try:
            return await self._send(ask)
        finally:
            lane.in_flight -= 1
            self._next(lane)

    async def _wait(self, lane: _Lane, ask: Ask, packed: bytes) -> Outcome:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(ask, packed, loop.create_future(), loop.time())
        lane.waiting.append(waiting)
        if lane.late is None:
            lane.late = loop.call_later(LINGER_S, self._late, lane)
        try:
            async with asyncio.timeout(ask.timeout_s):
                return await waiting.future
        except TimeoutError:
            sent = waiting not in lane.waiting
            return Silence("no reply in time", sent=sent, timed_out=True)
        finally:
            if waiting in lane.waiting:
                lane.waiting.remove(waiting)

    # -- Sending ----------------------------------------------------------------------------------

    def _late(self, lane: _Lane) -> None:
        """Who waits for a message that takes long goes without it."""
        lane.late = None
        loop = asyncio.get_running_loop()
        if lane.waiting and loop.time() - lane.waiting[0].since >= LINGER_S / 2:
            self._start(lane)
        if lane.waiting:
            lane.late = loop.call_later(LINGER_S, self._late, lane)

    def _next(self, lane: _Lane) -> None:
        if lane.waiting and lane.in_flight < BUNDLES_IN_FLIGHT:
            self._start(lane)

    def _start(self, lane: _Lane) -> None:
        """Those that fit into one message, which no caller's end stops."""
        together: list[_Waiting] = []
        size = 0
        while lane.waiting and len(together) < BUNDLE_CALLS:
            size += len(lane.waiting[0].packed)
            if together and size > BUNDLE_BYTES:
                break
            together.append(lane.waiting.popleft())
        lane.in_flight += 1
        task = asyncio.get_running_loop().create_task(self._carry(lane, together))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, lane: _Lane, together: list[_Waiting]) -> None:
        outcomes: Sequence[Outcome] = [Silence("the client was closed", sent=True)] * len(together)
        try:
            if len(together) == 1:
                outcomes = [await self._send(together[0].ask)]
            else:
                outcomes = await self._bundle(together)
        finally:
            lane.in_flight -= 1
            self._next(lane)
            for waiting, outcome in zip(together, outcomes, strict=True):
                if not waiting.future.done():
                    waiting.future.set_result(outcome)

    async def _bundle(self, together: list[_Waiting]) -> Sequence[Outcome]:
        endpoint = together[0].ask.endpoint
        timeout_s = max(waiting.ask.timeout_s for waiting in together)
        request = rpc_pb2.RpcRequest(
            method=METHOD,
            deadline_ms=max(waiting.ask.request.deadline_ms for waiting in together),
            body=b"".join(_field_1(waiting.packed) for waiting in together),
        )
        outcome = await self._send(Ask(endpoint, request, timeout_s, Group.ALONE))
        if isinstance(outcome, Silence):
            return [outcome] * len(together)
        if outcome.message.code == rpc_pb2.CODE_UNIMPLEMENTED:
            self._refuses.add(endpoint)
            return await self._one_by_one(together)
        if outcome.message.code != rpc_pb2.CODE_OK:
            return [outcome] * len(together)  # of them all: OVERLOADED, SHUTTING_DOWN
        replies = _replies(outcome.message, len(together))
        if isinstance(replies, Silence):
            return [replies] * len(together)
        return await self._those_left_out(together, replies)

    async def _one_by_one(self, calls: list[_Waiting]) -> Sequence[Outcome]:
        return await asyncio.gather(*(self._send(waiting.ask) for waiting in calls))

    async def _those_left_out(
        self, together: list[_Waiting], replies: list[rpc_pb2.RpcReply]
    ) -> Sequence[Outcome]:
        """BUNDLE_FULL: the replies were too large together; the call goes again, alone. It may have
        been executed."""
        outcomes: list[Outcome] = [Reply(reply) for reply in replies]
        full = [i for i, reply in enumerate(replies) if reply.reason == rpc_pb2.REASON_BUNDLE_FULL]
        again = await self._one_by_one([together[i] for i in full])
        for i, outcome in zip(full, again, strict=True):
            if isinstance(outcome, Silence):
                outcomes[i] = replace(outcome, sent=True)
            else:
                outcomes[i] = replace(outcome, sent_again=True)
        return outcomes


def _field_1(packed: bytes) -> bytes:
    """An element of BundleRequest.calls that was packed already."""
    length, head = len(packed), bytearray(b"\x0a")
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + packed


def _replies(envelope: rpc_pb2.RpcReply, wanted: int) -> list[rpc_pb2.RpcReply] | Silence:
    try:
        response = decode(rpc_pb2.BundleResponse, envelope.body)
    except DecodeError:
        return Silence("the bundle's replies do not decode", sent=True, malformed=True)
    replies = list(response.replies)
    if len(replies) != wanted:
        why = f"{len(replies)} replies to a bundle of {wanted} calls"
        return Silence(why, sent=True, malformed=True)
    for reply in replies:
        if not reply.HasField("freshness") and envelope.HasField("freshness"):
            reply.freshness.CopyFrom(envelope.freshness)
    return replies
