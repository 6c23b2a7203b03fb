"""What a watch tells (docs/consistency.md, "Watches")."""

from __future__ import annotations

import base64
import binascii
import enum
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from candor._core.decode import decode
from candor.freshness import Freshness
from candor.operations import Bytes, to_bytes
from candor.position import Pos
from candor.v1 import kv_pb2

_CURSOR_BYTES_MAX = 96 + 511 + 16


class EventType(enum.Enum):
    PUT = "put"
    DELETE = "delete"
    # The key is there with this value: from the present state
    STATE = "state"
    STATE_END = "state_end"  # all of the range was told: what was not is not there
    # What was told from pos.seq on has not happened; 0: nobody knows from where on, and the present
    # state follows. Events with `taken_back` may follow: what it was, as far as that node knows
    ROLLED_BACK = "rolled_back"
    # The log no longer reaches back: what happened before pos.seq may be missing. The present state
    # follows, as if the watch had just begun with it
    COMPACTED = "compacted"


_NOWHERE = Pos()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    type: EventType
    pos: Pos = _NOWHERE  # of the record; STATE: the seq of the one that wrote the key last
    key: bytes = b""
    value: bytes | None = None  # PUT, STATE
    version: int = 0  # STATE
    more: bool = False  # the next event is of the same operation: a transaction is told as a whole
    taken_back: bool = False  # behind ROLLED_BACK
    wall_ms: int = 0  # PUT, DELETE: by the primary's clock, for people
    expired: bool = False  # DELETE: nobody deleted it, its time was over
    ttl: float | None = None  # PUT: the TTL that it was given, in seconds


@dataclass(frozen=True, slots=True)
class Changes:
    """One answer. Without events it is news, too: how far the node has looked, and how old that
    is."""

    events: tuple[Event, ...]
    seen_seq: int  # all that was recorded up to there was told
    freshness: Freshness
    cursor: Cursor | None  # where the watch goes on from
    archive_id: str = ""  # of ROLLED_BACK, at freshness.node


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a watch has come. str(cursor) is text to keep; Cursor.parse() reads it."""

    packed: bytes

    def __str__(self) -> str:
        return base64.b64encode(self.packed).decode()

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """ValueError: it is no cursor."""
        try:
            packed = base64.b64decode(text.strip(), validate=True)
            message = decode(kv_pb2.WatchCursor, packed)
        except (binascii.Error, ValueError, DecodeError):
            raise ValueError(f"{text[:140]!r} is no cursor of a watch") from None
        if not 0 < len(packed) <= _CURSOR_BYTES_MAX or not message.HasField("token"):
            raise ValueError(f"{text[:140]!r} is no cursor of a watch")
        return cls(packed)


@dataclass(frozen=True, slots=True)
class WatchRange:
    """What is watched, and from where on."""

    key: bytes
    prefix: bytes
    start: bytes
    end: bytes
    cursor: Cursor | None
    since_seq: int
    with_state: bool
    no_puts: bool
    no_deletes: bool
    uncommitted: bool
    limit: int


def watch_range(
    *,
    key: Bytes = b"",
    prefix: Bytes = b"",
    start: Bytes = b"",
    end: Bytes = b"",
    cursor: Cursor | None = None,
    since_seq: int = 0,
    with_state: bool = False,
    no_puts: bool = False,
    no_deletes: bool = False,
    uncommitted: bool = False,
    limit: int = 0,
) -> WatchRange:
    """ValueError: options that exclude each other."""
    if sum((bool(key), bool(prefix), bool(start) or bool(end))) > 1:
        raise ValueError("at most one of key, prefix, and a range of start and end")
    if sum((cursor is not None, since_seq > 0, with_state)) > 1:
        raise ValueError("at most one of cursor, since_seq and with_state")
    if no_puts and no_deletes:
        raise ValueError("no_puts and no_deletes: nothing is left to watch")
    return WatchRange(
        to_bytes(key), to_bytes(prefix), to_bytes(start), to_bytes(end),
        cursor, since_seq, with_state, no_puts, no_deletes, uncommitted, limit,
    )  # fmt: skip
