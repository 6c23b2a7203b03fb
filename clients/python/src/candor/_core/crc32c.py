"""CRC32C (Castagnoli), of google-crc32c where that is installed."""

from __future__ import annotations

from collections.abc import Callable


def _table() -> tuple[int, ...]:
    def entry(value: int) -> int:
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        return value

    return tuple(entry(byte) for byte in range(256))


_TABLE = _table()


def _plain(data: bytes) -> int:
    value, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


try:
    from google_crc32c import value as _fast
except ImportError:
    crc32c: Callable[[bytes], int] = _plain
    FAST = False
else:
    crc32c = _fast
    FAST = True
