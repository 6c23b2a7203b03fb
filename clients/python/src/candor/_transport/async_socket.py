"""Plain sockets of asyncio: one connection to an endpoint carries many calls."""

from __future__ import annotations

import asyncio
import os
import socket
import time

from candor._core.addresses import host_and_port
from candor._core.limits import IDLE_S
from candor._transport.async_pool import AsyncPool
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
        self._ended = False
        self.calls = 0
        self.used = time.monotonic()
        self._task = asyncio.create_task(self._read())

    def is_open(self) -> bool:
        return not self._ended

    async def call(self, payload: bytes) -> bytes:
        number = self._numbers.next()
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self.calls += 1
        try:
            self._writer.write(frame(number, payload))
            await self._writer.drain()
            return await future
        except OSError as error:
            raise NoReplyError(str(error), sent=True) from None
        finally:
            self.calls -= 1
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
            self._end("the connection was closed")
        except OSError as error:
            self._end(str(error))

    def close(self) -> None:
        self._end("the connection was given up")

    def _end(self, why: str) -> None:
        """All who wait get an error of their own: an exception is raised once."""
        self._ended = True
        self._task.cancel()
        self._writer.close()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(NoReplyError(why, sent=True))


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
        self._pool = AsyncPool(lambda endpoint: _open(endpoint, settings.message_bytes))

    async def exchange(self, endpoint: str, payload: bytes, timeout_s: float) -> bytes:
        connection = None
        try:
            async with asyncio.timeout(timeout_s) as timeout:
                connection = await self._pool.get(endpoint)
                if time.monotonic() - connection.used > IDLE_S:  # it may be gone without a word
                    timeout.reschedule(asyncio.get_running_loop().time() + timeout_s / 2)
                return await connection.call(payload)
        except TimeoutError:
            if connection is not None and time.monotonic() - connection.used > IDLE_S:
                self._pool.give_up(endpoint, connection)
            sent = connection is not None
            raise NoReplyError("no reply in time", sent=sent, timed_out=True) from None

    def drop(self, endpoint: str) -> None:
        self._pool.drop(endpoint)

    def forget(self) -> None:
        self._pool.forget()

    async def close(self) -> None:
        self._pool.close()
