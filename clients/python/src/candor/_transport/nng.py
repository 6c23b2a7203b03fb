"""NNG, by pynng. NNG reconnects, matches replies with requests, and drops what is over a limit."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

from candor._core.limits import IDLE_S
from candor._transport.base import NoReplyError, TransportSettings

try:
    import pynng
except ImportError:  # said when it is asked for
    pynng = None

_FOREVER = -1


def _need_pynng() -> Any:
    if pynng is None:
        raise RuntimeError("transport='nng' needs pynng: pip install 'candor[nng]'")
    return pynng


def _open(endpoint: str, settings: TransportSettings, timeout_s: float) -> Any:
    """A REQ socket that never repeats a request by itself. The first attempt to connect waits: an
    address where nobody listens is told at once."""
    socket = pynng.Req0(resend_time=_FOREVER)
    try:
        socket.recv_max_size = settings.message_bytes
        socket.send_timeout = max(1, int(timeout_s * 1000))
        socket.dial(endpoint, block=True)
    except pynng.NNGException as error:
        socket.close()
        raise _failed(error, sent=False) from None
    return socket


def _failed(error: Exception, *, sent: bool) -> NoReplyError:
    timed_out = isinstance(error, pynng.Timeout)
    return NoReplyError(
        "no reply in time" if timed_out else str(error), sent=sent, timed_out=timed_out
    )


def _check_fork(pid: int) -> None:
    if pid != os.getpid():
        raise NoReplyError(
            "this process was forked from one that had made calls over NNG, whose threads it does "
            "not have: fork before the first call, or use transport='socket'",
            sent=False,
        )


class SyncNng:
    """One call at a time on a socket, as many sockets as threads."""

    def __init__(self, settings: TransportSettings) -> None:
        _need_pynng()
        self._settings = settings
        self._lock = threading.Lock()
        self._idle: dict[str, list[tuple[Any, float]]] = {}
        self._closed = False
        self._pid = os.getpid()

    def exchange(self, endpoint: str, payload: bytes, timeout_s: float) -> bytes:
        _check_fork(self._pid)
        until = time.monotonic() + timeout_s
        socket, used = self._take(endpoint)
        if socket is not None and not socket.pipes:  # NNG would wait for the node to come back
            socket.close()
            socket = None
        if socket is None:
            socket = _open(endpoint, self._settings, timeout_s)
        elif time.monotonic() - used > IDLE_S:
            until -= timeout_s / 2
        try:
            socket.send_timeout = _ms(until)
            socket.send(payload)
        except pynng.NNGException as error:
            socket.close()
            raise _failed(error, sent=False) from None
        try:
            socket.recv_timeout = _ms(until)
            reply: bytes = socket.recv()
        except pynng.NNGException as error:
            socket.close()
            raise _failed(error, sent=True) from None
        except BaseException:
            socket.close()
            raise
        self._give(endpoint, socket)
        return reply

    def _take(self, endpoint: str) -> tuple[Any, float]:
        with self._lock:
            if self._closed:
                raise NoReplyError("the client was closed", sent=False)
            idle = self._idle.get(endpoint)
            return idle.pop() if idle else (None, 0.0)

    def _give(self, endpoint: str, socket: Any) -> None:
        with self._lock:
            if not self._closed:
                self._idle.setdefault(endpoint, []).append((socket, time.monotonic()))
                return
        socket.close()

    def drop(self, endpoint: str) -> None:
        with self._lock:
            idle = self._idle.pop(endpoint, [])
        for socket, _ in idle:
            socket.close()

    def forget(self) -> None:
        """The sockets are of no use here, and closing one would wait for threads that are not."""

    def close(self) -> None:
        with self._lock:
            self._closed = True
        if self._pid == os.getpid():
            for endpoint in list(self._idle):
                self.drop(endpoint)


def _ms(until: float) -> int:
    return max(1, int((until - time.monotonic()) * 1000))


class AsyncNng:
    """One socket to an endpoint, a context for each call."""

    def __init__(self, settings: TransportSettings) -> None:
        _need_pynng()
        self._settings = settings
        self._sockets: dict[str, Any] = {}
        self._used: dict[str, float] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._closed = False
        self._pid = os.getpid()

    async def exchange(self, endpoint: str, payload: bytes, timeout_s: float) -> bytes:
        _check_fork(self._pid)
        sent = False
        try:
            async with asyncio.timeout(timeout_s) as timeout:
                socket = await self._socket(endpoint, timeout_s)
                if time.monotonic() - self._used[endpoint] > IDLE_S:  # it may be gone
                    timeout.reschedule(asyncio.get_running_loop().time() + timeout_s / 2)
                with socket.new_context() as context:
                    await context.asend(payload)
                    sent = True
                    reply: bytes = await context.arecv()
        except TimeoutError:
            if sent and time.monotonic() - self._used.get(endpoint, 0.0) > IDLE_S:
                self.drop(endpoint)
            raise NoReplyError("no reply in time", sent=sent, timed_out=True) from None
        except pynng.NNGException as error:
            self.drop(endpoint)
            raise _failed(error, sent=sent) from None
        self._used[endpoint] = time.monotonic()
        return reply

    async def _socket(self, endpoint: str, timeout_s: float) -> Any:
        async with self._opening.setdefault(endpoint, asyncio.Lock()):
            if self._closed:
                raise NoReplyError("the client was closed", sent=False)
            socket = self._sockets.get(endpoint)
            if socket is not None and not socket.pipes:  # NNG would wait for the node to come back
                self.drop(endpoint)
                socket = None
            if socket is None:
                socket = await asyncio.to_thread(_open, endpoint, self._settings, timeout_s)
                self._sockets[endpoint], self._used[endpoint] = socket, time.monotonic()
            return socket

    def drop(self, endpoint: str) -> None:
        socket = self._sockets.pop(endpoint, None)
        if socket is not None:
            socket.close()

    def forget(self) -> None:
        """As of SyncNng."""

    async def close(self) -> None:
        self._closed = True
        if self._pid == os.getpid():
            for endpoint in list(self._sockets):
                self.drop(endpoint)
