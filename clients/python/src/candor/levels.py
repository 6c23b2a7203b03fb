"""What a read, and a write, asks for (docs/consistency.md)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from candor.v1 import kv_pb2

READ_LEVELS: dict[str, kv_pb2.ReadLevel] = {
    "EVENTUAL": kv_pb2.READ_LEVEL_EVENTUAL,
    "BOUNDED": kv_pb2.READ_LEVEL_BOUNDED,
    "SESSION": kv_pb2.READ_LEVEL_SESSION,
    "LINEARIZABLE": kv_pb2.READ_LEVEL_LINEARIZABLE,
}


@dataclass(frozen=True, slots=True)
class ReadLevel:
    """One of EVENTUAL, SESSION, LINEARIZABLE, or what bounded() gives."""

    name: str
    max_staleness_ms: int = 0  # BOUNDED
    allow_syncing: bool = False  # EVENTUAL: also from a node that is catching up

    def __post_init__(self) -> None:
        if self.name not in READ_LEVELS:
            raise ValueError(f"{self.name!r}: none of {', '.join(READ_LEVELS)}")
        if (self.name == "BOUNDED") != (self.max_staleness_ms > 0):
            raise ValueError("max_staleness_ms: at least 1, of BOUNDED alone")

    def __str__(self) -> str:
        return f"{self.name}({self.max_staleness_ms} ms)" if self.max_staleness_ms else self.name


# Whatever the node holds, flagged.
EVENTUAL = ReadLevel("EVENTUAL")
EVENTUAL_ALSO_SYNCING = ReadLevel("EVENTUAL", allow_syncing=True)
# At least what this session wrote and read.
SESSION = ReadLevel("SESSION")
# Every write acknowledged before it began, nothing that can be rolled back.
LINEARIZABLE = ReadLevel("LINEARIZABLE")


def bounded(max_staleness_ms: int) -> ReadLevel:
    """Provably no older than that when the node answered."""
    return ReadLevel("BOUNDED", max_staleness_ms)


class Ack(enum.IntEnum):
    """How safe a write is asked to be, or has become."""

    NONE = 0  # reached: none
    LOCAL = 1  # durable on the primary
    MAJORITY = 2  # durable on a majority of the voters
    ALL = 3  # durable on every voter
