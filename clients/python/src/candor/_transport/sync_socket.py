"""Plain sockets that wait: one call at a time on a connection, as many connections as threads."""

from __future__ import annotations

import os
import socket
import threading
import time

from candor._core.addresses import host_and_port
from candor._core.limits import ENDPOINTS_KNOWN_MAX, IDLE_S
from candor._transport.base import NoReplyError, TransportSettings, client_closed
from candor._transport.framing import (
    EXPECTED,
    HANDSHAKE,
    HEAD_BYTES,
    Numbers,
    check_handshake,
    frame,
    parse_head,
)


class Connection:
    """One TCP connection that speaks REQ. OSError: it failed (TimeoutError: in time), or the other
    side breaks the protocol; it is of no use any more then."""

    def __init__(self, endpoint: str, until: float, message_bytes: int) -> None:
        self.socket = socket.create_connection(host_and_port(endpoint), _left(until))
        self._numbers = Numbers(int.from_bytes(os.urandom(4)))
        self._message_bytes = message_bytes
        self.used = time.monotonic()  # when it was made, or answered last
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(HANDSHAKE)
            check_handshake(self._read(len(EXPECTED), until))
        except BaseException:
            self.socket.close()
            raise

    def _read(self, count: int, until: float) -> bytes:
        pieces = bytearray()
        while len(pieces) < count:
            self.socket.settimeout(_left(until))
            piece = self.socket.recv(min(count - len(pieces), 1 << 20))
            if not piece:
                raise ConnectionError("the connection was closed")
            pieces += piece
        return bytes(pieces)

    def call(self, payload: bytes, until: float) -> bytes:
        """Sends it and returns the reply; others, of nobody, are left out."""
        number = self._numbers.next()
        self.socket.settimeout(_left(until))
        self.socket.sendall(frame(number, payload))
        while True:
            head = self._read(HEAD_BYTES, until)
            answered, length = parse_head(head, self._message_bytes)
            reply = self._read(length, until)
            if answered == number:
                self.used = time.monotonic()
                return reply

    def close(self) -> None:
        self.socket.close()


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class SyncSockets:
    def __init__(self, settings: TransportSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._idle: dict[str, list[Connection]] = {}
        self._closed = False

    def exchange(self, endpoint: str, payload: bytes, timeout_s: float) -> bytes:
        """A connection that was idle may be gone without a word: it gets half of the time."""
        until = time.monotonic() + timeout_s
        connection = self._take(endpoint)
        if connection is None:
            return self._first(endpoint, payload, until)
        now = time.monotonic()
        idle = now - connection.used > IDLE_S
        return self._call(endpoint, connection, payload, now + timeout_s / 2 if idle else until)

    def _first(self, endpoint: str, payload: bytes, until: float) -> bytes:
        try:
            connection = Connection(endpoint, until, self._settings.message_bytes)
        except OSError as error:
            raise _failed(error, sent=False) from None
        return self._call(endpoint, connection, payload, until)

    def _call(self, endpoint: str, connection: Connection, payload: bytes, until: float) -> bytes:
        try:
            reply = connection.call(payload, until)
        except OSError as error:
            connection.close()
            raise _failed(error, sent=True) from None
        except BaseException:
            connection.close()  # interrupted: what comes next on it is of nobody
            raise
        self._give(endpoint, connection)
        return reply

    def _take(self, endpoint: str) -> Connection | None:
        with self._lock:
            if self._closed:
                raise client_closed()
            idle = self._idle.get(endpoint)
            return idle.pop() if idle else None

    def _give(self, endpoint: str, connection: Connection) -> None:
        with self._lock:
            known = endpoint in self._idle or len(self._idle) < ENDPOINTS_KNOWN_MAX
            if not self._closed and known:
                self._idle.setdefault(endpoint, []).append(connection)
                return
        connection.close()

    def drop(self, endpoint: str) -> None:
        with self._lock:
            idle = self._idle.pop(endpoint, [])
        for connection in idle:
            connection.close()

    def forget(self) -> None:
        self._lock = threading.Lock()
        for endpoint in list(self._idle):
            self.drop(endpoint)

    def close(self) -> None:
        with self._lock:
            self._closed = True
        for endpoint in list(self._idle):
            self.drop(endpoint)


def _failed(error: OSError, *, sent: bool) -> NoReplyError:
    timed_out = isinstance(error, TimeoutError)
    return NoReplyError("no reply in time" if timed_out else str(error), sent=sent,
                        timed_out=timed_out)  # fmt: skip
