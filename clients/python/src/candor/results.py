"""What the operations give. Every result has the Freshness of the answer that it is made of."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from candor.codes import Code, Reason
from candor.freshness import Freshness
from candor.levels import Ack, ReadLevel
from candor.position import Pos, Token


@dataclass(frozen=True, slots=True)
class Item:
    """A key as it was read."""

    key: bytes
    value: bytes | None  # None: there is no such key, or the scan left values out
    found: bool
    mod_seq: int  # seq of the record that wrote it last
    version: int  # 1 when created, counted up by each write since
    # Seconds for which it will still be there, as far as the node knows; 0: its delete is on its
    # way. None: it does not end. Not told by compare_and_swap(), expire() and txn()
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class RequestId:
    """Names one write over all its attempts: txn_status() tells what became of it."""

    client_id: bytes
    number: int


@dataclass(frozen=True, slots=True)
class LostWrite:
    """A write that a rollback took back."""

    number: int  # of its request id
    pos: Pos  # where it had been


@dataclass(frozen=True, slots=True)
class SessionLoss:
    """Part of what the session had seen was rolled back; `token` is where it goes on."""

    token: Token | None
    node: str  # who told it
    archive_id: str  # of the rollback archive at that node; "": another node may hold it
    writes: tuple[LostWrite, ...]  # of this client, as far as the archive was searched
    more: bool  # there may be others


@dataclass(frozen=True, slots=True)
class MissedRung:
    """Why a rung was not met: as a read of that level alone would have been refused."""

    code: Code  # DEADLINE_EXCEEDED: the time that it had was over
    reason: Reason
    waited_ms: int
    staleness_bound_ms: int | None  # BOUNDED: what the node could prove; None: nothing


@dataclass(frozen=True, slots=True)
class LadderReport:
    """How a read with a ladder went."""

    met: int  # the number of the rung that was met, from 1; 0: none
    level: ReadLevel | None  # of that rung
    missed: tuple[MissedRung, ...]  # those above it, from the first on


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What all results have."""

    freshness: Freshness
    attempts: int = 1  # requests sent for it
    redirects: int = 0  # followed for it
    violation: str | None = None  # what the node went back on; None, as it should be: nothing
    ladder: LadderReport | None = None  # of a read with one


@dataclass(frozen=True, slots=True, kw_only=True)
class GetResult(Answer):
    item: Item

    @property
    def found(self) -> bool:
        return self.item.found

    @property
    def value(self) -> bytes | None:
        return self.item.value


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiGetResult(Answer):
    """All from one state, in the order of the keys."""

    items: tuple[Item, ...]

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanPage(Answer):
    items: tuple[Item, ...]
    more: bool  # a limit ended it: go on after the last item's key


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult(Answer):
    """`pos`: of the write; where it had no effect, of the data that were compared."""

    request: RequestId
    pos: Pos
    ack: Ack  # the level that `pos` has reached
    replayed: bool  # an earlier attempt had done it: the answer is of then
    # What the session had seen was rolled back; the session went on from session_loss.token, and
    # this write was made after that
    session_loss: SessionLoss | None = None
    wrote: bool = True  # False: it had no effect


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteResult(WriteResult):
    found: bool  # whether there was something to delete


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult(WriteResult):
    """`first`: position of the first operation; `pos`: of the last one."""

    first: Pos
    found: tuple[bool, ...]  # per operation: whether the key existed before it


@dataclass(frozen=True, slots=True, kw_only=True)
class CasResult(WriteResult):
    succeeded: bool
    item: Item | None  # not succeeded: what is there instead


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireResult(WriteResult):
    succeeded: bool  # False: there is no such key, or another has written it
    item: Item | None  # not succeeded: what is there instead


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementResult(WriteResult):
    value: int  # the new number


@dataclass(frozen=True, slots=True)
class TxnOpResult:
    found: bool  # put, delete: whether the key existed before; get: whether it exists
    item: Item | None  # get


@dataclass(frozen=True, slots=True, kw_only=True)
class TxnResult(WriteResult):
    succeeded: bool  # the comparisons held
    results: tuple[TxnOpResult, ...]  # of the list that was executed, in order


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitResult(Answer):
    pos: Pos
    ack: Ack  # the level that it has reached, for good


class TxnState(enum.Enum):
    UNKNOWN = 0  # no effect there, rolled back, or forgotten
    COMMITTED = 1  # no failover that is not forced takes it back
    ROLLED_BACK = 2  # by position only
    PENDING = 3  # not decided yet: ask again


@dataclass(frozen=True, slots=True, kw_only=True)
class TxnStatusResult(Answer):
    state: TxnState
    pos: Pos | None
    parts: int  # operations of a batch that are in the log
