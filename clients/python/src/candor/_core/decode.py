"""Bytes to messages."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

M = TypeVar("M", bound=Message)


def decode(kind: type[M], data: bytes) -> M:
    """DecodeError: they are none. Some versions of protobuf only warn where a message ends before
    its bytes do."""
    message = kind()
    if message.MergeFromString(data) != len(data):
        raise DecodeError("the message ends before its bytes do")
    return message
