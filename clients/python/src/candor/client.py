"""The client that waits."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TypeVar

from google.protobuf.message import Message

from candor._client import ClientBase, NodeAnswer, node_call
from candor._core import awaiting, reads, writes
from candor._core.call import Call
from candor._core.envelope import pack
from candor._core.limits import WATCH_PAUSE_S
from candor._core.operation import operate
from candor._core.options import scan_range
from candor._core.reads import ReadOptions
from candor._core.steps import Ask, Outcome, Pause, Silence, Steps
from candor._core.watching import Watching, passes_by
from candor._core.writes import Bounds, WriteOptions
from candor._transport.base import NoReplyError, SyncTransport, TransportSettings
from candor._transport.nng import SyncNng
from candor._transport.outcomes import reply_or_silence, silence, too_large
from candor._transport.sync_socket import SyncSockets
from candor.errors import CandorError
from candor.freshness import Freshness
from candor.levels import EVENTUAL, Ack, Ladder, ReadLevel
from candor.operations import BatchOp, Bytes, Compare, Expect, Put, TxnOp
from candor.position import Pos, Token
from candor.results import (
    AwaitResult,
    BatchResult,
    CasResult,
    DeleteResult,
    ExpireResult,
    GetResult,
    IncrementResult,
    Item,
    MultiGetResult,
    RequestId,
    ScanPage,
    TxnResult,
    TxnStatusResult,
    WriteResult,
)
from candor.watch import Changes, Cursor, Event, watch_range

T = TypeVar("T")
M = TypeVar("M", bound=Message)
_TRANSPORTS: dict[str, type[SyncSockets] | type[SyncNng]] = {"socket": SyncSockets, "nng": SyncNng}


class Client(ClientBase):
    """A client of a cluster whose calls wait. Any thread may use it.

        with Client(["tcp://10.0.0.1:7000", "tcp://10.0.0.2:7000"]) as client:
            client.put("greeting", "hello", ack=Ack.MAJORITY)
            print(client.get("greeting", level=SESSION).value)

    The arguments are those of ClientBase. A child of fork() may go on with it: it draws a client id
    and makes connections of its own."""

    def _make_transport(self, kind: str, settings: TransportSettings) -> None:
        self._transport: SyncTransport = _TRANSPORTS[kind](settings)

    def close(self) -> None:
        """What other threads have under way ends with its answer, or at its deadline."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- Reads ------------------------------------------------------------------------------------

    def get(
        self, key: Bytes, *, level: ReadLevel | Ladder = EVENTUAL, deadline: float | None = None
    ) -> GetResult:
        """One key."""
        return self._run(reads.get(key, ReadOptions(level, deadline), self._core.session))

    def multi_get(
        self,
        keys: Sequence[Bytes],
        *,
        level: ReadLevel | Ladder = EVENTUAL,
        deadline: float | None = None,
    ) -> MultiGetResult:
        """Many keys, all from one state."""
        return self._run(reads.multi_get(keys, ReadOptions(level, deadline), self._core.session))

    def scan_pages(
        self,
        *,
        prefix: Bytes = b"",
        start: Bytes = b"",
        end: Bytes = b"",
        after: Bytes = b"",
        reverse: bool = False,
        keys_only: bool = False,
        page: int = 0,
        level: ReadLevel | Ladder = EVENTUAL,
        deadline: float | None = None,
    ) -> Iterator[ScanPage]:
        """A range of keys, page by page; each page is from one state and has its own Freshness.

        prefix, or [start, end) in the direction of the scan; `after`: only keys beyond this one;
        `page`: at most so many items in each. `deadline` is of one page."""
        wanted = scan_range(prefix, start, end, after, page, reverse=reverse, keys_only=keys_only)
        options = ReadOptions(level, deadline)
        more = True
        while more:
            answer = self._run(reads.scan(wanted, options, self._core.session))
            yield answer
            more = answer.more
            if more:
                wanted = replace(wanted, after=answer.items[-1].key)

    def scan(
        self,
        *,
        prefix: Bytes = b"",
        start: Bytes = b"",
        end: Bytes = b"",
        after: Bytes = b"",
        reverse: bool = False,
        keys_only: bool = False,
        page: int = 0,
        level: ReadLevel | Ladder = EVENTUAL,
        deadline: float | None = None,
    ) -> Iterator[Item]:
        """A range of keys, one by one, fetched as they are asked for. See scan_pages()."""
        pages = self.scan_pages(
            prefix=prefix, start=start, end=end, after=after, reverse=reverse,
            keys_only=keys_only, page=page, level=level, deadline=deadline,
        )  # fmt: skip
        for answer in pages:
            yield from answer.items

    def txn_status(self, of: RequestId | Pos, *, deadline: float | None = None) -> TxnStatusResult:
        """What became of a write: result.request or error.request names it, or its position."""
        return self._run(reads.txn_status(of, deadline))

    def await_commit(
        self,
        of: Token | Pos | int | None = None,
        *,
        level: Ack = Ack.MAJORITY,
        deadline: float | None = None,
    ) -> AwaitResult:
        """Waits until a write is safe: of a token (result.freshness.token), a position, a seq
        (whatever is committed there), or None: all that this session has written and read. Any
        client may ask, at any time, also after failovers. RolledBack: another history is committed
        in its place; DeadlineExceeded: not yet."""
        return self._run(awaiting.await_commit(of, level, deadline, self._core.session))

    # -- Writes -----------------------------------------------------------------------------------

    def put(
        self,
        key: Bytes,
        value: Bytes,
        *,
        ttl: float | None = None,
        ack: Ack = Ack.LOCAL,
        deadline: float | None = None,
    ) -> WriteResult:
        """Writes a key. `ttl`: it is there for so many seconds from when the primary takes it, and
        no shorter; then it is deleted. None: it stays, and a TTL that it had ends."""
        options = WriteOptions(ack, deadline)
        return self._run(writes.put(Put(key, value, ttl), options, self._core.session))

    def delete(
        self, key: Bytes, *, ack: Ack = Ack.LOCAL, deadline: float | None = None
    ) -> DeleteResult:
        """Deletes a key."""
        return self._run(writes.delete(key, WriteOptions(ack, deadline), self._core.session))

    def batch(
        self, ops: Sequence[BatchOp], *, ack: Ack = Ack.LOCAL, deadline: float | None = None
    ) -> BatchResult:
        """Many writes in one message, in order; not atomic as a whole: that is txn()."""
        return self._run(writes.batch(ops, WriteOptions(ack, deadline), self._core.session))

    def compare_and_swap(
        self,
        key: Bytes,
        expect: Expect,
        value: Bytes,
        *,
        ttl: float | None = None,
        ack: Ack = Ack.LOCAL,
        deadline: float | None = None,
    ) -> CasResult:
        """Writes a key if it is as expected: Expect(value=...), Expect(mod_seq=...), ABSENT,
        PRESENT. `ttl` as of put()."""
        options, to_put = WriteOptions(ack, deadline), Put(key, value, ttl)
        return self._run(writes.compare_and_swap(expect, to_put, options, self._core.session))

    def expire(
        self,
        key: Bytes,
        ttl: float | None,
        *,
        expect_mod_seq: int | None = None,
        ack: Ack = Ack.LOCAL,
        deadline: float | None = None,
    ) -> ExpireResult:
        """From now on the key is there for `ttl` seconds, and no shorter; None: it stays. Its value
        and mod_seq do not change. With `expect_mod_seq` only if that record wrote it last.

        Who holds a lock with a TTL cannot know that he still holds it when he acts: what the lock
        guards must be told the mod_seq under which it was taken, and refuse a lower one."""
        options = WriteOptions(ack, deadline)
        return self._run(writes.expire(key, ttl, expect_mod_seq, options, self._core.session))

    def increment(
        self,
        key: Bytes,
        delta: int = 1,
        *,
        least: int | None = None,
        most: int | None = None,
        initial: int = 0,
        ack: Ack = Ack.LOCAL,
        deadline: float | None = None,
    ) -> IncrementResult:
        """Adds to a number; `initial` is what an absent key counts as. OutOfRange: the result would
        not be within [least, most]; nothing was written, and error.value is the present number."""
        options, bounds = WriteOptions(ack, deadline), Bounds(least, most, initial)
        return self._run(writes.increment(key, delta, bounds, options, self._core.session))

    def txn(
        self,
        compare: Sequence[Compare] = (),
        then_ops: Sequence[TxnOp] = (),
        else_ops: Sequence[TxnOp] = (),
        *,
        ack: Ack = Ack.LOCAL,
        deadline: float | None = None,
    ) -> TxnResult:
        """then_ops if all comparisons hold, otherwise else_ops: atomically, in order."""
        options = WriteOptions(ack, deadline)
        return self._run(writes.txn(compare, then_ops, else_ops, options, self._core.session))

    # -- Watches ----------------------------------------------------------------------------------

    def watch(
        self,
        *,
        key: Bytes = b"",
        prefix: Bytes = b"",
        start: Bytes = b"",
        end: Bytes = b"",
        cursor: Cursor | None = None,
        since_seq: int = 0,
        with_state: bool = False,
        no_puts: bool = False,
        no_deletes: bool = False,
        uncommitted: bool = False,
        limit: int = 0,
        wait: float = 10.0,
    ) -> Watch:
        """Follows what happens to one key, the keys with a prefix, or those in [start, end); none
        of them: to every key. See Watch.

        It begins now; with `cursor`, where another watch of the same range stood; with `since_seq`,
        with that record; with `with_state`, with the present state. `uncommitted`: also what may
        still be rolled back (ROLLED_BACK tells). An answer comes after `wait` seconds at the
        latest, with `limit` records at most."""
        wanted = watch_range(
            key=key, prefix=prefix, start=start, end=end, cursor=cursor, since_seq=since_seq,
            with_state=with_state, no_puts=no_puts, no_deletes=no_deletes,
            uncommitted=uncommitted, limit=limit,
        )  # fmt: skip
        return Watch(self, Watching(wanted, self._core.settings.deadline_s, wait))

    # -- Any method -------------------------------------------------------------------------------

    def ask_node(
        self,
        endpoint: str,
        method: str,
        request: Message,
        response: type[M],
        *,
        deadline: float | None = None,
    ) -> NodeAnswer[M]:
        """Any method of one node, once: "/candor.v1.Cluster/Status". No redirects, no retries, no
        session, no request id."""
        return self._run(node_call(endpoint, method, request, response, deadline))

    # -- Steps ------------------------------------------------------------------------------------

    def _run(self, call: Call[T]) -> T:
        if self._core.notice_fork():
            self._transport.forget()
        steps = operate(self._core, call)
        with contextlib.closing(steps):
            return self._carry_out(steps)

    def _carry_out(self, steps: Steps[T]) -> T:
        outcome: Outcome | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            outcome = None
            if isinstance(step, Pause):
                time.sleep(step.seconds)
            else:
                outcome = self._ask(step)

    def _ask(self, ask: Ask) -> Outcome:
        payload, most = pack(ask.request), self._core.settings.message_bytes
        if len(payload) > most:
            return too_large(len(payload), most)
        try:
            data = self._transport.exchange(ask.endpoint, payload, ask.timeout_s)
        except NoReplyError as error:
            return silence(error)
        outcome = reply_or_silence(data)
        if isinstance(outcome, Silence):
            self._transport.drop(ask.endpoint)
        return outcome


