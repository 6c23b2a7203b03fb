"""What a transport is: it carries one envelope to an endpoint and brings its reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportSettings:
    """TLS will stand here."""

    message_bytes: int


class NoReplyError(Exception):
    """The exchange failed. `sent`: some of the request may have reached the node."""

    def __init__(
        self, why: str, *, sent: bool, timed_out: bool = False, closed: bool = False
    ) -> None:
        super().__init__(why)
        self.sent, self.timed_out, self.closed = sent, timed_out, closed


def client_closed(*, sent: bool = False) -> NoReplyError:
    return NoReplyError("the client is closed", sent=sent, closed=True)


class SyncTransport(Protocol):
    """Any thread may use it."""

    def exchange(self, endpoint: str, payload: bytes, timeout_s: float) -> bytes:
        """NoReplyError: none came."""

    def drop(self, endpoint: str) -> None:
        """The endpoint's last answer could not be read: its idle connections are closed."""

    def forget(self) -> None:
        """In a child process: the connections are the parent's."""

    def close(self) -> None: ...


class AsyncTransport(Protocol):
    """Of one event loop."""

    async def exchange(self, endpoint: str, payload: bytes, timeout_s: float) -> bytes: ...

    def drop(self, endpoint: str) -> None: ...

    def forget(self) -> None: ...

    async def close(self) -> None: ...
