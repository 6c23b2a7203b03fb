"""NNG, by pynng. NNG reconnects, matches replies with requests, and drops what is over a limit."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

from candor._core.limits import CONNECT_S, ENDPOINTS_KNOWN_MAX, IDLE_S, SEND_SLICE_S
from candor._transport.async_pool import AsyncPool
from candor._transport.base import NoReplyError, TransportSettings, client_closed

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
            _send(socket, payload, until)
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
                raise client_closed()
            idle = self._idle.get(endpoint)
            return idle.pop() if idle else (None, 0.0)

    def _give(self, endpoint: str, socket: Any) -> None:
        with self._lock:
            known = endpoint in self._idle or len(self._idle) < ENDPOINTS_KNOWN_MAX
            if not self._closed and known:
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


def _send(socket: Any, payload: bytes, until: float) -> None:
    """NNG keeps a request until there is a connection, and makes one for ever: it is looked at from
    time to time whether there still is one."""
    while True:
        socket.send_timeout = min(_ms(until), int(SEND_SLICE_S * 1000))
        try:
            socket.send(payload)
        except pynng.Timeout:
            if socket.pipes and time.monotonic() < until:
                continue
            raise
        return


def _ms(until: float) -> int:
    return max(1, int((until - time.monotonic()) * 1000))


class _Shared:
    """A socket that carries many calls, each in a context."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.calls = 0
        self.used = time.monotonic()

    def is_open(self) -> bool:
        """Else NNG would wait for the node to come back."""
        return bool(self.socket.pipes)

    def close(self) -> None:
        self.socket.close()


class AsyncNng:
    """One socket to an endpoint, a context for each call."""

    def __init__(self, settings: TransportSettings) -> None:
        _need_pynng()
        self._settings = settings
        self._pool = AsyncPool(self._connect)
        self._pid = os.getpid()

    async def _connect(self, endpoint: str) -> _Shared:
        """How long it may take at most is the caller's; a thread that goes on then ends soon."""
        socket = await asyncio.to_thread(_open, endpoint, self._settings, CONNECT_S)
        return _Shared(socket)

    async def exchange(self, endpoint: str, payload: bytes, timeout_s: float) -> bytes:
        _check_fork(self._pid)
        shared = None
        try:
            async with asyncio.timeout(timeout_s) as timeout:
                shared = await self._pool.get(endpoint)
                if time.monotonic() - shared.used > IDLE_S:  # it may be gone without a word
                    timeout.reschedule(asyncio.get_running_loop().time() + timeout_s / 2)
                return await self._call(shared, payload)
        except TimeoutError:
            if shared is not None and time.monotonic() - shared.used > IDLE_S:
                self._pool.give_up(endpoint, shared)
            sent = shared is not None
            raise NoReplyError("no reply in time", sent=sent, timed_out=True) from None
        except pynng.NNGException as error:
            raise _failed(error, sent=True) from None

    async def _call(self, shared: _Shared, payload: bytes) -> bytes:
        shared.calls += 1
        try:
            with shared.socket.new_context() as context:
                await self._send(shared, context, payload)
                reply: bytes = await context.arecv()
        finally:
            shared.calls -= 1
        shared.used = time.monotonic()
        return reply

    async def _send(self, shared: _Shared, context: Any, payload: bytes) -> None:
        """As _send()."""
        while True:
            try:
                async with asyncio.timeout(SEND_SLICE_S):
                    await context.asend(payload)
            except TimeoutError:
                if not shared.is_open():
                    raise NoReplyError("the connection was lost", sent=False) from None
                continue
            return

    def drop(self, endpoint: str) -> None:
        self._pool.drop(endpoint)

    def forget(self) -> None:
        """As of SyncNng."""

    async def close(self) -> None:
        if self._pid == os.getpid():
            self._pool.close()