class Watch:
    """What happens to a range of keys, in the order of the log. It goes on by itself over restarts,
    failovers and snapshots, at whichever node answers: nothing is left out and nothing is told
    twice, or an event says so (COMPACTED, ROLLED_BACK).

    Iterating gives the events one by one; changes() gives whole answers, those without events, too.
    A CandorError ends it: it is final. What passes by (nobody answers) does not end it; `error` is
    the newest of those. One thread at a time."""

    def __init__(self, client: Client, watching: Watching) -> None:
        self._client, self._watching = client, watching
        self._closed = False
        self.freshness: Freshness | None = None  # of the newest answer
        self.cursor: Cursor | None = watching.cursor  # behind all events that were given and used
        self.error: CandorError | None = None

    def changes(self) -> Iterator[Changes]:
        while not self._closed:
            try:
                changes = self._client._run(self._watching.next_call())
            except CandorError as error:
                if not passes_by(error):
                    raise
                self.error = error
                time.sleep(random.uniform(0, WATCH_PAUSE_S))
                continue
            self.error, self.freshness = None, changes.freshness
            yield changes
            self.cursor = changes.cursor

    def __iter__(self) -> Iterator[Event]:
        for changes in self.changes():
            for event in changes.events:
                if self._closed:
                    return
                yield event

    def close(self) -> None:
        """Another thread that waits for it ends with the next answer."""
        self._closed = True

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
