"""RpcRequest to bytes, bytes to RpcReply, each with its checksum."""

from __future__ import annotations

import struct

from google.protobuf.message import DecodeError

from candor._core.crc32c import FAST, crc32c
from candor._core.decode import decode
from candor.v1 import rpc_pb2

_TAG = 15 << 3 | 5  # field 15, fixed32: the last one of an envelope
_CHECKSUM_BYTES = 5
# Without a fast CRC32C larger messages go unchecked: it would cost more than it is worth.
_CHECKED_BYTES = (64 << 20) if FAST else (16 << 10)


class MalformedError(Exception):
    """These bytes are no reply."""


def _checksum(data: bytes) -> int:
    return crc32c(data) or 1


def seal(packed: bytes) -> bytes:
    """The envelope's bytes, ended by their checksum."""
    if len(packed) > _CHECKED_BYTES:
        return packed
    return packed + struct.pack("<BI", _TAG, _checksum(packed))


def pack(request: rpc_pb2.RpcRequest) -> bytes:
    return seal(request.SerializeToString())


def unpack(data: bytes) -> rpc_pb2.RpcReply:
    """MalformedError: it does not decode, or was damaged on its way."""
    try:
        reply = decode(rpc_pb2.RpcReply, data)
    except DecodeError:
        raise MalformedError("the reply does not decode as candor.v1.RpcReply") from None
    if reply.checksum == 0 or len(data) > _CHECKED_BYTES:
        return reply
    tail = struct.pack("<BI", _TAG, reply.checksum)
    if data[-_CHECKSUM_BYTES:] != tail or _checksum(data[:-_CHECKSUM_BYTES]) != reply.checksum:
        raise MalformedError("the reply was damaged on its way: its checksum does not match")
    return reply
