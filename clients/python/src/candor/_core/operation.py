"""An operation, over as many attempts as its deadline allows (docs/wire.md, "What to do with a
reply")."""

from __future__ import annotations

from dataclasses import replace
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError

from candor._core.addresses import normal
from candor._core.call import AnswerFields, Call, MisfitError, Taken, Told
from candor._core.clock import now_ns
from candor._core.core import Core
from candor._core.judge import (
    Next,
    Refusal,
    draw_pause_s,
    judge,
    refusal_of,
    refusal_of_silence,
    says_itself,
    settles,
    surely_refused,
)
from candor._core.ladders import held_to, patience_s, report_of
from candor._core.limits import DEADLINE_MAX_S, ENVELOPE_BYTES, HOPS_MAX
from candor._core.promise import Answered
from candor._core.steps import Ask, Outcome, Pause, Silence, Steps
from candor.codes import Code, Reason
from candor.errors import CandorError, Details, error_of
from candor.freshness import Freshness, Role, freshness_of
from candor.position import Token
from candor.results import LadderReport, RequestId, SessionLoss
from candor.v1 import rpc_pb2

T = TypeVar("T")
_NS = 1_000_000_000
# The node is told a little less than what is waited for, so that its refusal comes in time.
_ON_THE_WAY_S = 0.020
_NOBODY_KNOWS = (Reason.OUTCOME_UNKNOWN, Reason.REQUEST_TOO_OLD)


def operate(core: Core, call: Call[T]) -> Steps[T]:
    """The steps of one operation; its end is the result, or a CandorError."""
    return _Operation(core, call).run()


