"""The writing calls: their requests, and what their answers hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from google.protobuf.message import Message

from candor._core.call import AnswerFields, Call, MisfitError, Taken, Told
from candor._core.decode import decode
from candor._core.reads import item_of
from candor._core.session import Session
from candor._core.steps import Group
from candor.codes import Reason
from candor.levels import Ack
from candor.operations import (
    BatchOp,
    Bytes,
    Compare,
    Expect,
    Get,
    Put,
    Relation,
    TxnOp,
    to_bytes,
    ttl_ms_of,
)
from candor.position import Pos, pos_of
from candor.results import (
    BatchResult,
    CasResult,
    DeleteResult,
    ExpireResult,
    IncrementResult,
    Item,
    RequestId,
    SessionLoss,
    TxnOpResult,
    TxnResult,
    WriteResult,
)
from candor.v1 import kv_pb2, rpc_pb2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WriteOptions:
    ack: Ack = Ack.LOCAL
    deadline_s: float | None = None


class _WriteFields(AnswerFields):
    """Of every result of a write."""

    request: RequestId
    session_loss: SessionLoss | None
    pos: Pos
    ack: Ack
    replayed: bool
    wrote: bool


class _Written(Protocol):
    """What the responses of all writes of one record have."""

    @property
    def pos(self) -> rpc_pb2.Pos: ...
    @property
    def ack(self) -> Any: ...
    @property
    def replayed(self) -> bool: ...
    def HasField(self, field_name: Any) -> bool: ...


def _ack(number: int) -> Ack:
    return Ack(number) if 0 <= number <= Ack.ALL else Ack.NONE


def _written(
    response: _Written, finish: Callable[[_WriteFields], T], *, wrote: bool = True
) -> Taken[T]:
    if not response.HasField("pos"):
        raise MisfitError("no position")
    return _taken(pos_of(response.pos), response.ack, response.replayed, finish, wrote=wrote)


def _taken(
    pos: Pos, ack: int, replayed: bool, finish: Callable[[_WriteFields], T], *, wrote: bool
) -> Taken[T]:
    def told_to(told: Told) -> T:
        assert told.request is not None  # noqa: S101 (every write has one)
        return finish(
            _WriteFields(
                **told.answer,
                request=told.request,
                session_loss=told.session_loss,
                pos=pos,
                ack=_ack(ack),
                replayed=replayed,
                wrote=wrote,
            )
        )

    return Taken(told_to, pos, wrote, replayed)


def _write(
    name: str,
    request: Message,
    take: Callable[[bytes, Reason], Taken[T]],
    options: WriteOptions,
    session: Session,
) -> Call[T]:
    """With the session's token: writes follow what the session has seen."""
    call = Call(
        method=f"/candor.v1.KV/{name}",
        request=request,
        take=take,
        group=Group.REPLICATED if options.ack > Ack.LOCAL else Group.LOCAL,
        write=True,
        at_primary=True,
        deadline_s=options.deadline_s,
    )
    call.bring(session.token)
    return call


_ACKS = {
    Ack.NONE: kv_pb2.ACK_LEVEL_DEFAULT,
    Ack.LOCAL: kv_pb2.ACK_LEVEL_LOCAL,
    Ack.MAJORITY: kv_pb2.ACK_LEVEL_MAJORITY,
    Ack.ALL: kv_pb2.ACK_LEVEL_ALL,
}
_RELATIONS = {
    Relation.EQUAL: kv_pb2.RELATION_EQUAL,
    Relation.NOT_EQUAL: kv_pb2.RELATION_NOT_EQUAL,
    Relation.LESS: kv_pb2.RELATION_LESS,
    Relation.GREATER: kv_pb2.RELATION_GREATER,
}


def _options(options: WriteOptions) -> kv_pb2.WriteOptions:
    return kv_pb2.WriteOptions(ack=_ACKS[options.ack])


def _put(of: Put) -> kv_pb2.PutRequest:
    return kv_pb2.PutRequest(
        key=to_bytes(of.key), value=to_bytes(of.value), ttl_ms=ttl_ms_of(of.ttl)
    )


