"""One call: what is asked, and how its answer becomes a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypedDict, TypeVar

from google.protobuf.message import Message

from candor._core.steps import Group
from candor.codes import Reason
from candor.freshness import Freshness
from candor.levels import Ack, Rung
from candor.position import Pos, Token, token_message
from candor.results import LadderReport, RequestId, SessionLoss

T = TypeVar("T")


class MisfitError(Exception):
    """The body decodes, and is no answer to this request."""


class AnswerFields(TypedDict):
    """Of every result."""

    freshness: Freshness
    attempts: int
    redirects: int
    violation: str | None
    ladder: LadderReport | None


@dataclass(frozen=True, slots=True)
class Told:
    """What the operation knows of an answer beside its body."""

    answer: AnswerFields
    request: RequestId | None
    session_loss: SessionLoss | None


@dataclass(frozen=True, slots=True)
class Taken(Generic[T]):
    """A body that was decoded and checked."""

    finish: Callable[[Told], T]
    written: Pos | None = None  # of a write
    wrote: bool = False
    replayed: bool = False


@dataclass(slots=True)
class Call(Generic[T]):
    method: str
    request: Message
    # Of the body of an OK reply, or of one with a reason of `also`. Raises DecodeError, MisfitError
    take: Callable[[bytes, Reason], Taken[T]]
    group: Group
    write: bool = False
    at_primary: bool = False  # begins with it, where it is known
    only: str | None = None  # this endpoint once, and nobody else
    session: bool = True  # the answer is something that the session has seen
    names_client: bool = False  # is told which writes of this client were lost
    max_staleness_ms: int = 0  # of a BOUNDED read
    rungs: tuple[Rung, ...] = ()  # of a read with a ladder
    asked: Token | None = None  # the session's, where the request brings it
    deadline_s: float | None = None  # None: the client's
    also: frozenset[Reason] = field(default_factory=frozenset)  # errors that are an answer
    # The present number that stands beside OUT_OF_RANGE
    number: Callable[[bytes], int] | None = None
    # How far it has come, which stands beside NO_MAJORITY
    reached: Callable[[bytes], Ack] | None = None

    def bring(self, token: Token | None) -> None:
        """Puts the session's token into the request's options."""
        options: Any = getattr(self.request, "options")  # noqa: B009 (not of every Message)
        self.asked = token
        if token is None:
            options.ClearField("token")
        else:
            options.token.CopyFrom(token_message(token))
