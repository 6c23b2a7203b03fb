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


RUNGS_MAX = 8  # of one ladder
WITHIN_MAX_S = 600.0


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


@dataclass(frozen=True, slots=True)
class Rung:
    """One level of a ladder."""

    level: ReadLevel
    within: float | None = None  # seconds that a node waits for SESSION, LINEARIZABLE

    def __post_init__(self) -> None:
        if self.within is None:
            return
        if self.level.name not in ("SESSION", "LINEARIZABLE"):
            raise ValueError(f"{self.level}: waits for nothing, so for no time either")
        if not 0.001 <= self.within <= WITHIN_MAX_S:
            raise ValueError(
                f"within: {self.within} is none of 0.001 to {WITHIN_MAX_S:.0f} seconds"
            )

    def promises(self, other: Rung) -> bool:
        """Where this one is met, `other` is, too."""
        mine, its = self.level, other.level
        if mine.name == "LINEARIZABLE":
            return True
        if its.name == "EVENTUAL":
            return mine.name != "EVENTUAL" or its.allow_syncing or not mine.allow_syncing
        if mine.name != its.name:
            return False
        return mine.max_staleness_ms <= its.max_staleness_ms


@dataclass(frozen=True, slots=True)
class Ladder:
    """Several levels, the one wanted most first: what ladder() gives."""

    rungs: tuple[Rung, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.rungs) <= RUNGS_MAX:
            raise ValueError(f"{len(self.rungs)} rungs: a ladder has 1 to {RUNGS_MAX}")
        for number, rung in enumerate(self.rungs, 1):
            if any(rung.promises(above) for above in self.rungs[: number - 1]):
                text = "promises no less than one above it: a ladder goes down"
                raise ValueError(f"rung {number}, {rung.level}: {text}")


def ladder(*rungs: ReadLevel | tuple[ReadLevel, float]) -> Ladder:
    """The best of these that can be had: ladder((LINEARIZABLE, 0.005), bounded(500), EVENTUAL). The
    node that is asked tries them in this order; a number is how many seconds it waits at most. The
    result's `ladder` says which was met, and why those above it were not."""
    return Ladder(tuple(Rung(*one) if isinstance(one, tuple) else Rung(one) for one in rungs))


class Ack(enum.IntEnum):
    """How safe a write is asked to be, or has become."""

    NONE = 0  # reached: none
    LOCAL = 1  # durable on the primary
    MAJORITY = 2  # durable on a majority of the voters
    ALL = 3  # durable on every voter