def put(of: Put, options: WriteOptions, session: Session) -> Call[WriteResult]:
    def take(body: bytes, _: Reason) -> Taken[WriteResult]:
        response = decode(kv_pb2.PutResponse, body)
        return _written(response, lambda fields: WriteResult(**fields))

    request = _put(of)
    request.options.CopyFrom(_options(options))
    return _write("Put", request, take, options, session)


def delete(key: Bytes, options: WriteOptions, session: Session) -> Call[DeleteResult]:
    def take(body: bytes, _: Reason) -> Taken[DeleteResult]:
        response = decode(kv_pb2.DeleteResponse, body)
        found = response.found
        return _written(response, lambda fields: DeleteResult(found=found, **fields))

    request = kv_pb2.DeleteRequest(key=to_bytes(key), options=_options(options))
    return _write("Delete", request, take, options, session)


def _batch_op(op: BatchOp) -> kv_pb2.BatchOp:
    if isinstance(op, Put):
        return kv_pb2.BatchOp(put=_put(op))
    return kv_pb2.BatchOp(delete=kv_pb2.DeleteRequest(key=to_bytes(op.key)))


def batch(ops: Sequence[BatchOp], options: WriteOptions, session: Session) -> Call[BatchResult]:
    def take(body: bytes, _: Reason) -> Taken[BatchResult]:
        response = decode(kv_pb2.BatchResponse, body)
        if len(response.found) != len(ops):
            raise MisfitError(f"{len(response.found)} results for {len(ops)} operations")
        if not (response.HasField("first") and response.HasField("last")):
            raise MisfitError("no position")
        first, found = pos_of(response.first), tuple(response.found)
        return _taken(
            pos_of(response.last),
            response.ack,
            response.replayed,
            lambda fields: BatchResult(first=first, found=found, **fields),
            wrote=True,
        )

    request = kv_pb2.BatchRequest(ops=[_batch_op(op) for op in ops], options=_options(options))
    return _write("Batch", request, take, options, session)


def _one_of(what: str, **given: object) -> str:
    """The name of the only one that is set."""
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        raise ValueError(f"{what}: exactly one of {', '.join(given)}")
    return names[0]


def _expect(request: kv_pb2.CompareAndSwapRequest, expect: Expect) -> None:
    _one_of("Expect", value=expect.value, exists=expect.exists, mod_seq=expect.mod_seq)
    if expect.value is not None:
        request.expect_value = to_bytes(expect.value)
    elif expect.exists is not None:
        request.expect_absent = not expect.exists
    elif expect.mod_seq is not None:
        request.expect_mod_seq = expect.mod_seq


def _present(response: kv_pb2.CompareAndSwapResponse | kv_pb2.ExpireResponse) -> Item | None:
    """What is there where a condition did not hold."""
    if response.succeeded == response.HasField("item"):
        raise MisfitError("an item stands beside a success, or is missing")
    return None if response.succeeded else item_of(response.item)


def compare_and_swap(
    expect: Expect, of: Put, options: WriteOptions, session: Session
) -> Call[CasResult]:
    def take(body: bytes, _: Reason) -> Taken[CasResult]:
        response = decode(kv_pb2.CompareAndSwapResponse, body)
        succeeded, item = response.succeeded, _present(response)
        return _written(
            response,
            lambda fields: CasResult(succeeded=succeeded, item=item, **fields),
            wrote=succeeded,
        )

    request = kv_pb2.CompareAndSwapRequest(
        key=to_bytes(of.key),
        value=to_bytes(of.value),
        ttl_ms=ttl_ms_of(of.ttl),
        options=_options(options),
    )
    _expect(request, expect)
    return _write("CompareAndSwap", request, take, options, session)


