"""Plain sockets of asyncio: one connection to an endpoint carries many calls."""

from __future__ import annotations

import asyncio
import os
import socket
import time

from candor._core.addresses import host_and_port
from candor._core.limits import IDLE_S
from candor._transport.base import NoReplyError, TransportSettings
from candor._transport.framing import (
    EXPECTED,
    HANDSHAKE,
    HEAD_BYTES,
    Numbers,
    check_handshake,
    frame,
    parse_head,
)


class _Connection:
    """One that is open. Its reader gives each reply to who waits for it; those of nobody (he has
    gone) are left out. When it ends, all who wait get its NoReplyError."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message_bytes: int
    ) -> None:
        self._reader, self._writer, self._message_bytes = reader, writer, message_bytes
        self._numbers = Numbers(int.from_bytes(os.urandom(4)))
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self.used = time.monotonic()
        self.ended: NoReplyError | None = None
        self._task = asyncio.create_task(self._read())

    async def call(self, payload: bytes) -> bytes:
        number = self._numbers.next()
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._writer.write(frame(number, payload))
            await self._writer.drain()
            return await future
        except OSError as error:
            raise NoReplyError(str(error), sent=True) from None
        finally:
            self._waiting.pop(number, None)

    async def _read(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(HEAD_BYTES)
                number, length = parse_head(head, self._message_bytes)
                reply = await self._reader.readexactly(length)
                self.used = time.monotonic()
                future = self._waiting.get(number)
                if future is not None and not future.done():
                    future.set_result(reply)
        except asyncio.IncompleteReadError:
            self.end(NoReplyError("the connection was closed", sent=True))
        except OSError as error:
            self.end(NoReplyError(str(error), sent=True))

    def end(self, error: NoReplyError) -> None:
        """All who wait get an error of their own: an exception is raised once."""
        if self.ended is not None:
            return
        self.ended = error
        self._task.cancel()
        self._writer.close()
        for future in self._waiting.values():
            if not future.done():
                copy = NoReplyError(str(error), sent=error.sent)
                future.set_exception(copy)


async def _open(endpoint: str, message_bytes: int) -> _Connection:
    host, port = host_and_port(endpoint)
    try:
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
    except OSError as error:
        raise NoReplyError(str(error), sent=False) from None
    try:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        writer.write(HANDSHAKE)
        check_handshake(await reader.readexactly(len(EXPECTED)))
    except asyncio.IncompleteReadError:
        writer.close()
        raise NoReplyError("the connection was closed", sent=False) from None
    except OSError as error:
        writer.close()
        raise NoReplyError(str(error), sent=False) from None
    except BaseException:
        writer.close()
        raise
    return _Connection(reader, writer, message_bytes)


class AsyncSockets:
    def __init__(self, settings: TransportSettings) -> None:
        self._settings = settings
        self._connections: dict[str, _Connection] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._closed = False

    async def exchange(self, endpoint: str, payload: bytes, timeout_s: float) -> bytes:
        connection = None
        try:
            async with asyncio.timeout(timeout_s) as timeout:
                connection = await self._connection(endpoint)
                now = time.monotonic()
                if now - connection.used > IDLE_S:  # it may be gone without a word
                    timeout.reschedule(asyncio.get_running_loop().time() + timeout_s / 2)
                return await connection.call(payload)
        except TimeoutError:
            if connection is not None and time.monotonic() - connection.used > IDLE_S:
                self._end(endpoint, connection)
            raise NoReplyError(
                "no reply in time", sent=connection is not None, timed_out=True
            ) from None

    async def _connection(self, endpoint: str) -> _Connection:
        async with self._opening.setdefault(endpoint, asyncio.Lock()):
            connection = self._connections.get(endpoint)
            if connection is None or connection.ended is not None:
                if self._closed:
                    raise NoReplyError("the client was closed", sent=False)
                connection = await _open(endpoint, self._settings.message_bytes)
                self._connections[endpoint] = connection
            return connection

    def _end(self, endpoint: str, connection: _Connection) -> None:
        if self._connections.get(endpoint) is connection:
            del self._connections[endpoint]
        connection.end(NoReplyError("the connection was given up", sent=True))

    def drop(self, endpoint: str) -> None:
        connection = self._connections.get(endpoint)
        if connection is not None:
            self._end(endpoint, connection)

    def forget(self) -> None:
        self._connections.clear()
        self._opening.clear()

    async def close(self) -> None:
        self._closed = True
        for endpoint in list(self._connections):
            self.drop(endpoint)
