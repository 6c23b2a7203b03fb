"""What both forms of the client have in common: how they are made, and their session."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypedDict, TypeVar, Unpack

from google.protobuf.message import Message

from candor._core.addresses import normal
from candor._core.call import Call, Taken
from candor._core.core import Core, Settings, log_violation
from candor._core.decode import decode
from candor._core.limits import DEADLINE_S, MESSAGE_BYTES
from candor._core.steps import Group
from candor._transport.base import TransportSettings
from candor.codes import Reason
from candor.position import Token
from candor.results import Answer

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAnswer(Answer, Generic[M]):
    """Of ask_node()."""

    response: M


class ClientSettings(TypedDict, total=False):
    """Arguments of both forms; ClientBase says what they are."""

    session: Token | None
    deadline: float
    follow_redirects: bool
    transport: str
    message_bytes: int
    clock_drift_ppm: int
    on_violation: Callable[[str], None]


class ClientBase(ABC):
    """endpoints: addresses ("tcp://host:port"), the nearest first: reads stay with the first that
    answers, writes go to the primary wherever it is. ValueError: one is none.

    session: the token of a session to go on with. deadline: seconds, of an operation that names
    none; until then it is repeated, at whichever node may answer; a write is executed once.
    follow_redirects=False: a redirect ends the operation. transport: "socket", or "nng", which
    needs pynng. message_bytes and clock_drift_ppm: the topology's limits.message and
    clock_drift_ppm, where they are above their defaults. on_violation is told when a node breaks a
    promise; it logs an error unless it is given."""

    def __init__(self, endpoints: Iterable[str], **settings: Unpack[ClientSettings]) -> None:
        if isinstance(endpoints, str):
            raise ValueError("endpoints: a list of addresses, not one text")
        transport = settings.get("transport", "socket")
        if transport not in ("socket", "nng"):
            raise ValueError(f"transport: 'socket' or 'nng', not {transport!r}")
        message_bytes = settings.get("message_bytes", MESSAGE_BYTES)
        fixed = Settings(
            deadline_s=settings.get("deadline", DEADLINE_S),
            follow_redirects=settings.get("follow_redirects", True),
            message_bytes=message_bytes,
            clock_drift_ppm=settings.get("clock_drift_ppm", 0),
            on_violation=settings.get("on_violation", log_violation),
        )
        self._core = Core(endpoints, fixed, settings.get("session"))
        self._make_transport(transport, TransportSettings(message_bytes=message_bytes))

    @abstractmethod
    def _make_transport(self, kind: str, settings: TransportSettings) -> None: ...

    # -- The session ------------------------------------------------------------------------------

    @property
    def session(self) -> Token | None:
        """The newest position that this client wrote or read; None: none yet. str() of it goes into
        a header or a cookie; Token.parse() and join_session() take it from there."""
        return self._core.session.token

    def join_session(self, token: Token) -> None:
        """Goes on with a session of earlier or elsewhere: with the newer of its token and this
        client's own. ValueError: they are of two clusters."""
        with self._core.lock:
            self._core.session.join(token)

    def restart_session(self, token: Token | None = None) -> None:
        """Begins the session anew, from `token` or from nothing: after SessionLost from
        error.loss.token, which says that it was understood what was lost."""
        with self._core.lock:
            self._core.session.token = token

    @property
    def violations(self) -> int:
        """How many broken promises this client has seen."""
        return self._core.promises.violations


def node_call(
    endpoint: str, method: str, request: Message, response: type[M], deadline: float | None
) -> Call[NodeAnswer[M]]:
    def take(body: bytes, _: Reason) -> Taken[NodeAnswer[M]]:
        message = decode(response, body)
        return Taken(lambda told: NodeAnswer(response=message, **told.answer))

    return Call(
        method=method,
        request=request,
        take=take,
        group=Group.ALONE,
        only=normal(endpoint),
        session=False,
        deadline_s=deadline,
    )
