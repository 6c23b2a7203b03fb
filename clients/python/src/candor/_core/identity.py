"""Request ids: under which client id and number each write goes (docs/protocol.md R46)."""

from __future__ import annotations

import os

from candor._core.limits import CLIENT_ID_BYTES, NUMBERS_IN_FLIGHT
from candor.results import RequestId


class _Lane:
    """Numbers under one client id."""

    def __init__(self, client_id: bytes) -> None:
        self.client_id = client_id
        self.newest = 0
        self.in_flight: set[int] = set()
        self.retired = False  # draws no more

    def has_room(self) -> bool:
        oldest = min(self.in_flight, default=self.newest + 1)
        return not self.retired and self.newest + 1 - oldest < NUMBERS_IN_FLIGHT


class Identities:
    """Writers at once share a lane; one that a slow write holds up is passed by in another. A write
    whose outcome stayed unknown retires its lane, so that its id can still be asked for."""

    def __init__(self, client_id: bytes | None = None) -> None:
        self._lanes = [_Lane(client_id or os.urandom(CLIENT_ID_BYTES))]
        self.several = False  # ids were drawn: what a node knows of one is not all of this client

    def _lane(self) -> _Lane:
        self._lanes = [lane for lane in self._lanes if not lane.retired or lane.in_flight]
        for lane in self._lanes:
            if lane.has_room():
                return lane
        self.several = True
        self._lanes.append(_Lane(os.urandom(CLIENT_ID_BYTES)))
        return self._lanes[-1]

    def any_id(self) -> bytes:
        """That the next write would have."""
        return self._lane().client_id

    def draw(self) -> RequestId:
        lane = self._lane()
        lane.newest += 1
        lane.in_flight.add(lane.newest)
        return RequestId(lane.client_id, lane.newest)

    def end(self, request: RequestId, *, unknown: bool) -> None:
        """The write has ended; `unknown`: nobody could say how."""
        for lane in self._lanes:
            if lane.client_id == request.client_id:
                lane.in_flight.discard(request.number)
                lane.retired |= unknown

    def retire(self) -> None:
        """Whoever has these ids is not this client alone: the next write draws another."""
        for lane in self._lanes:
            lane.retired = True
        self.several = True
