"""AwaitCommit: the request, and what its answer holds (docs/wire.md, "The proof, later")."""

from __future__ import annotations

from candor._core.call import Call, MisfitError, Taken
from candor._core.decode import decode
from candor._core.session import Session
from candor._core.steps import Group
from candor.codes import Reason
from candor.levels import Ack
from candor.position import NO_EPOCH, Pos, Token, pos_message, pos_of, token_message
from candor.results import AwaitResult
from candor.v1 import kv_pb2

_LEVELS = {level.value for level in Ack}


def _request(of: Token | Pos | int, level: Ack) -> tuple[kv_pb2.AwaitCommitRequest, Pos]:
    ack = kv_pb2.AckLevel.Name(level.value)
    if isinstance(of, Token):
        return kv_pb2.AwaitCommitRequest(token=token_message(of), ack=ack), of.pos
    if isinstance(of, Pos):
        return kv_pb2.AwaitCommitRequest(pos=pos_message(of), ack=ack), of
    return kv_pb2.AwaitCommitRequest(seq=of, ack=ack), Pos(NO_EPOCH, of)


def _ack(body: bytes) -> Ack:
    ack = decode(kv_pb2.AwaitCommitResponse, body).ack
    return Ack(ack) if ack in _LEVELS else Ack.NONE


def await_commit(
    of: Token | Pos | int | None, level: Ack, deadline_s: float | None, session: Session
) -> Call[AwaitResult]:
    """`of` None: all that the session has seen. ValueError: that is nothing."""
    known = session.token if of is None else of
    if known is None:
        raise ValueError("the session has neither written nor read anything")
    request, asked = _request(known, level)

    def take(body: bytes, _: Reason) -> Taken[AwaitResult]:
        response = decode(kv_pb2.AwaitCommitResponse, body)
        pos, ack = pos_of(response.pos), _ack(body)
        if pos.seq != asked.seq or (asked.epoch != NO_EPOCH and pos != asked):
            raise MisfitError(f"it tells of {pos}, not of {asked}")
        if ack < max(level, Ack.MAJORITY):
            raise MisfitError(f"it has reached {ack.name}, less than was asked for")
        return Taken(lambda told: AwaitResult(pos=pos, ack=ack, **told.answer))

    return Call(
        method="/candor.v1.KV/AwaitCommit",
        request=request,
        take=take,
        group=Group.ALONE,
        at_primary=True,
        session=False,
        names_client=True,
        deadline_s=deadline_s,
        reached=_ack,
    )
