"""Get, MultiGet, Scan and TxnStatus: requests, and what their answers hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from google.protobuf.message import Message

from candor._core.call import Call, MisfitError, Taken
from candor._core.decode import decode
from candor._core.session import Session
from candor._core.steps import Group
from candor.codes import Reason
from candor.levels import EVENTUAL, LINEARIZABLE, READ_LEVELS, SESSION, Ladder, ReadLevel, Rung
from candor.operations import Bytes, to_bytes
from candor.position import Pos, pos_message, pos_of, token_message
from candor.results import (
    GetResult,
    Item,
    MultiGetResult,
    RequestId,
    ScanPage,
    TxnState,
    TxnStatusResult,
)
from candor.v1 import kv_pb2, rpc_pb2

T = TypeVar("T")
Take: TypeAlias = Callable[[bytes, Reason], Taken[T]]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    level: ReadLevel | Ladder = EVENTUAL
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Of a scan; docs: Client.scan()."""

    prefix: bytes = b""
    start: bytes = b""
    end: bytes = b""
    after: bytes = b""
    reverse: bool = False
    keys_only: bool = False
    limit: int = 0  # of one page; 0: the node's limit


def item_of(message: kv_pb2.KeyValue, *, keys_only: bool = False) -> Item:
    value = message.value if message.found and not keys_only else None
    ttl = message.ttl_ms / 1000 if message.HasField("ttl_ms") else None
    return Item(message.key, value, message.found, message.mod_seq, message.version, ttl)


_GROUPS = {LINEARIZABLE.name: Group.CONFIRMED, SESSION.name: Group.SESSION}


def _rungs(options: ReadOptions) -> tuple[Rung, ...]:
    return options.level.rungs if isinstance(options.level, Ladder) else ()


def _levels(options: ReadOptions) -> tuple[str, ...]:
    level = options.level
    return tuple(r.level.name for r in level.rungs) if isinstance(level, Ladder) else (level.name,)


def _rung_message(rung: Rung) -> kv_pb2.ReadRung:
    return kv_pb2.ReadRung(
        level=READ_LEVELS[rung.level.name],
        max_staleness_ms=rung.level.max_staleness_ms,
        allow_syncing=rung.level.allow_syncing,
        within_ms=round((rung.within or 0.0) * 1000),
    )


def _options(options: ReadOptions, session: Session) -> kv_pb2.ReadOptions:
    level = options.level
    message = kv_pb2.ReadOptions()
    if isinstance(level, Ladder):
        message.ladder.extend(_rung_message(rung) for rung in level.rungs)
    else:
        message.level = READ_LEVELS[level.name]
        message.max_staleness_ms = level.max_staleness_ms
        message.allow_syncing = level.allow_syncing
    if SESSION.name in _levels(options) and session.token is not None:
        message.token.CopyFrom(token_message(session.token))
    return message


def _group(options: ReadOptions) -> Group:
    """A ladder that may wait goes alone: in a message with others it would wait for theirs."""
    if isinstance(options.level, ReadLevel):
        return _GROUPS.get(options.level.name, Group.AT_ONCE)
    return Group.ALONE if set(_levels(options)) & set(_GROUPS) else Group.AT_ONCE


def _read(
    name: str,
    request: Message,
    take: Take[T],
    options: ReadOptions,
    session: Session,
    group: Group | None = None,
) -> Call[T]:
    level = options.level
    of_session = SESSION.name in _levels(options)
    return Call(
        method=f"/candor.v1.KV/{name}",
        request=request,
        take=take,
        group=group or _group(options),
        at_primary=_levels(options)[0] == LINEARIZABLE.name,
        names_client=of_session,
        max_staleness_ms=0 if isinstance(level, Ladder) else level.max_staleness_ms,
        rungs=_rungs(options),
        asked=session.token if of_session else None,
        deadline_s=options.deadline_s,
    )


def get(key: Bytes, options: ReadOptions, session: Session) -> Call[GetResult]:
    def take(body: bytes, _: Reason) -> Taken[GetResult]:
        response = decode(kv_pb2.GetResponse, body)
        if not response.HasField("item"):
            raise MisfitError("no item")
        item = item_of(response.item)
        return Taken(lambda told: GetResult(item=item, **told.answer))

    request = kv_pb2.GetRequest(key=to_bytes(key), options=_options(options, session))
    return _read("Get", request, take, options, session)


def multi_get(
    keys: Sequence[Bytes], options: ReadOptions, session: Session
) -> Call[MultiGetResult]:
    def take(body: bytes, _: Reason) -> Taken[MultiGetResult]:
        response = decode(kv_pb2.MultiGetResponse, body)
        if len(response.items) != len(keys):
            raise MisfitError(f"{len(response.items)} items for {len(keys)} keys")
        items = tuple(item_of(item) for item in response.items)
        return Taken(lambda told: MultiGetResult(items=items, **told.answer))

    wanted = [to_bytes(key) for key in keys]
    request = kv_pb2.MultiGetRequest(keys=wanted, options=_options(options, session))
    return _read("MultiGet", request, take, options, session)


def scan(wanted: Range, options: ReadOptions, session: Session) -> Call[ScanPage]:
    def take(body: bytes, _: Reason) -> Taken[ScanPage]:
        response = decode(kv_pb2.ScanResponse, body)
        if response.more and not _goes_on(wanted, response):
            raise MisfitError("it has more behind it, and no item to go on from")
        items = tuple(item_of(item, keys_only=wanted.keys_only) for item in response.items)
        more = response.more
        return Taken(lambda told: ScanPage(items=items, more=more, **told.answer))

    request = kv_pb2.ScanRequest(
        prefix=wanted.prefix,
        start=wanted.start,
        end=wanted.end,
        after=wanted.after,
        limit=wanted.limit,
        reverse=wanted.reverse,
        keys_only=wanted.keys_only,
        options=_options(options, session),
    )
    return _read("Scan", request, take, options, session, Group.ALONE)


def _goes_on(wanted: Range, response: kv_pb2.ScanResponse) -> bool:
    """Another page comes behind these items, and is another one."""
    if not response.items:
        return False
    last, after = response.items[-1].key, wanted.after
    return not after or (last < after if wanted.reverse else last > after)


def txn_status(of: RequestId | Pos, deadline_s: float | None) -> Call[TxnStatusResult]:
    def take(body: bytes, _: Reason) -> Taken[TxnStatusResult]:
        response = decode(kv_pb2.TxnStatusResponse, body)
        known = {state.value for state in TxnState}
        state = TxnState(response.state) if response.state in known else TxnState.UNKNOWN
        pos = pos_of(response.pos) if response.HasField("pos") else None
        parts = response.parts
        return Taken(lambda told: TxnStatusResult(state=state, pos=pos, parts=parts, **told.answer))

    if isinstance(of, RequestId):
        named = rpc_pb2.RequestId(client_id=of.client_id, number=of.number)
        request = kv_pb2.TxnStatusRequest(request_id=named)
    else:
        request = kv_pb2.TxnStatusRequest(pos=pos_message(of))
    return Call(
        method="/candor.v1.KV/TxnStatus",
        request=request,
        take=take,
        group=Group.AT_ONCE,
        at_primary=True,
        deadline_s=deadline_s,
    )
