"""One connection to each endpoint, made once however many ask for it at once; of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from candor._core.limits import ENDPOINTS_KNOWN_MAX
from candor._transport.base import client_closed


class Pooled(Protocol):
    """What is kept. `calls`: under way over it. `used`: when it was made, or answered last."""

    calls: int
    used: float

    def is_open(self) -> bool: ...
    def close(self) -> None:
        """Who waits for an answer over it is told."""


C = TypeVar("C", bound=Pooled)


class AsyncPool(Generic[C]):
    def __init__(self, connect: Callable[[str], Awaitable[C]]) -> None:
        self._connect = connect
        self._open: dict[str, C] = {}
        self._opening: dict[str, asyncio.Future[None]] = {}
        self._closed = False

    async def get(self, endpoint: str) -> C:
        while True:
            if self._closed:
                raise client_closed()
            connection = self._open.get(endpoint)
            if connection is not None and connection.is_open():
                return connection
            opening = self._opening.get(endpoint)
            if opening is None:
                return await self._make(endpoint)
            await asyncio.wait([opening])

    async def _make(self, endpoint: str) -> C:
        self.drop(endpoint)
        self._make_room()
        opening = asyncio.get_running_loop().create_future()
        self._opening[endpoint] = opening
        try:
            connection = await self._connect(endpoint)
        finally:
            del self._opening[endpoint]
            opening.set_result(None)
        if self._closed:
            connection.close()
            raise client_closed()
        self._open[endpoint] = connection
        return connection

    def _make_room(self) -> None:
        """The one that was used longest ago goes, of those that nobody uses."""
        unused = [e for e, connection in self._open.items() if connection.calls == 0]
        if unused and len(self._open) >= ENDPOINTS_KNOWN_MAX:
            self.drop(min(unused, key=lambda endpoint: self._open[endpoint].used))

    def drop(self, endpoint: str) -> None:
        connection = self._open.pop(endpoint, None)
        if connection is not None:
            connection.close()

    def give_up(self, endpoint: str, connection: C) -> None:
        """Unless another has taken its place."""
        if self._open.get(endpoint) is connection:
            self.drop(endpoint)

    def forget(self) -> None:
        self._open.clear()
        self._opening.clear()

    def close(self) -> None:
        self._closed = True
        for endpoint in list(self._open):
            self.drop(endpoint)
