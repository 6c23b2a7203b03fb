"""Clients that write down what they asked and what they were told (docs/histories.md)."""
import json
import os
import random
import threading
import time

from attempts import MAX_HOPS, Attempts, NoReplyError, kv_pb2, rpc_pb2

LEVELS = {"eventual": kv_pb2.READ_LEVEL_EVENTUAL, "bounded": kv_pb2.READ_LEVEL_BOUNDED,
          "session": kv_pb2.READ_LEVEL_SESSION, "linearizable": kv_pb2.READ_LEVEL_LINEARIZABLE}
ACKS = {"local": kv_pb2.ACK_LEVEL_LOCAL, "majority": kv_pb2.ACK_LEVEL_MAJORITY, "all": kv_pb2.ACK_LEVEL_ALL}
# Answers that leave open whether a write survives; every other error says that it was not executed.
OPEN = (rpc_pb2.CODE_UNKNOWN, rpc_pb2.CODE_DEADLINE_EXCEEDED, rpc_pb2.CODE_INTERNAL, rpc_pb2.CODE_CANCELLED)

CONDITIONAL = hasattr(kv_pb2, "IncrementRequest")  # the messages; whether a node serves them is asked


def pos_json(pos):
    return {"generation": pos.epoch.generation, "term": pos.epoch.term, "owner": pos.epoch.owner, "seq": pos.seq}


def freshness_json(f):
    return {"node": f.node, "epoch": f.epoch.term, "state": rpc_pb2.NodeState.Name(f.state).removeprefix("NODE_STATE_"),
            "stale": f.stale,
            "heartbeat_age_ms": f.heartbeat_age_ms if f.HasField("heartbeat_age_ms") else None,
            "staleness_bound_ms": f.staleness_bound_ms if f.HasField("staleness_bound_ms") else None,
            "applied_seq": f.applied_seq}


class Shared:
    """What all clients of a run know together: where files go, the newest epoch, how much was acknowledged."""

    def __init__(self, directory, endpoints, stale_after_ms):
        self.directory, self.endpoints, self.stale_after_ms = directory, endpoints, stale_after_ms
        self.lock = threading.Lock()
        self.halt = threading.Event()
        self.started = time.monotonic()
        self.epochs = set()  # (generation, term, owner), of any answer
        self.epochs = set()  # those in which a write was acknowledged
        self.acked_majority = 0
        self.outcomes = {}  # (operation, outcome) -> count
        self.conditional = False  # the nodes serve CompareAndSwap, Increment and TxnStatus
        self.dedupes = False  # a write may be repeated with its request id

    def saw(self, epoch):
        key = (epoch.generation, epoch.term, epoch.owner)
        if epoch.owner and key not in self.epochs:
            with self.lock:
                self.epochs.add(key)

    def primary(self):
        """Owner of the newest epoch that any client has heard of."""
        with self.lock:
            return max(self.epochs)[2] if self.epochs else None

    def count(self, operation, outcome):
        with self.lock:
            key = (operation, outcome)
            self.outcomes[key] = self.outcomes.get(key, 0) + 1
            if outcome == "ok" and operation.endswith("majority"):
                self.acked_majority += 1


class Outcome:
    """One operation as its client saw it; `response` only when `outcome` is "ok"."""

    def __init__(self, outcome, response=None, reply=None, reason=None, code=None):
        self.outcome, self.response, self.reply, self.reason, self.code = outcome, response, reply, reason, code


