"""Every client is a probe: what a node said earlier is held against what it says now
(docs/consistency.md).

Calls run at once and replies overtake each other, so a reply is only compared with what was known
when its request was sent."""

from __future__ import annotations

from dataclasses import dataclass

from candor._core.limits import NODES_MAX
from candor.freshness import Freshness, NodeState
from candor.position import NO_EPOCH, Epoch, Pos, Token

_MS = 1_000_000
# What clocks may differ by before a bound that grew faster than time counts as broken: their
# rates, and the roundings to milliseconds and ticks.
_RATE_SLACK_PPM = 10_000
_SLACK_NS = 20 * _MS


@dataclass(slots=True)
class Answered:
    """One answer, and what was asked for it."""

    freshness: Freshness
    sent_ns: int
    received_ns: int
    ok: bool
    asked: Token | None = None  # the session's, where the request brought it
    write: bool = False
    written: Pos | None = None  # a write's position
    wrote: bool = False
    max_staleness_ms: int = 0  # of a BOUNDED read


@dataclass(slots=True)
class _Promise:
    """What one node has shown so far."""

    epoch: Epoch = NO_EPOCH
    epoch_since_ns: int = 0  # when a reply first showed it
    horizon_ns: int | None = None  # every write acknowledged before this was in the node's data
    horizon_at_ns: int = 0  # when the reply that proved it came


class Promises:
    def __init__(self, clock_drift_ppm: int = 0) -> None:
        self._drift = clock_drift_ppm
        self._nodes: dict[str, _Promise] = {}
        self.violations = 0

    def check(self, answer: Answered) -> str | None:
        """What the node went back on, in words; None: nothing."""
        found = [
            _check_session(answer),
            _check_bounded(answer),
            _check_flag(answer),
            _check_write(answer),
        ]
        promise = self._of(answer.freshness.node)
        if promise is not None:
            found.append(_check_epoch(promise, answer))
            found.append(self._check_horizon(promise, answer))
        violation = next((text for text in found if text), None)
        self.violations += violation is not None
        return violation

    def _of(self, node: str) -> _Promise | None:
        """None: more ids than a cluster has, and nothing to hold this one to."""
        if node not in self._nodes and len(self._nodes) >= NODES_MAX:
            return None
        return self._nodes.setdefault(node, _Promise())

    def _slack_ns(self, elapsed_ns: int) -> int:
        """How much further back a true bound may reach: the node's clock runs fast by the drift,
        and the bound is stretched by it once more."""
        ppm = _RATE_SLACK_PPM + 2 * self._drift + self._drift**2 // 1_000_000
        return _SLACK_NS + elapsed_ns // 1_000_000 * ppm

    def _check_horizon(self, promise: _Promise, answer: Answered) -> str | None:
        """A bound of b at time t says that nothing acknowledged before t - b is missing. That
        moment never moves back (R36)."""
        freshness = answer.freshness
        bound_ms = freshness.staleness_bound_ms
        if bound_ms is None or freshness.epoch != promise.epoch:
            return None
        earliest, latest = answer.sent_ns - bound_ms * _MS, answer.received_ns - bound_ms * _MS
        broken = None
        if promise.horizon_ns is not None and answer.sent_ns >= promise.horizon_at_ns:
            elapsed = max(0, answer.received_ns - promise.horizon_ns)
            if latest + self._slack_ns(elapsed) < promise.horizon_ns:
                broken = (
                    f"node {freshness.node} had all writes up to {elapsed // _MS} ms ago; now it "
                    f"proves only those up to {bound_ms} ms ago"
                )
        if promise.horizon_ns is None or earliest > promise.horizon_ns:
            promise.horizon_ns, promise.horizon_at_ns = earliest, answer.received_ns
        return broken


def _check_session(answer: Answered) -> str | None:
    asked, token, node = answer.asked, answer.freshness.token, answer.freshness.node
    if answer.write or asked is None or not answer.ok:
        return None
    if token is None or token.cluster_id != asked.cluster_id:
        return f"node {node} answered a session read without a position of its cluster"
    if token.pos < asked.pos:
        return (
            f"node {node} answered a session read at {token.pos}, before the session's {asked.pos}"
        )
    return None


def _check_bounded(answer: Answered) -> str | None:
    """The node decided before it packed the reply: the bound may have grown in between, by less
    than the call took."""
    bound_ms, node = answer.freshness.staleness_bound_ms, answer.freshness.node
    if not answer.max_staleness_ms or not answer.ok:
        return None
    if bound_ms is None:
        return f"node {node} answered a bounded read without a bound"
    slack_ms = -(-(answer.received_ns - answer.sent_ns + _SLACK_NS) // _MS)
    if bound_ms - slack_ms > answer.max_staleness_ms:
        return (
            f"node {node} answered a read bounded by {answer.max_staleness_ms} ms with data up to "
            f"{bound_ms} ms old"
        )
    return None


def _check_flag(answer: Answered) -> str | None:
    freshness = answer.freshness
    if freshness.stale != (freshness.state is NodeState.FRESH):
        return None
    return f"node {freshness.node} says it is {freshness.state.name} and stale = {freshness.stale}"


def _check_write(answer: Answered) -> str | None:
    """A write does not come before what its session has seen (I8). One that wrote nothing answers
    with the position of what it read: that may be the very one."""
    asked, token, written = answer.asked, answer.freshness.token, answer.written
    if not answer.write or not answer.ok or asked is None or written is None:
        return None
    if token is None or token.cluster_id != asked.cluster_id:
        return None
    if written > asked.pos or (written == asked.pos and not answer.wrote):
        return None
    did = "took a write" if answer.wrote else "answered a write that had no effect"
    return (
        f"node {answer.freshness.node} {did} at {written}, although the session has seen "
        f"{asked.pos}"
    )


def _check_epoch(promise: _Promise, answer: Answered) -> str | None:
    """An adopted epoch is durable (R7): no node goes back to a lower one."""
    now = answer.freshness.epoch
    if now.term == 0:
        return None  # none yet: a blank data directory under a known id (R4)
    if now > promise.epoch:
        promise.epoch, promise.epoch_since_ns = now, answer.received_ns
        promise.horizon_ns = None  # evidence is dropped with the epoch (R37)
    elif now < promise.epoch and answer.sent_ns >= promise.epoch_since_ns:
        return (
            f"node {answer.freshness.node} went back from epoch {promise.epoch} of "
            f"{promise.epoch.owner} to {now} of {now.owner}"
        )
    return None
