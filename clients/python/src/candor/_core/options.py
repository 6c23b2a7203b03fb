"""What both forms of the client make of their arguments."""

from __future__ import annotations

from candor._core.reads import Range
from candor.operations import Bytes, to_bytes


def scan_range(
    prefix: Bytes, start: Bytes, end: Bytes, after: Bytes, page: int, *, reverse: bool,
    keys_only: bool,
) -> Range:  # fmt: skip
    return Range(
        prefix=to_bytes(prefix),
        start=to_bytes(start),
        end=to_bytes(end),
        after=to_bytes(after),
        reverse=reverse,
        keys_only=keys_only,
        limit=page,
    )