def expire(
    key: Bytes,
    ttl: float | None,
    expect_mod_seq: int | None,
    options: WriteOptions,
    session: Session,
) -> Call[ExpireResult]:
    def take(body: bytes, _: Reason) -> Taken[ExpireResult]:
        response = decode(kv_pb2.ExpireResponse, body)
        succeeded, item = response.succeeded, _present(response)
        return _written(
            response,
            lambda fields: ExpireResult(succeeded=succeeded, item=item, **fields),
            wrote=succeeded,
        )

    request = kv_pb2.ExpireRequest(
        key=to_bytes(key), ttl_ms=ttl_ms_of(ttl), options=_options(options)
    )
    if expect_mod_seq is not None:
        request.expect_mod_seq = expect_mod_seq
    return _write("Expire", request, take, options, session)


@dataclass(frozen=True, slots=True)
class Bounds:
    least: int | None = None
    most: int | None = None
    initial: int = 0


def increment(
    key: Bytes, delta: int, bounds: Bounds, options: WriteOptions, session: Session
) -> Call[IncrementResult]:
    def take(body: bytes, _: Reason) -> Taken[IncrementResult]:
        response = decode(kv_pb2.IncrementResponse, body)
        value = response.value
        return _written(response, lambda fields: IncrementResult(value=value, **fields))

    request = kv_pb2.IncrementRequest(
        key=to_bytes(key), delta=delta, initial=bounds.initial, options=_options(options)
    )
    if bounds.least is not None:
        request.min = bounds.least
    if bounds.most is not None:
        request.max = bounds.most
    call = _write("Increment", request, take, options, session)
    call.number = lambda body: decode(kv_pb2.IncrementResponse, body).value
    return call


def _compare(compare: Compare) -> kv_pb2.Compare:
    target = _one_of(
        "Compare", exists=compare.exists, value=compare.value, mod_seq=compare.mod_seq,
        version=compare.version,
    )  # fmt: skip
    message = kv_pb2.Compare(key=to_bytes(compare.key), relation=_RELATIONS[compare.relation])
    given = getattr(compare, target)
    setattr(message, target, to_bytes(given) if target == "value" else given)
    return message


def _txn_op(op: TxnOp) -> kv_pb2.TxnOp:
    if isinstance(op, Get):
        return kv_pb2.TxnOp(get=kv_pb2.GetRequest(key=to_bytes(op.key)))
    if isinstance(op, Put):
        return kv_pb2.TxnOp(put=_put(op))
    return kv_pb2.TxnOp(delete=kv_pb2.DeleteRequest(key=to_bytes(op.key)))


def _txn_results(response: kv_pb2.TxnResponse, ops: Sequence[TxnOp]) -> tuple[TxnOpResult, ...]:
    if len(response.results) != len(ops):
        raise MisfitError(f"{len(response.results)} results for {len(ops)} operations")
    results = []
    for op, result in zip(ops, response.results, strict=True):
        if isinstance(op, Get) and not result.HasField("item"):
            raise MisfitError("no item for a get")
        item = item_of(result.item) if isinstance(op, Get) else None
        results.append(TxnOpResult(result.found, item))
    return tuple(results)


def txn(
    compare: Sequence[Compare],
    then_ops: Sequence[TxnOp],
    else_ops: Sequence[TxnOp],
    options: WriteOptions,
    session: Session,
) -> Call[TxnResult]:
    def take(body: bytes, _: Reason) -> Taken[TxnResult]:
        response = decode(kv_pb2.TxnResponse, body)
        succeeded = response.succeeded
        ops = then_ops if succeeded else else_ops
        results = _txn_results(response, ops)
        wrote = any(not isinstance(op, Get) for op in ops)  # gets alone make no record
        return _written(
            response,
            lambda fields: TxnResult(succeeded=succeeded, results=results, **fields),
            wrote=wrote,
        )

    request = kv_pb2.TxnRequest(
        compare=[_compare(one) for one in compare],
        then_ops=[_txn_op(op) for op in then_ops],
        else_ops=[_txn_op(op) for op in else_ops],
        options=_options(options),
    )
    return _write("Txn", request, take, options, session)