class _Operation(Generic[T]):
    def __init__(self, core: Core, call: Call[T]) -> None:
        deadline_s = core.settings.deadline_s if call.deadline_s is None else call.deadline_s
        self.core, self.call = core, call
        self.begun_ns = now_ns()
        self.deadline_ns = self.begun_ns + int(min(deadline_s, DEADLINE_MAX_S) * _NS)
        self.target = ""
        self.hops: list[str] = []  # who redirected, oldest first
        self.request: RequestId | None = None
        self.uncertain = False  # an attempt may have been executed without our hearing of it
        self.attempts = self.redirects = self.failures = 0
        self.sent_ns = 0
        self.session_loss: SessionLoss | None = None
        self.refused: Refusal | None = None  # what a node said of itself when it refused
        self.violation: str | None = None
        self.ladder: LadderReport | None = None  # of the newest reply

    # -- From the first attempt to the end --------------------------------------------------------

    def run(self) -> Steps[T]:
        self._begin()
        unknown = True  # whoever drops this in the middle does not know what became of it
        try:
            result = yield from self._attempts()
            unknown = False
        except CandorError as error:
            unknown = error.outcome_unknown
            if error.reason is Reason.REQUEST_ID_REUSED:
                with self.core.lock:
                    self.core.identities.retire()
            raise
        finally:
            self._end(unknown=unknown)
        return result

    def _begin(self) -> None:
        core, call = self.core, self.call
        size = call.request.ByteSize() + ENVELOPE_BYTES
        if size > core.settings.message_bytes:
            text = f"the request's {size} bytes are more than one message takes"
            raise self._error(Refusal(Code.RESOURCE_EXHAUSTED, Reason.TOO_LARGE, text))
        with core.lock:
            if call.write:
                self.request = core.identities.draw()
            self.target = call.only or core.addresses.first(at_primary=call.at_primary)

    def _end(self, *, unknown: bool) -> None:
        if self.request is not None:
            with self.core.lock:
                self.core.identities.end(self.request, unknown=unknown)

    def _attempts(self) -> Steps[T]:
        while True:
            ask = self._ask()
            self.attempts += 1
            self.sent_ns = now_ns()
            outcome = yield ask
            taken = self._take(outcome)
            if not isinstance(taken, Refusal):
                return taken
            if not self._renew_session(taken):
                yield from self._go_on(taken)

    def _go_on(self, refusal: Refusal) -> Steps[None]:
        """To the next attempt; raises what is final."""
        call, core = self.call, self.core
        if not call.write and refusal.reason is Reason.OUTCOME_UNKNOWN:
            refusal = replace(refusal, reason=Reason.NONE)  # a read has no outcome but its answer
        step = judge(refusal, follow=core.settings.follow_redirects, single=call.only is not None)
        final = step is Next.END and refusal.answered
        if call.write and not surely_refused(refusal):
            self.uncertain |= not final or refusal.reason in _NOBODY_KNOWS
        if step is Next.END:
            raise self._error(refusal)
        if refusal.freshness is not None:
            self.refused = refusal
        if step is Next.FOLLOW:
            self._follow(refusal)
        else:
            yield from self._pause(refusal)

    # -- One attempt ------------------------------------------------------------------------------

    def _left_s(self) -> float:
        return max(0.0, (self.deadline_ns - now_ns()) / _NS)

    def _ask(self) -> Ask:
        """What one node does not answer is asked elsewhere while there is time."""
        call = self.call
        alone = len(self.core.addresses.endpoints) == 1 and not self.hops
        share = 1.0 if alone or call.only is not None else 0.5
        timeout_s = max(0.001, self._left_s() * share)
        patience = patience_s(call.rungs)
        if patience is not None and share < 1.0:
            timeout_s = min(timeout_s, patience)
        told_s = timeout_s - min(_ON_THE_WAY_S, timeout_s / 10)
        request = rpc_pb2.RpcRequest(
            method=call.method,
            deadline_ms=max(1, int(told_s * 1000)),
            body=call.request.SerializeToString(),
            hops=self.hops,
        )
        if self.request is not None:
            request.request_id.client_id = self.request.client_id
            request.request_id.number = self.request.number
        elif call.names_client:
            with self.core.lock:
                request.request_id.client_id = self.core.identities.any_id()
        return Ask(self.target, request, timeout_s, call.group)

    def _take(self, outcome: Outcome | None) -> T | Refusal:
        """The result, or what came instead."""
        if outcome is None or isinstance(outcome, Silence):
            silence = outcome or Silence("nothing was sent", sent=False)
            return refusal_of_silence(silence, self.target, write=self.call.write)
        self.uncertain |= self.call.write and outcome.sent_again
        received_ns = now_ns()
        reply = outcome.message
        freshness = freshness_of(reply.freshness)
        try:
            self.ladder = report_of(reply, self.call.rungs)
        except MisfitError as error:
            return self._malformed(freshness, str(error))
        refusal = refusal_of(reply, freshness) if reply.code != 0 else None
        if refusal is not None and not (refusal.reason in self.call.also and refusal.body):
            if freshness is not None:
                freshness = self._check(freshness, received_ns, None)
            loss = self._of_all_ids(refusal.loss)
            return replace(refusal, freshness=freshness, loss=loss, ladder=self.ladder)
        if self.call.rungs and (self.ladder is None or self.ladder.met == 0):
            return self._knows_no_ladders(freshness)
        try:
            taken = self.call.take(reply.body, Reason(reply.reason))
        except (DecodeError, MisfitError) as error:
            return self._malformed(freshness, str(error))
        if freshness is None:
            return self._malformed(None, "it says nothing of its age")
        return self._finish(taken, freshness, received_ns, ok=refusal is None)

    def _of_all_ids(self, loss: SessionLoss | None) -> SessionLoss | None:
        """The node names the lost writes of one client id alone."""
        if loss is None or not loss.archive_id or not self.core.identities.several:
            return loss
        return replace(loss, more=True)

    def _malformed(self, freshness: Freshness | None, why: str) -> Refusal:
        node = freshness.node if freshness else self.target
        text = f"the answer of {node} to {self.call.method} is none: {why}"
        return Refusal(Code.INTERNAL, Reason.MALFORMED, text, freshness=freshness)

    def _knows_no_ladders(self, freshness: Freshness | None) -> Refusal:
        node = freshness.node if freshness else self.target
        text = f"node {node} does not say which rung it has met: its version knows no ladders"
        return Refusal(
            Code.UNIMPLEMENTED, Reason.LEVEL_UNAVAILABLE, text, answered=True, freshness=freshness
        )

    def _finish(
        self, taken: Taken[T], freshness: Freshness, received_ns: int, *, ok: bool
    ) -> T | Refusal:
        if taken.replayed and not self.uncertain:
            # What no attempt of this operation may have done was done by another process.
            text = (
                f"node {freshness.node} has executed this request for another process that uses "
                "this client's id; this write was not executed"
            )
            reused = Reason.REQUEST_ID_REUSED
            return Refusal(Code.INVALID_ARGUMENT, reused, text, True, freshness)
        token = _own_write(freshness.token, taken)
        freshness = self._check(replace(freshness, token=token), received_ns, taken, ok=ok)
        if ok:
            self._remember(freshness, token)
        answer = AnswerFields(
            freshness=freshness,
            attempts=self.attempts,
            redirects=self.redirects,
            violation=self.violation,
            ladder=self.ladder,
        )
        return taken.finish(Told(answer, self.request, self.session_loss))

    def _check(
        self,
        freshness: Freshness,
        received_ns: int,
        taken: Taken[T] | None,
        *,
        ok: bool = False,
    ) -> Freshness:
        """Holds it against the node's promises; adds to the bound what passed since it was sent."""
        call = self.call
        asked, most_ms = held_to(call.rungs, self.ladder, call.asked, call.max_staleness_ms)
        answered = Answered(
            freshness=freshness,
            sent_ns=self.sent_ns,
            received_ns=received_ns,
            ok=ok,
            asked=asked,
            write=call.write,
            written=taken.written if taken else None,
            wrote=taken.wrote if taken else False,
            max_staleness_ms=most_ms,
        )
        with self.core.lock:
            self.violation = self.core.promises.check(answered)
        if self.violation:
            self.core.settings.on_violation(self.violation)
        if freshness.staleness_bound_ms is None:
            return freshness
        passed_ms = -(-(now_ns() - self.sent_ns) // 1_000_000)
        return replace(freshness, staleness_bound_ms=freshness.staleness_bound_ms + passed_ms)

    def _remember(self, freshness: Freshness, token: Token | None) -> None:
        call = self.call
        asked, _ = held_to(call.rungs, self.ladder, call.asked, 0)
        with self.core.lock:
            if call.session:
                self.core.session.see(asked, token)
            if call.only is None:
                self.core.addresses.answered(
                    self.target,
                    primary=call.write or freshness.role is Role.PRIMARY,
                    read_unredirected=not call.write and not self.hops,
                )

    # -- To the next one --------------------------------------------------------------------------

    def _renew_session(self, refusal: Refusal) -> bool:
        """A write that was refused because its session lost what it saw: the loss is told with the
        answer, and the write goes again from where the session can go on."""
        call = self.call
        lost = refusal.reason is Reason.SESSION_LOST
        if not call.write or not lost or self.session_loss or refusal.token is None:
            return False
        self.session_loss = refusal.loss
        with self.core.lock:
            self.core.session.lose(call.asked, refusal.token)
            call.bring(self.core.session.token)
        return True

    def _follow(self, refusal: Refusal) -> None:
        hint, freshness = refusal.hint, refusal.freshness
        assert hint is not None  # noqa: S101 (judge() has looked)
        node = freshness.node if freshness else "?"
        if len(self.hops) >= HOPS_MAX:
            trail = " -> ".join([*self.hops, node, hint.primary])
            text = f"redirected more than {HOPS_MAX} times: {trail}"
            raise self._error(replace(refusal, code=Code.UNAVAILABLE, reason=Reason.MAX_HOPS,
                                      message=text))  # fmt: skip
        try:
            self.target = normal(hint.endpoint)
        except ValueError as error:
            text = f"redirected to an address that is none: {error}"
            raise self._error(replace(refusal, message=text)) from None
        self.hops.append(node)
        self.redirects += 1

    def _pause(self, refusal: Refusal) -> Steps[None]:
        addresses = self.core.addresses
        pause_s = draw_pause_s(refusal, self.failures, len(addresses.endpoints))
        self.failures += 1
        self.hops = []
        if pause_s >= self._left_s():
            raise self._gave_up(refusal)
        yield Pause(pause_s)
        if refusal.code is not Code.RESOURCE_EXHAUSTED:
            with self.core.lock:
                self.target = addresses.after(self.target)

    # -- What is told at the end ------------------------------------------------------------------

    def _gave_up(self, refusal: Refusal) -> CandorError:
        """With what a node said of itself before, where the last one said nothing."""
        before = self.refused
        message = refusal.message
        if refusal.freshness is None and before is not None and before.freshness is not None:
            message = f"{before.freshness.node}: {before.message}; {message}"
            refusal = replace(refusal, reason=before.reason, freshness=before.freshness,
                              hint=before.hint, loss=before.loss, body=before.body)  # fmt: skip
        ms = (now_ns() - self.begun_ns) // 1_000_000
        times = f"{self.attempts} attempt{'' if self.attempts == 1 else 's'}"
        return self._error(
            replace(refusal, message=f"{message} (gave up after {ms} ms and {times})")
        )

    def _error(self, refusal: Refusal) -> CandorError:
        number, reached = None, None
        try:
            if refusal.code is Code.OUT_OF_RANGE and self.call.number and refusal.body:
                number = self.call.number(refusal.body)
            if refusal.reason is Reason.NO_MAJORITY and self.call.reached and refusal.body:
                reached = self.call.reached(refusal.body)
        except DecodeError:
            refusal = self._malformed(refusal.freshness, "its body does not decode")
        reason = refusal.reason
        unknown = self.uncertain and not settles(refusal)
        if unknown and not says_itself(refusal):
            reason = Reason.OUTCOME_UNKNOWN
        details = Details(
            freshness=refusal.freshness,
            hint=refusal.hint,
            request=self.request,
            outcome_unknown=unknown,
            attempts=self.attempts,
            redirects=self.redirects,
            violation=self.violation,
            loss=refusal.loss or self.session_loss,
            number=number,
            reached=reached,
            ladder=refusal.ladder,
        )
        return error_of(refusal.code, reason, refusal.message, details)


def _own_write(token: Token | None, taken: Taken[T]) -> Token | None:
    """The write's position is what the session has now seen."""
    written = taken.written
    if token is None or written is None or written <= token.pos:
        return token
    origin = token.origin if written.epoch == token.pos.epoch else 0
    return Token(token.cluster_id, written, origin)
