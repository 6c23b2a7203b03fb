"""What an operation raises: CandorError, and by what is to be done about it, its subclasses."""

from __future__ import annotations

from dataclasses import dataclass

from candor.codes import Code, Reason
from candor.freshness import Freshness
from candor.levels import Ack
from candor.results import LadderReport, RequestId, SessionLoss


@dataclass(frozen=True, slots=True)
class Hint:
    """What the node that refused says of the primary."""

    primary: str = ""  # node id; "": it knows none
    endpoint: str = ""
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What an error tells beside its code, reason and message."""

    freshness: Freshness | None = None  # of the node that refused; None: none answered
    hint: Hint | None = None
    request: RequestId | None = None  # of a write
    # Of a write: an attempt may have been executed. Always so with OutcomeUnknown
    outcome_unknown: bool = False
    attempts: int = 0
    redirects: int = 0
    violation: str | None = None
    loss: SessionLoss | None = None
    ladder: LadderReport | None = None  # of a read with one: why no rung was met
    number: int | None = None  # Increment's present number, beside OUT_OF_RANGE
    reached: Ack | None = None  # await_commit(): how far the write had come at the deadline


class CandorError(Exception):
    """An operation failed. `code` and `reason` are the protocol's; `details` tells the rest."""

    def __init__(self, code: Code, reason: Reason, message: str, details: Details) -> None:
        why = f"{code.name}/{reason.name}" if reason is not Reason.NONE else code.name
        super().__init__(f"{why}: {message}")
        self.code, self.reason, self.message, self.details = code, reason, message, details

    @property
    def freshness(self) -> Freshness | None:
        return self.details.freshness

    @property
    def hint(self) -> Hint | None:
        return self.details.hint

    @property
    def request(self) -> RequestId | None:
        return self.details.request

    @property
    def outcome_unknown(self) -> bool:
        return self.details.outcome_unknown


class InvalidRequest(CandorError):
    """The request can never succeed as it is; the message names the field."""


class RequestIdReused(InvalidRequest):
    """Somebody else uses this client's id (a copied machine). This write was not executed; the
    client goes on under a new id, and it is for you to say whether to write again."""


class TooLarge(CandorError):
    """A key, value or message is over its limit; the message names it."""


class Unavailable(CandorError):
    """Nobody could answer before the deadline."""


class DeadlineExceeded(Unavailable):
    """The deadline came before an answer. `reached`: how far await_commit()'s write had come."""

    @property
    def reached(self) -> Ack | None:
        return self.details.reached


class Overloaded(Unavailable):
    """The node had too much to do until the deadline."""


class NoRoom(CandorError):
    """Disk or state is full: deletes are taken, and nothing else that writes."""


class FailedPrecondition(CandorError):
    """The node may not answer this: `hint` names who may, where it is known. Without a reason: the
    key does not hold what the operation needs (Increment: a number)."""


class SessionLost(CandorError):
    """What the session had seen was rolled back. `loss` tells what, as far as it is known;
    restart_session(loss.token) goes on."""

    @property
    def loss(self) -> SessionLoss:
        assert self.details.loss is not None  # noqa: S101 (made so)
        return self.details.loss


class RolledBack(CandorError):
    """await_commit(): another history is committed in place of the write. `loss` tells where it is
    archived, as far as the node that answered knows."""

    @property
    def loss(self) -> SessionLoss:
        assert self.details.loss is not None  # noqa: S101 (made so)
        return self.details.loss


class OutcomeUnknown(CandorError):
    """The write may or may not have been executed, and nobody could tell before the deadline.
    txn_status(error.request) tells later."""


class OutOfRange(CandorError):
    """Increment: the number would leave its bounds; nothing was written."""

    @property
    def value(self) -> int | None:
        """The present number."""
        return self.details.number


class DataLoss(CandorError):
    """What the node has stored is damaged, and no other node answered."""


class ProtocolError(CandorError):
    """The answer breaks the protocol; the connection was closed."""


class ClientClosed(CandorError):
    """The client was closed while the operation was under way."""


_BY_REASON: dict[Reason, type[CandorError]] = {
    Reason.SESSION_LOST: SessionLost,
    Reason.ROLLED_BACK: RolledBack,
    Reason.OUTCOME_UNKNOWN: OutcomeUnknown,
    Reason.REQUEST_TOO_OLD: OutcomeUnknown,
    Reason.REQUEST_ID_REUSED: RequestIdReused,
    Reason.TOO_LARGE: TooLarge,
    Reason.OVERLOADED: Overloaded,
    Reason.DISK_FULL: NoRoom,
    Reason.STATE_FULL: NoRoom,
}
_BY_CODE: dict[Code, type[CandorError]] = {
    Code.CANCELLED: ClientClosed,
    Code.INVALID_ARGUMENT: InvalidRequest,
    Code.UNIMPLEMENTED: InvalidRequest,
    Code.FAILED_PRECONDITION: FailedPrecondition,
    Code.UNAVAILABLE: Unavailable,
    Code.DEADLINE_EXCEEDED: DeadlineExceeded,
    Code.OUT_OF_RANGE: OutOfRange,
    Code.INTERNAL: ProtocolError,
    Code.DATA_LOSS: DataLoss,
}


def error_of(code: Code, reason: Reason, message: str, details: Details) -> CandorError:
    """Of the class that its reason, else its code, has."""
    kind = _BY_REASON.get(reason) or _BY_CODE.get(code) or CandorError
    if kind in (SessionLost, RolledBack) and details.loss is None:
        kind = CandorError
    return kind(code, reason, message, details)
