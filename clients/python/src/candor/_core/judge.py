"""What the end of an attempt means: answered, redirected, to be repeated, or final."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass

from candor._core.limits import BACKOFF_FIRST_S, BACKOFF_MOST_S
from candor._core.steps import Silence
from candor.codes import Code, Reason
from candor.errors import Hint
from candor.freshness import Freshness
from candor.position import Token, pos_of
from candor.results import LadderReport, LostWrite, SessionLoss
from candor.v1 import rpc_pb2


class Next(enum.Enum):
    END = enum.auto()
    FOLLOW = enum.auto()  # a redirect: ask hint.endpoint at once
    RETRY = enum.auto()  # ask elsewhere, after a pause


@dataclass(frozen=True, slots=True)
class Refusal:
    """An attempt that did not give the answer."""

    code: Code
    reason: Reason
    message: str
    answered: bool = False  # by a node, whatever it said
    freshness: Freshness | None = None
    hint: Hint | None = None
    body: bytes = b""
    loss: SessionLoss | None = None
    ladder: LadderReport | None = None

    @property
    def token(self) -> Token | None:
        return self.freshness.token if self.freshness else None


def refusal_of(reply: rpc_pb2.RpcReply, freshness: Freshness | None) -> Refusal:
    code, reason = Code(reply.code), Reason(reply.reason)
    hint = None
    if reply.HasField("retry"):
        retry = reply.retry
        hint = Hint(retry.primary, retry.endpoint, retry.retry_after_ms)
    loss = None
    if reason in (Reason.SESSION_LOST, Reason.ROLLED_BACK) and freshness is not None:
        writes = tuple(LostWrite(w.number, pos_of(w.pos)) for w in reply.lost.writes)
        loss = SessionLoss(
            freshness.token, freshness.node, reply.lost.archive_id, writes, reply.lost.more
        )
    return Refusal(code, reason, reply.message, True, freshness, hint, reply.body, loss)


def refusal_of_silence(silence: Silence, endpoint: str, *, write: bool) -> Refusal:
    message = f"{endpoint}: {silence.why}"
    unknown = Reason.OUTCOME_UNKNOWN if write and silence.sent else Reason.NONE
    if silence.closed:
        return Refusal(Code.CANCELLED, unknown, "the client is closed")
    if silence.too_large:
        return Refusal(Code.RESOURCE_EXHAUSTED, Reason.TOO_LARGE, message)
    if silence.malformed:
        return Refusal(Code.INTERNAL, Reason.MALFORMED, message)
    if silence.timed_out:
        return Refusal(Code.DEADLINE_EXCEEDED, unknown, message)
    return Refusal(Code.UNAVAILABLE, unknown, message)


# A node that says so has not executed the write, and never will.
_NOT_EXECUTED = frozenset({
    Reason.NOT_PRIMARY, Reason.NO_PRIMARY, Reason.NO_MAJORITY, Reason.SESSION_BEHIND,
    Reason.SYNCING, Reason.EXPIRED, Reason.FORKED, Reason.DOUBTFUL, Reason.OVERLOADED,
    Reason.DISK_FULL, Reason.MAX_HOPS,
})  # fmt: skip


def surely_refused(refusal: Refusal) -> bool:
    if not refusal.answered:  # never sent
        never_sent = (Reason.NONE, Reason.TOO_LARGE)
        return refusal.reason in never_sent and refusal.code is not Code.INTERNAL
    return refusal.reason in _NOT_EXECUTED


def worth_a_retry(refusal: Refusal) -> bool:
    """Another attempt may succeed."""
    code, reason = refusal.code, refusal.reason
    if code is Code.CANCELLED or reason is Reason.MAX_HOPS:
        return False
    if code in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED) or reason is Reason.OUTCOME_UNKNOWN:
        return True
    if code is Code.RESOURCE_EXHAUSTED:
        pause = refusal.hint.retry_after_ms if refusal.hint else 0
        return reason is Reason.OVERLOADED or (reason is Reason.DISK_FULL and pause > 0)
    if code is Code.DATA_LOSS:
        return reason is Reason.STATE_DAMAGED  # of that node: another has the data
    return code is Code.FAILED_PRECONDITION and reason not in (Reason.NONE, Reason.SESSION_LOST)


def judge(refusal: Refusal, *, follow: bool, single: bool) -> Next:
    if single or not worth_a_retry(refusal):
        return Next.END
    if refusal.code is not Code.FAILED_PRECONDITION:
        return Next.RETRY
    if not follow:
        return Next.END
    return Next.FOLLOW if refusal.hint and refusal.hint.endpoint else Next.RETRY


def settles(refusal: Refusal) -> bool:
    """It also says what became of the attempts before it: none was executed, or this is the answer.
    No other refusal does: its node, or its epoch, may be overruled by one that has the write."""
    if refusal.code is Code.FAILED_PRECONDITION:
        return refusal.reason is Reason.NONE
    never = (Reason.TOO_LARGE, Reason.REQUEST_ID_REUSED)
    return refusal.code is Code.OUT_OF_RANGE or refusal.reason in never


def says_itself(refusal: Refusal) -> bool:
    """Its own reason tells that the write may have been executed, and why nobody knows."""
    malformed = refusal.code is Code.INTERNAL and refusal.reason is Reason.MALFORMED
    return malformed or refusal.reason is Reason.REQUEST_TOO_OLD


def draw_pause_s(refusal: Refusal, failures: int, endpoints: int) -> float:
    """Full jitter: clients that failed together do not come back together."""
    rounds = min(failures // endpoints, 16)
    most: float = min(BACKOFF_FIRST_S * 2**rounds, BACKOFF_MOST_S)
    asked = refusal.hint.retry_after_ms / 1000 if refusal.hint else 0.0
    return asked + random.uniform(0, most)