class Caller(Attempts):
    """A client whose every operation becomes a line of its process's history."""

    def __init__(self, shared, process, deadline_s=2.0):
        super().__init__(shared.endpoints.values(), deadline_s)
        self.preferred = random.choice(self.endpoints)
        self.shared, self.process = shared, process
        self.path = os.path.join(shared.directory, f"history-{process}.jsonl")
        self.file = open(self.path, "w")
        self.write_line({"history": 1, "stale_after_ms": shared.stale_after_ms})
        self.session = None

    def write_line(self, line):
        self.file.write(json.dumps(line) + "\n")

    def close(self):
        super().close()
        self.file.close()

    # -- One operation, over as many attempts as its deadline allows --------------------------------------

    def execute(self, method, request, response_type, write, endpoint=None, follow=True, deadline_s=None):
        deadline = time.monotonic() + (deadline_s or self.deadline_s)
        envelope = rpc_pb2.RpcRequest(method=method, body=request.SerializeToString())
        if write:
            self.number += 1
            envelope.request_id.client_id, envelope.request_id.number = self.client_id, self.number
        target, pause, open_ended = endpoint or self.preferred, 0.01, False
        last = Outcome("fail")
        while time.monotonic() < deadline:
            try:
                reply = self.ask(target, envelope, deadline)
            except NoReplyError as failure:
                open_ended |= write and failure.sent
                last = Outcome("fail", reason=str(failure))
                next_target = None
            else:
                self.shared.saw(reply.freshness.epoch)
                if reply.code == rpc_pb2.CODE_OK:
                    self._learn_position(request, reply)
                    if endpoint is None:
                        self.preferred = target
                    return Outcome("ok", response_type.FromString(reply.body), reply)
                reason = rpc_pb2.Reason.Name(reply.reason).removeprefix("REASON_")
                open_ended |= write and (reply.code in OPEN or reason in ("OUTCOME_UNKNOWN", "REQUEST_TOO_OLD"))
                last = Outcome("fail", None, reply, reason, reply.code)
                next_target = self._where_next(reply, envelope)
                if next_target == "":
                    break
            if (open_ended and not self.shared.dedupes) or not follow:
                break
            if next_target is None:  # nobody told: anybody, a little later
                target = random.choice(self.endpoints)
                del envelope.hops[:]
                time.sleep(min(pause, max(0, deadline - time.monotonic())))
                pause = min(0.1, pause * 2)
            else:
                target = next_target
        if open_ended:
            last.outcome = "unknown"
        return last

    def _learn_position(self, request, reply):
        if hasattr(request, "options") and reply.freshness.HasField("token"):  # else no key was read or written
            self.advance(reply.freshness.token, request.options.HasField("token"))

    def _where_next(self, reply, envelope):
        """An endpoint; None: any; "": the answer is final."""
        if reply.code == rpc_pb2.CODE_FAILED_PRECONDITION and reply.retry.endpoint:
            if len(envelope.hops) >= MAX_HOPS:
                return None
            envelope.hops.append(reply.freshness.node)
            return reply.retry.endpoint
        if reply.code in (rpc_pb2.CODE_UNAVAILABLE, rpc_pb2.CODE_FAILED_PRECONDITION, *OPEN) or \
                (reply.code == rpc_pb2.CODE_RESOURCE_EXHAUSTED and reply.retry.retry_after_ms):
            return None
        return ""

    # -- Operations that are written down ------------------------------------------------------------------

    def _record(self, op, key, started_ns, outcome, more):
        line = {"process": self.process, "op": op, "key": key, **more, "outcome": outcome.outcome,
                "invoke_ns": started_ns, "complete_ns": time.monotonic_ns()}
        if self.session:
            line["session"] = self.session
        if outcome.reason:
            line["reason"] = outcome.reason
        if outcome.reply is not None and outcome.reply.HasField("freshness"):
            line["freshness"] = freshness_json(outcome.reply.freshness)
        self.write_line(line)
        self.shared.count(f"{op} {more.get('level') or more.get('ack')}", outcome.outcome)
        return outcome

    def read(self, key, level="eventual", max_staleness_ms=0, endpoint=None, follow=True):
        request = kv_pb2.GetRequest(key=key.encode(), options=self._read_options(LEVELS[level], max_staleness_ms))
        started = time.monotonic_ns()
        done = self.execute("/candor.v1.KV/Get", request, kv_pb2.GetResponse, False, endpoint, follow)
        more = {"level": level}
        if done.outcome == "ok":
            item = done.response.item
            more["value"] = item.value.decode() if item.found else None
            if item.found:
                more["mod_seq"] = item.mod_seq
            if done.reply.freshness.HasField("token"):
                more["pos"] = pos_json(done.reply.freshness.token.pos)
        return self._record("get", key, started, done, more)

    def _read_options(self, level, max_staleness_ms):
        options = kv_pb2.ReadOptions(level=level, max_staleness_ms=max_staleness_ms)
        if level == kv_pb2.READ_LEVEL_SESSION and self.token is not None:
            options.token.CopyFrom(self.token)
        return options

    def _write_options(self, ack):
        options = kv_pb2.WriteOptions(ack=ACKS[ack])
        if self.session and self.token is not None:
            options.token.CopyFrom(self.token)
        return options

    def _change(self, op, key, method, request, response_type, more):
        """Any write: its line has `more`, and what its response tells."""
        started = time.monotonic_ns()
        done = self.execute(f"/candor.v1.KV/{method}", request, response_type, True)
        if done.outcome == "ok":
            more["pos"] = pos_json(done.response.pos)
            self.shared.saw(done.response.pos.epoch)
            if op == "cas":
                more["swapped"] = done.response.succeeded
                if not done.response.succeeded:
                    item = done.response.item
                    more["found"] = item.value.decode() if item.found else None
            if op == "incr":
                more["value"] = done.response.value
        return self._record(op, key, started, done, more)

    def write(self, key, value, ack="local"):
        """A put; a delete when `value` is None."""
        if value is None:
            request = kv_pb2.DeleteRequest(key=key.encode(), options=self._write_options(ack))
            return self._change("delete", key, "Delete", request, kv_pb2.DeleteResponse, {"ack": ack})
        request = kv_pb2.PutRequest(key=key.encode(), value=value.encode(), options=self._write_options(ack))
        return self._change("put", key, "Put", request, kv_pb2.PutResponse, {"ack": ack, "value": value})

    def swap(self, key, expected, value, ack="majority"):
        """A compare-and-swap; `expected` None: that there be no such key."""
        request = kv_pb2.CompareAndSwapRequest(key=key.encode(), value=value.encode(), options=self._write_options(ack))
        if expected is None:
            request.expect_absent = True
        else:
            request.expect_value = expected.encode()
        return self._change("cas", key, "CompareAndSwap", request, kv_pb2.CompareAndSwapResponse,
                            {"ack": ack, "expected": expected, "value": value})

    def increment(self, key, ack="majority"):
        request = kv_pb2.IncrementRequest(key=key.encode(), delta=1, options=self._write_options(ack))
        return self._change("incr", key, "Increment", request, kv_pb2.IncrementResponse, {"ack": ack, "delta": 1})

    def state_of(self, **of):
        """TxnStatus of a request_id or a pos: "COMMITTED", "ROLLED_BACK", "PENDING", "UNKNOWN"; None: no answer."""
        done = self.execute("/candor.v1.KV/TxnStatus", kv_pb2.TxnStatusRequest(**of), kv_pb2.TxnStatusResponse, False)
        if done.outcome != "ok":
            return None
        return kv_pb2.TxnState.Name(done.response.state).removeprefix("TXN_STATE_")
