"""Clients that send many calls in one message (docs/wire.md, Rpc.Bundle). The calls of a bundle are concurrent, so each is an
operation of a lane: a process of the history with a session of its own."""
import contextlib
import random
import struct
import time

from chaos_clients import Worker
from attempts import NoReplyError, candor, connect, kv_pb2, pos_of, rpc_pb2
from chaos_history import ACKS, LEVELS, OPEN, Caller, Outcome, pos_json

BALLAST = {"ballast-1000000": 1, "ballast-10000": 4, "ballast-1000": 8, "ballast-100": 10}  # how often in a full bundle
FULL = [key for key, times in BALLAST.items() for _ in range(times)]  # behind them there is hardly room for another reply


class Lane:
    """A process of the history. `kind` says what it asks for."""

    def __init__(self, name, kind):
        self.name, self.kind = name, kind
        self.begun = 0
        self.session, self.token, self.sessions, self.left = None, None, 0, 0


class Call:
    """One operation of a lane, over as many bundles as it takes. To Caller._where_next it is an envelope: it has hops."""

    def __init__(self, lane, op, key, method, request, response_type, more):
        self.lane, self.op, self.key, self.more = lane, op, key, more
        self.method, self.request, self.response_type = f"/candor.v1.KV/{method}", request, response_type
        self.write = op != "get"
        self.number = 0  # of its request id
        self.hops = []
        self.target, self.alone = None, False  # where it goes next
        self.brings_token = request.options.HasField("token")
        self.open_ended = False  # an attempt may have been executed
        self.last = Outcome("fail")
        self.started_ns = 0


