"""From an exchange of bytes to what an operation is told."""

from __future__ import annotations

from candor._core.envelope import MalformedError, unpack
from candor._core.steps import Reply, Silence
from candor._transport.base import NoReplyError


def silence(error: NoReplyError) -> Silence:
    return Silence(str(error), error.sent, error.timed_out, closed=error.closed)


def too_large(size: int, most: int) -> Silence:
    why = f"the request's {size} bytes are more than one message of {most} takes"
    return Silence(why, sent=False, too_large=True)


def reply_or_silence(data: bytes) -> Reply | Silence:
    try:
        return Reply(unpack(data))
    except MalformedError as error:
        return Silence(str(error), sent=True, malformed=True)
