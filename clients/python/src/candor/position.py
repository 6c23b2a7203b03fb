"""Where something stands in the log, and what a session has seen."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from candor._core.decode import decode
from candor.v1 import rpc_pb2

TOKEN_BYTES_MAX = 96


@dataclass(frozen=True, slots=True, order=True)
class Epoch:
    """A period of leadership. Epochs are compared: generation, then term, then owner."""

    generation: int = 0  # raised by a forced promotion alone
    term: int = 0  # raised by every change of primary; 0: none yet
    owner: str = ""  # id of the node that is primary in it

    def __str__(self) -> str:
        forced = f"{self.generation}." if self.generation > 1 else ""
        return f"{forced}{self.term}"


NO_EPOCH = Epoch()


@dataclass(frozen=True, slots=True, order=True)
class Pos:
    """A position in the log. Positions are compared: epoch, then seq."""

    epoch: Epoch = NO_EPOCH
    seq: int = 0  # 0: before the first record

    def __str__(self) -> str:
        return f"epoch {self.epoch} seq {self.seq}"


@dataclass(frozen=True, slots=True)
class Token:
    """What a session has seen: hand it to whoever goes on with the session.

    str(token) has characters that a header or a cookie takes as they are; it is also what a file
    of `kvctl --session` holds. Token.parse() reads it."""

    cluster_id: int
    pos: Pos
    origin: int = 0  # tells two logs of one epoch apart; 0: not said

    def __str__(self) -> str:
        return base64.b64encode(token_message(self).SerializeToString()).decode()

    @classmethod
    def parse(cls, text: str) -> Token:
        """ValueError: it is no token. It may come from anywhere: it is checked."""
        try:
            data = base64.b64decode(text.strip().translate(_URLSAFE), validate=True)
            if not 0 < len(data) <= TOKEN_BYTES_MAX:
                raise ValueError("its length is none of a token")
            token = token_of(decode(rpc_pb2.SessionToken, data))
        except (ValueError, binascii.Error, DecodeError) as error:
            raise ValueError(f"{text[:140]!r} is no session token: {error}") from None
        if token is None:
            raise ValueError(f"{text[:140]!r} is no session token: it names no cluster")
        return token


_URLSAFE = str.maketrans("-_", "+/")


def epoch_of(message: rpc_pb2.Epoch) -> Epoch:
    return Epoch(message.generation, message.term, message.owner)


def pos_of(message: rpc_pb2.Pos) -> Pos:
    return Pos(epoch_of(message.epoch), message.seq)


def pos_message(pos: Pos) -> rpc_pb2.Pos:
    epoch = rpc_pb2.Epoch(
        generation=pos.epoch.generation, term=pos.epoch.term, owner=pos.epoch.owner
    )
    return rpc_pb2.Pos(epoch=epoch, seq=pos.seq)


def token_of(message: rpc_pb2.SessionToken) -> Token | None:
    """None: an empty one."""
    if message.cluster_id == 0:
        return None
    return Token(message.cluster_id, pos_of(message.pos), message.origin)


def token_message(token: Token) -> rpc_pb2.SessionToken:
    return rpc_pb2.SessionToken(
        cluster_id=token.cluster_id, pos=pos_message(token.pos), origin=token.origin
    )