class BundleCaller(Caller):
    """Sends calls together and asks again, alone or together, until each has its answer or the deadline comes."""

    def perform(self, calls, endpoint, token_of=None, ballast=()):
        """`token_of`: the lane whose token is the bundle's; its own calls leave it out."""
        deadline = time.monotonic() + self.deadline_s
        self._begin(calls, endpoint)
        waiting, pause = list(calls), 0.01
        token = token_of.token if token_of else None
        while waiting and time.monotonic() < deadline:
            for target, group in self._groups(waiting):
                ended = self._attempt(target, group, deadline, token, ballast)
                for call in ended:
                    self._end(call)
                waiting = [call for call in waiting if call not in ended]
            if any(call.target is None for call in waiting):
                time.sleep(min(pause, max(0, deadline - time.monotonic())))
                pause = min(0.1, pause * 2)
            ballast = ()
        for call in waiting:
            self._end(call)

    def leave(self, calls, endpoint):
        """Sends the bundle, and closes the connection without waiting for the answer."""
        self._begin(calls, endpoint)
        with contextlib.suppress(OSError):
            connection = connect(endpoint, self.deadline_s)
            body = self._envelope(calls, None, ()).SerializeToString()
            for call in calls:
                call.open_ended = call.write
            with contextlib.closing(connection):
                connection.socket.sendall(struct.pack(">QI", len(body) + 4, 0x80000001) + body)
        for call in calls:
            call.last = Outcome("fail", reason="left")
            self._end(call)

    def _begin(self, calls, endpoint):
        for call in calls:
            call.target, call.started_ns = endpoint, time.monotonic_ns()
            if call.write:
                self.number += 1
                call.number = self.number

    def _groups(self, waiting):
        """(endpoint, calls that go there in one message)."""
        anywhere = random.choice(self.endpoints)
        groups = {}
        for call in waiting:
            target = call.target or anywhere
            groups.setdefault((target, id(call) if call.alone else None), []).append(call)
        return [(target, group) for (target, _), group in groups.items()]

    def _packed(self, call):
        packed = rpc_pb2.RpcRequest(method=call.method, body=call.request.SerializeToString(), hops=call.hops)
        if call.write:
            packed.request_id.number = call.number  # the client's id is that of the envelope
        return packed

    def _envelope(self, calls, token, ballast):
        if len(calls) == 1 and calls[0].alone:
            envelope = self._packed(calls[0])
        else:
            bundle = rpc_pb2.BundleRequest(method="/candor.v1.KV/Get")
            for key in ballast:
                bundle.calls.add(body=kv_pb2.GetRequest(key=key.encode()).SerializeToString())
            bundle.calls.extend(self._packed(call) for call in calls)
            if token is not None:
                bundle.token.CopyFrom(token)
            envelope = rpc_pb2.RpcRequest(method="/candor.v1.Rpc/Bundle", body=bundle.SerializeToString())
        envelope.request_id.client_id = self.client_id
        return envelope

    def _attempt(self, target, calls, deadline, token, ballast):
        """Gives the calls that have their answer."""
        envelope = self._envelope(calls, token, ballast)
        try:
            reply = self.ask(target, envelope, deadline)
        except NoReplyError as failure:
            for call in calls:
                call.open_ended |= call.write and failure.sent
                call.last, call.target = Outcome("fail", reason=str(failure)), None
            return []
        for call in calls:
            call.brings_token |= token is not None
        replies = [reply] * len(calls)
        if reply.code == rpc_pb2.CODE_OK and envelope.method.endswith("Bundle"):
            replies = self._replies(reply, len(ballast), len(calls))
        return [call for call, each in zip(calls, replies) if self._take(call, each, target)]

    @staticmethod
    def _replies(envelope, skipped, count):
        """Those of the calls behind the ballast, with the freshness that they share."""
        replies = rpc_pb2.BundleResponse.FromString(envelope.body).replies
        assert len(replies) == skipped + count, f"{len(replies)} replies to {skipped + count} calls"
        for reply in replies:
            if not reply.HasField("freshness") and reply.reason != rpc_pb2.REASON_BUNDLE_FULL:
                reply.freshness.CopyFrom(envelope.freshness)
        return replies[skipped:]

    def _take(self, call, reply, target):
        """False: it has to go again."""
        reason = rpc_pb2.Reason.Name(reply.reason).removeprefix("REASON_")
        self.shared.saw(reply.freshness.epoch)
        if reply.code == rpc_pb2.CODE_OK:
            call.last = Outcome("ok", call.response_type.FromString(reply.body), reply)
            return True
        if reason == "BUNDLE_FULL":  # it was executed, and its id brings the answer; or it was refused, and is again
            call.open_ended |= call.write
            call.last, call.target, call.alone = Outcome("fail", reason=reason), target, True
            if call.lane.session and call.lane.token is not None:  # no bundle brings it
                call.request.options.token.CopyFrom(call.lane.token)
            self.shared.count("bundle", "BUNDLE_FULL")
            return False
        call.open_ended |= call.write and (reply.code in OPEN or reason in ("OUTCOME_UNKNOWN", "REQUEST_TOO_OLD"))
        call.last = Outcome("fail", None, reply, reason, reply.code)
        call.target = None if reason == "OUTCOME_UNKNOWN" else self._where_next(reply, call)
        if call.target is None:
            del call.hops[:]
        return call.target == ""

    # -- What is written down ------------------------------------------------------------------------------

    def _end(self, call):
        done, lane, more = call.last, call.lane, dict(call.more)
        if done.outcome != "ok" and call.open_ended:
            done.outcome = "unknown"
        if done.outcome == "ok":
            self._learn(call, done, more)
        elif done.reason == "SESSION_LOST":
            freshness = done.reply.freshness
            lane.token = freshness.token if freshness.HasField("token") else None
        self.process, self.session = lane.name, lane.session
        self._record(call.op, call.key, call.started_ns, done, more)

    def _learn(self, call, done, more):
        """What the answer says, and the lane's token: as Attempts.advance has it, by what came with this call."""
        response, freshness, own = done.response, done.reply.freshness, call.lane.token
        if call.op == "get":
            item = response.item
            more["value"] = item.value.decode() if item.found else None
            if item.found:
                more["mod_seq"] = item.mod_seq
            if freshness.HasField("token"):
                more["pos"] = pos_json(freshness.token.pos)
        else:
            more["pos"] = pos_json(response.pos)
            self.shared.saw(response.pos.epoch)
        if call.op == "incr":
            more["value"] = response.value
        if not freshness.HasField("token"):
            return
        token = freshness.token
        judged = own is None or token.pos.epoch == own.pos.epoch or call.brings_token
        if judged and (own is None or pos_of(token.pos) > pos_of(own.pos)):
            call.lane.token = token


