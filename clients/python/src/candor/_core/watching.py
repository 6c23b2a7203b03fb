"""A watch: one long poll after the other, each from where the one before ended (docs/wire.md,
"Watching")."""

from __future__ import annotations

from collections.abc import Iterator

from candor._core.call import Call, MisfitError, Taken, Told
from candor._core.decode import decode
from candor._core.limits import WATCH_WAIT_S
from candor._core.steps import Group
from candor.codes import Code, Reason
from candor.errors import CandorError
from candor.position import Pos, pos_of
from candor.v1 import kv_pb2
from candor.watch import Changes, Cursor, Event, EventType, WatchRange


class Watching:
    """The state of one watch. next_call() gives the next poll; its result moves the watch on."""

    def __init__(self, wanted: WatchRange, deadline_s: float, wait_s: float = WATCH_WAIT_S) -> None:
        self._wanted = wanted
        self._deadline_s, self._wait_s = deadline_s, wait_s
        self._cursor: kv_pb2.WatchCursor | None = None
        if wanted.cursor is not None:
            self._cursor = decode(kv_pb2.WatchCursor, wanted.cursor.packed)
        self._begun = self._cursor is not None
        self._state_asked = wanted.with_state  # until the present state was told

    @property
    def cursor(self) -> Cursor | None:
        return Cursor(self._cursor.SerializeToString()) if self._cursor is not None else None

    def next_call(self) -> Call[Changes]:
        """An attempt has half of the time: one that waits in vain leaves some for another."""
        wanted = self._wanted
        request = kv_pb2.WatchRequest(
            key=wanted.key,
            prefix=wanted.prefix,
            start=wanted.start,
            end=wanted.end,
            since_seq=0 if self._begun else wanted.since_seq,
            with_state=self._state_asked and self._cursor is None,
            no_puts=wanted.no_puts,
            no_deletes=wanted.no_deletes,
            uncommitted=wanted.uncommitted,
            limit=wanted.limit,
            wait_ms=int(self._wait_s * 1000),
        )
        if self._cursor is not None:
            getattr(request, "from").CopyFrom(self._cursor)
        return Call(
            method="/candor.v1.KV/Watch",
            request=request,
            take=self._take,
            group=Group.ALONE,
            deadline_s=2 * self._wait_s + self._deadline_s,
            also=frozenset({Reason.COMPACTED, Reason.ROLLED_BACK}),
        )

    # -- Answers ----------------------------------------------------------------------------------

    def _take(self, body: bytes, reason: Reason) -> Taken[Changes]:
        response = decode(kv_pb2.WatchResponse, body)
        if reason is Reason.COMPACTED:
            events = [Event(type=EventType.COMPACTED, pos=Pos(seq=response.first_seq))]
            return self._moved(events, None, anew=True)
        if reason is Reason.ROLLED_BACK:
            if not response.HasField("rolled_back"):
                raise MisfitError("it does not say what was rolled back")
            next_one = response.next if response.HasField("next") else None
            taken_back = list(_rolled_back(response.rolled_back))
            archive = response.rolled_back.archive_id
            return self._moved(taken_back, next_one, anew=next_one is None, archive=archive)
        self._check_order(response)
        return self._moved(list(self._events(response)), response.next, anew=False)

    def _check_order(self, response: kv_pb2.WatchResponse) -> None:
        """A node that goes back, or tells what it does not know the order of, is not believed."""
        seen = _seq_of(self._cursor)
        if not response.HasField("next"):
            raise MisfitError("no cursor to go on from")
        for record in response.records:
            if record.pos.seq <= seen:
                raise MisfitError(f"record {record.pos.seq} comes after {seen}")
            seen = record.pos.seq
        if _seq_of(response.next) < seen:
            raise MisfitError(f"the cursor goes back from {seen} to {_seq_of(response.next)}")

    def _events(self, response: kv_pb2.WatchResponse) -> Iterator[Event]:
        in_state = self._state_asked or (self._cursor is not None and self._cursor.in_state)
        for record in response.records:
            yield from _record(record)
        for item in response.state:
            yield Event(
                type=EventType.STATE,
                pos=Pos(seq=item.mod_seq),
                key=item.key,
                value=item.value,
                version=item.version,
            )
        if in_state and not response.next.in_state:
            yield Event(type=EventType.STATE_END)

    def _moved(
        self, events: list[Event], next_one: kv_pb2.WatchCursor | None, *, anew: bool,
        archive: str = "",
    ) -> Taken[Changes]:  # fmt: skip
        """Takes effect when the answer is given, so that nothing is lost where it is not."""

        def finish(told: Told) -> Changes:
            self._begun, self._cursor, self._state_asked = True, next_one, anew
            seen = _seq_of(next_one)
            freshness = told.answer["freshness"]
            return Changes(tuple(events), seen, freshness, self.cursor, archive)

        return Taken(finish)


def passes_by(error: CandorError) -> bool:
    """The next poll may succeed, and nothing is lost by the failure of this one."""
    return error.code in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED) or (
        error.reason is Reason.OVERLOADED
    )


def _seq_of(cursor: kv_pb2.WatchCursor | None) -> int:
    return cursor.token.pos.seq if cursor is not None else 0


def _record(record: kv_pb2.WatchRecord, *, taken_back: bool = False) -> Iterator[Event]:
    pos, last = pos_of(record.pos), len(record.events) - 1
    for index, event in enumerate(record.events):
        put = event.type == kv_pb2.WATCH_EVENT_TYPE_PUT
        yield Event(
            type=EventType.PUT if put else EventType.DELETE,
            pos=pos,
            key=event.key,
            value=event.value if put else None,
            more=index < last,
            taken_back=taken_back,
            wall_ms=record.wall_ms,
            expired=event.expired,
            ttl=event.ttl_ms / 1000 if event.ttl_ms else None,
        )


def _rolled_back(rollback: kv_pb2.WatchRollback) -> Iterator[Event]:
    yield Event(type=EventType.ROLLED_BACK, pos=Pos(seq=rollback.from_seq))
    for record in rollback.records:
        yield from _record(record, taken_back=True)
