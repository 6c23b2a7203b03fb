"""What an operation asks of whoever carries it out, and what it is told.

An operation is a generator: it yields steps and is sent what became of them. Ask gets a Reply or a
Silence; Pause gets None."""

from __future__ import annotations

import enum
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from candor.v1 import rpc_pb2


class Group(enum.Enum):
    """What a call waits for: those of one group may share a message."""

    ALONE = enum.auto()  # with nobody
    AT_ONCE = enum.auto()
    SESSION = enum.auto()  # until the node has the session's position
    CONFIRMED = enum.auto()  # a majority's confirmation
    LOCAL = enum.auto()  # the primary's disk
    REPLICATED = enum.auto()  # other nodes' disks


@dataclass(frozen=True, slots=True)
class Ask:
    """Send this to `endpoint` and wait at most so long for the reply."""

    endpoint: str
    request: rpc_pb2.RpcRequest
    timeout_s: float
    group: Group


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    message: rpc_pb2.RpcReply
    # The request went out twice, so its first copy may have been executed
    sent_again: bool = False


@dataclass(frozen=True, slots=True)
class Silence:
    """No reply, or none that can be read."""

    why: str
    sent: bool  # some of the request may have reached the node
    timed_out: bool = False
    malformed: bool = False  # what came breaks the protocol
    closed: bool = False  # the client is
    too_large: bool = False  # the request was not sent: it is over the limit of a message


Step: TypeAlias = Ask | Pause
Outcome: TypeAlias = Reply | Silence
T = TypeVar("T")
Steps: TypeAlias = Generator[Step, Outcome | None, T]