class Bundler(Worker):
    """Bundles of what its lanes ask for, in any mixture: what one waits for, all wait for."""

    CALLER = BundleCaller
    KINDS = ("register", "register", "register", "register", "local", "local", "counter", "reader", "reader", "session",
             "session", "session")

    def __init__(self, shared, name, seed, deadline_s=2.0):
        super().__init__(shared, name, seed, deadline_s)
        self.lanes = [Lane(f"{name}-{kind}{i}", kind) for i, kind in enumerate(self.KINDS)]

    def step(self):
        lanes = self.rng.sample(self.lanes, self.rng.randint(1, len(self.lanes)))
        endpoint, draw = self.some_node(), self.rng.random()
        sessions = [lane for lane in lanes if lane.kind == "session" and lane.token is not None]
        token_of = self.rng.choice(sessions) if sessions and self.rng.random() < 0.3 else None
        calls = [getattr(self, lane.kind)(lane, lane is token_of) for lane in lanes]
        if draw < 0.02:
            self.caller.leave(calls, endpoint)
        elif draw < 0.06:
            self.caller.perform(calls, endpoint, token_of, FULL)
        else:
            self.caller.perform(calls, endpoint, token_of)
        time.sleep(self.rng.uniform(0, 0.15))

    # -- What a lane asks for ------------------------------------------------------------------------------

    def register(self, lane, _):
        if self.rng.random() < 0.45:
            return self.read(lane, self.key("reg"), "linearizable")
        return self.put(lane, self.key("reg"), "all" if self.rng.random() < 0.02 else "majority")

    def local(self, lane, _):
        return self.put(lane, self.key("loc"), "local")

    def counter(self, lane, _):
        if self.rng.random() < 0.2:
            return self.read(lane, self.key("count", 2), "linearizable")
        request = kv_pb2.IncrementRequest(key=self.key("count", 2).encode(), delta=1, options=self.write_options(lane, "majority"))
        return Call(lane, "incr", request.key.decode(), "Increment", request, kv_pb2.IncrementResponse,
                    {"ack": "majority", "delta": 1})

    def reader(self, lane, _):
        if self.rng.random() < 0.8:
            return self.read(lane, self.key(self.rng.choice(("loc", "reg", "ses"))), "eventual")
        return self.read(lane, self.key("loc"), "bounded", self.rng.choice((50, 200, 1000)))

    def session(self, lane, leaves_token_out):
        if lane.left == 0 and not leaves_token_out:
            lane.left, lane.sessions = self.rng.randint(10, 100), lane.sessions + 1
            lane.session, lane.token = f"{lane.name}-{lane.sessions}", None
        lane.left = max(0, lane.left - 1)
        if self.rng.random() < 0.4:
            call = self.put(lane, self.key("ses"), "local")
        else:
            call = self.read(lane, self.key("ses"), "session")
        if leaves_token_out:
            call.request.options.ClearField("token")
        return call

    def read(self, lane, key, level, max_staleness_ms=0):
        options = kv_pb2.ReadOptions(level=LEVELS[level], max_staleness_ms=max_staleness_ms)
        if level == "session" and lane.token is not None:
            options.token.CopyFrom(lane.token)
        request = kv_pb2.GetRequest(key=key.encode(), options=options)
        return Call(lane, "get", key, "Get", request, kv_pb2.GetResponse, {"level": level})

    def write_options(self, lane, ack):
        options = kv_pb2.WriteOptions(ack=ACKS[ack])
        if lane.session and lane.token is not None:
            options.token.CopyFrom(lane.token)
        return options

    def put(self, lane, key, ack):
        lane.begun += 1
        value = f"{lane.name}-{lane.begun}"
        request = kv_pb2.PutRequest(key=key.encode(), value=value.encode(), options=self.write_options(lane, ack))
        return Call(lane, "put", key, "Put", request, kv_pb2.PutResponse, {"ack": ack, "value": value})


def all_bundlers(shared, seed):
    """And what their full bundles are filled with."""
    with candor.Client(shared.endpoints.values(), deadline=20) as client:
        for key in BALLAST:
            client.put(key, b"x" * int(key.removeprefix("ballast-")), ack=candor.Ack.MAJORITY)
    return [Bundler(shared, "bundler0", seed), Bundler(shared, "bundler1", seed), Bundler(shared, "hasty-bundler", seed, 0.25)]
