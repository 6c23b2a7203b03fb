"""What batches and transactions are made of, and what a condition compares."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TypeAlias

# A key or value: text stands for its UTF-8.
Bytes: TypeAlias = bytes | bytearray | memoryview | str


def to_bytes(value: Bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def ttl_ms_of(ttl: float | None) -> int:
    """Whole milliseconds, no shorter than was asked for. None: the key does not end."""
    if ttl is None:
        return 0
    if not ttl > 0 or math.isinf(ttl):
        raise ValueError(f"ttl: {ttl}; seconds, more than 0, or None for a key that stays")
    return max(1, math.ceil(ttl * 1000))


@dataclass(frozen=True, slots=True)
class Put:
    key: Bytes
    value: Bytes
    ttl: float | None = None  # seconds, as of Client.put()


@dataclass(frozen=True, slots=True)
class Delete:
    key: Bytes


@dataclass(frozen=True, slots=True)
class Get:
    """In a transaction: sees what the operations before it did."""

    key: Bytes


BatchOp: TypeAlias = Put | Delete
TxnOp: TypeAlias = Put | Delete | Get


class Relation(enum.IntEnum):
    """Of what is there to what is given."""

    EQUAL = 0
    NOT_EQUAL = 1
    LESS = 2
    GREATER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What compare_and_swap() expects: exactly one of these."""

    value: Bytes | None = None  # the key exists and has this value
    exists: bool | None = None  # whether there is such a key
    mod_seq: int | None = None  # the record with this seq wrote it last; 0: there is no such key


ABSENT = Expect(exists=False)
PRESENT = Expect(exists=True)


@dataclass(frozen=True, slots=True)
class Compare:
    """A condition of a transaction: exactly one of exists, value, mod_seq, version.

    value: bytewise, shorter first; no comparison holds of an absent key."""

    key: Bytes
    relation: Relation = Relation.EQUAL
    exists: bool | None = None
    value: Bytes | None = None
    mod_seq: int | None = None
    version: int | None = None
