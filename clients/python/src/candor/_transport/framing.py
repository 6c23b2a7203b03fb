"""SP over TCP, as bytes (docs/wire.md, "Without NNG"). What comes is hostile: a length is looked at
before anything is kept for it."""

from __future__ import annotations

import struct

HANDSHAKE = b"\x00SP\x00\x00\x30\x00\x00"  # this side is REQ
EXPECTED = b"\x00SP\x00\x00\x31\x00\x00"  # the other is REP
_ID_BIT = 0x80000000
_HEAD = struct.Struct(">QI")
HEAD_BYTES = _HEAD.size


class FramingError(ConnectionError):
    """What came is no message of a REP socket: the connection cannot be used any more."""


def check_handshake(data: bytes) -> None:
    if data != EXPECTED:
        raise FramingError(f"it does not speak REP: it began with {data.hex(' ')}")


def frame(number: int, payload: bytes) -> bytes:
    return _HEAD.pack(len(payload) + 4, number | _ID_BIT) + payload


def parse_head(head: bytes, most: int) -> tuple[int, int]:
    """(number, length of the payload behind it)."""
    length, number = _HEAD.unpack(head)
    if length < 4:
        raise FramingError(f"a message of {length} bytes has no request id")
    if length - 4 > most:
        raise FramingError(f"a message of {length} bytes is over the limit of {most}")
    if not number & _ID_BIT:
        raise FramingError(f"the request id {number:#010x} lacks its highest bit")
    return number & ~_ID_BIT, length - 4


class Numbers:
    """Request ids of one connection."""

    def __init__(self, first: int) -> None:
        self._last = first & ~_ID_BIT

    def next(self) -> int:
        self._last = (self._last + 1) & ~_ID_BIT & 0xFFFFFFFF
        return self._last
