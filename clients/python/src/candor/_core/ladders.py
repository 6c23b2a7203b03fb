"""Reads that ask for several levels: what an answer says of its rungs (docs/wire.md, "What to do
with a reply")."""

from __future__ import annotations

from candor._core.call import MisfitError
from candor._core.limits import LADDER_S
from candor.codes import Code, Reason
from candor.levels import Rung
from candor.position import Token
from candor.results import LadderReport, MissedRung
from candor.v1 import rpc_pb2


def _missed(message: rpc_pb2.MissedRung) -> MissedRung:
    bounded = message.WhichOneof("bound") is not None
    return MissedRung(
        Code(message.code),
        Reason(message.reason),
        message.waited_ms,
        message.staleness_bound_ms if bounded else None,
    )


def report_of(reply: rpc_pb2.RpcReply, rungs: tuple[Rung, ...]) -> LadderReport | None:
    """None: no ladder was asked for, or the node says nothing of it. Raises MisfitError."""
    if not rungs or not reply.HasField("ladder"):
        return None
    report = reply.ladder
    missed = tuple(map(_missed, report.missed))
    if report.met > len(rungs) or len(missed) > len(rungs):
        raise MisfitError(f"rung {report.met} of a ladder of {len(rungs)}")
    if reply.code == 0 and report.met and len(missed) != report.met - 1:
        raise MisfitError(f"rung {report.met} was met, and {len(missed)} above it were not")
    level = rungs[report.met - 1].level if report.met else None
    return LadderReport(report.met, level, missed)


def held_to(
    rungs: tuple[Rung, ...], report: LadderReport | None, asked: Token | None, most_ms: int
) -> tuple[Token | None, int]:
    """What the answer is to keep: the session's token, and how old it may be."""
    if not rungs:
        return asked, most_ms
    level = report.level if report else None
    if level is None:
        return None, 0
    return asked if level.name == "SESSION" else None, level.max_staleness_ms


def patience_s(rungs: tuple[Rung, ...]) -> float | None:
    """How long one node has for all of them; None: no shorter than the operation itself."""
    waiting = [rung for rung in rungs if rung.level.name in ("SESSION", "LINEARIZABLE")]
    if not rungs or any(rung.within is None for rung in waiting):
        return None
    return sum(rung.within or 0.0 for rung in waiting) + LADDER_S
