"""What every answer says about its age (docs/consistency.md)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from candor.position import Epoch, Token, epoch_of, token_of
from candor.v1 import rpc_pb2


class Role(enum.Enum):
    UNKNOWN = 0
    PRIMARY = 1
    REPLICA = 2  # votes
    READER = 3  # replicates, does not vote


class NodeState(enum.Enum):
    UNKNOWN = 0
    FRESH = 1  # heard its primary and proven recent, within stale_after
    STALE = 2  # nothing proves that the data are recent
    SYNCING = 3  # catching up: redirects
    EXPIRED = 4  # older than the operator's reject_after: refuses
    FORKED = 5  # serves nothing until an operator has decided
    DOUBTFUL = 6  # its data differ from the others': redirects


class CutOff(enum.Enum):
    """Who is cut off, where a node does not hear its primary or is not heard by it: as far as it
    knows by other nodes' words."""

    NO = 0  # it is not; or it does not say
    ME = 1  # no other node hears it, or it hears none
    PRIMARY = 2  # those that it hears do not hear the primary either
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Freshness:
    """Who answered, and how old that may be. It is on every result, and on the error of every node
    that refused."""

    node: str
    role: Role
    state: NodeState
    epoch: Epoch  # newest one that the node has adopted
    # Since the newest heartbeat came, when the node answered; 0 at the primary; None: none came yet
    heartbeat_age_ms: int | None
    stale: bool  # the state is not FRESH
    # No write acknowledged longer ago than this, counted back from when the answer came, is
    # missing. What passed since the request was sent is added already. None: nothing proves it.
    staleness_bound_ms: int | None
    applied_seq: int  # newest record in the data that were read
    primary_seq: int  # newest record that the primary announced
    commit_seq: int  # newest record known to be committed
    token: Token | None = None  # position of this answer
    cut_off: CutOff = CutOff.NO

    def __str__(self) -> str:
        age = "nothing proves how old"
        if self.staleness_bound_ms is not None:
            age = f"at most {self.staleness_bound_ms} ms old"
        if self.cut_off is not CutOff.NO:
            age += f", cut off: {self.cut_off.name.lower()}"
        return (
            f"{self.state.name} from {self.node} ({self.role.name.lower()}, epoch {self.epoch}): "
            f"{age}; applied {self.applied_seq} of {self.primary_seq}, committed {self.commit_seq}"
        )


_NODE_ID_BYTES = 31


def freshness_of(message: rpc_pb2.Freshness) -> Freshness | None:
    """None: the node said nothing of its age, or named itself or its epoch badly."""
    owner = message.epoch.owner.encode()
    if not 0 < len(message.node.encode()) <= _NODE_ID_BYTES or len(owner) > _NODE_ID_BYTES:
        return None
    heard = message.WhichOneof("heartbeat") is not None
    bounded = message.WhichOneof("bound") is not None
    return Freshness(
        node=message.node,
        role=Role(message.role) if message.role in _ROLES else Role.UNKNOWN,
        state=NodeState(message.state) if message.state in _STATES else NodeState.UNKNOWN,
        epoch=epoch_of(message.epoch),
        heartbeat_age_ms=message.heartbeat_age_ms if heard else None,
        stale=message.stale,
        staleness_bound_ms=message.staleness_bound_ms if bounded else None,
        applied_seq=message.applied_seq,
        primary_seq=message.primary_seq,
        commit_seq=message.commit_seq,
        token=token_of(message.token),
        cut_off=CutOff(message.cut_off) if message.cut_off in _CUT_OFFS else CutOff.NO,
    )


_ROLES = frozenset(role.value for role in Role)
_STATES = frozenset(state.value for state in NodeState)
_CUT_OFFS = frozenset(cut_off.value for cut_off in CutOff)
