"""A Candor client in Python, made from the .proto files and docs/wire.md. Not thread-safe: one client a thread.

It does what the client contract asks: follows redirects with a hop count, backs off while nobody can answer, stops at the
deadline, keeps the session's token, repeats a write only when it certainly was not executed.

SESSION reads, and writes, that fail with SESSION_LOST (R44): what the session had seen was rolled back; `restart_session`, and
go on.
"""
import os
import random
import socket
import struct
import time

from candor.v1 import cluster_pb2, kv_pb2, rpc_pb2

HANDSHAKE = b"\x00SP\x00\x00\x30\x00\x00"  # this side is REQ
ANSWER = b"\x00SP\x00\x00\x31\x00\x00"  # the other REP
MAX_HOPS = 8


class CandorError(Exception):
    """A reply whose code is not OK, or no reply at all. `unknown`: a write may or may not have taken effect."""

    def __init__(self, code, reason, message, reply=None, unknown=False):
        super().__init__(f"{rpc_pb2.Code.Name(code)}/{rpc_pb2.Reason.Name(reason)}: {message}")
        self.code, self.reason, self.reply, self.unknown = code, reason, reply, unknown


def pos_order(pos):
    return (pos.epoch.generation, pos.epoch.term, pos.epoch.owner, pos.seq)


class Connection:
    """One TCP connection that speaks NNG's framing of REQ/REP."""

    def __init__(self, endpoint, timeout_s):
        host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout_s)
        self.next_id = random.getrandbits(31)
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(HANDSHAKE)
            if self._read(8) != ANSWER:
                raise OSError(f"{endpoint} does not speak REP")
        except OSError:
            self.socket.close()
            raise

    def _read(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise OSError("the connection was closed")
            data += piece
        return data

    def call(self, body, deadline):
        """Sends one request, returns its reply; OSError (a timeout is one) when none comes."""
        self.next_id = (self.next_id + 1) & 0x7FFFFFFF
        request_id = struct.pack(">I", self.next_id | 0x80000000)
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        self.socket.sendall(struct.pack(">Q", len(body) + 4) + request_id + body)
        while True:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            payload = self._read(struct.unpack(">Q", self._read(8))[0])
            if payload[:4] == request_id:
                return payload[4:]

    def close(self):
        self.socket.close()


class Client:
    def __init__(self, endpoints, deadline_s=5.0, follow=True):
        self.endpoints = [e.removeprefix("tcp://") for e in endpoints]
        self.deadline_s = deadline_s
        self.follow = follow  # redirects; False: the first answer counts
        self.connections = {}
        self.preferred = self.endpoints[0]
        self.client_id = os.urandom(16)
        self.number = 0
        self.token = None  # of the session: newest position written or read (R43)
        self.freshness = None  # of the newest reply

    def restart_session(self, reply):
        """After SESSION_LOST: goes on with the token that its reply brought (R44)."""
        self.token = reply.freshness.token if reply.freshness.HasField("token") else None

    # -- calls ------------------------------------------------------------------------------------

    def _connection(self, endpoint, deadline):
        if endpoint not in self.connections:
            self.connections[endpoint] = Connection(endpoint, max(0.001, deadline - time.monotonic()))
        return self.connections[endpoint]

    def _ask(self, endpoint, envelope, deadline):
        """One attempt at one endpoint. CandorError `unknown` when the request left and no reply came."""
        envelope.deadline_ms = max(1, int((deadline - time.monotonic()) * 1000))
        sent = False
        try:
            connection = self._connection(endpoint, deadline)
            sent = True
            reply = rpc_pb2.RpcReply.FromString(connection.call(envelope.SerializeToString(), deadline))
        except OSError as error:
            if endpoint in self.connections:
                self.connections.pop(endpoint).close()
            raise CandorError(rpc_pb2.CODE_UNAVAILABLE, rpc_pb2.REASON_NONE, f"{endpoint}: {error}",
                              unknown=sent) from None
        self.freshness = reply.freshness
        return reply

    def _advance(self, request, reply):
        """After an OK reply. A position of the token's own epoch takes its place when it is newer; one of another epoch only when
        the request carried the token, for then the node has judged that what the session has seen is in that epoch's
        history, too. Else the old token stays: the session's next request learns whether it is lost (R44)."""
        if "options" not in request.DESCRIPTOR.fields_by_name or not reply.freshness.HasField("token"):
            return  # no key was read or written
        token, own = reply.freshness.token, self.token
        judged = own is None or token.pos.epoch == own.pos.epoch or request.options.HasField("token")
        if judged and (own is None or pos_order(token.pos) > pos_order(own.pos)):
            self.token = token

    def call(self, method, request, response_type, write=False, endpoint=None, deadline_s=None):
        deadline = time.monotonic() + (deadline_s or self.deadline_s)
        envelope = rpc_pb2.RpcRequest(method=method, body=request.SerializeToString())
        envelope.request_id.client_id = self.client_id  # without a number it only says who asks
        if write:
            self.number += 1
            envelope.request_id.number = self.number
        target = endpoint or self.preferred
        pause = 0.01
        error = CandorError(rpc_pb2.CODE_DEADLINE_EXCEEDED, rpc_pb2.REASON_NONE, "the deadline passed")
        while time.monotonic() < deadline:
            try:
                reply = self._ask(target, envelope, deadline)
            except CandorError as failure:
                if not self.follow or (write and failure.unknown):
                    raise
                error, target = failure, random.choice(self.endpoints)
                time.sleep(min(pause, max(0, deadline - time.monotonic())))
                pause = min(0.25, pause * 2)
                continue
            if reply.code == rpc_pb2.CODE_OK:
                self._advance(request, reply)
                if endpoint is None:
                    self.preferred = target
                return response_type.FromString(reply.body)
            error = CandorError(reply.code, reply.reason, reply.message, reply,
                                unknown=reply.reason == rpc_pb2.REASON_OUTCOME_UNKNOWN)
            if not self.follow:
                raise error
            target = self._next_target(reply, envelope, error)
            if reply.code != rpc_pb2.CODE_FAILED_PRECONDITION:
                time.sleep(min(max(pause, reply.retry.retry_after_ms / 1000),
                               max(0, deadline - time.monotonic())))
                pause = min(0.25, pause * 2)
        raise error

    def _next_target(self, reply, envelope, error):
        """Where to ask next; raises what is final."""
        if reply.retry.endpoint and reply.code == rpc_pb2.CODE_FAILED_PRECONDITION:
            if len(envelope.hops) >= MAX_HOPS:
                raise CandorError(rpc_pb2.CODE_UNAVAILABLE, rpc_pb2.REASON_MAX_HOPS,
                                  " -> ".join(envelope.hops), reply)
            envelope.hops.append(reply.freshness.node)
            return reply.retry.endpoint.removeprefix("tcp://")
        if reply.code == rpc_pb2.CODE_UNAVAILABLE and not error.unknown:
            del envelope.hops[:]
            return random.choice(self.endpoints)
        if reply.code == rpc_pb2.CODE_RESOURCE_EXHAUSTED and reply.retry.retry_after_ms:
            return self.preferred
        raise error

    # -- keys -------------------------------------------------------------------------------------

    def _options(self, level, max_staleness_ms=0):
        options = kv_pb2.ReadOptions(level=level, max_staleness_ms=max_staleness_ms)
        if level == kv_pb2.READ_LEVEL_SESSION and self.token is not None:
            options.token.CopyFrom(self.token)
        return options

    def write_options(self, ack):
        """With the session's token: a primary that was deposed, and does not know it, refuses."""
        options = kv_pb2.WriteOptions(ack=ack)
        if self.token is not None:
            options.token.CopyFrom(self.token)
        return options

    def get(self, key, level=kv_pb2.READ_LEVEL_EVENTUAL, max_staleness_ms=0, **where):
        request = kv_pb2.GetRequest(key=key, options=self._options(level, max_staleness_ms))
        return self.call("/candor.v1.KV/Get", request, kv_pb2.GetResponse, **where).item

    def put(self, key, value, ack=kv_pb2.ACK_LEVEL_LOCAL, **where):
        request = kv_pb2.PutRequest(key=key, value=value, options=self.write_options(ack))
        return self.call("/candor.v1.KV/Put", request, kv_pb2.PutResponse, write=True, **where)

    def delete(self, key, ack=kv_pb2.ACK_LEVEL_LOCAL, **where):
        request = kv_pb2.DeleteRequest(key=key, options=self.write_options(ack))
        return self.call("/candor.v1.KV/Delete", request, kv_pb2.DeleteResponse, write=True, **where)

    def status(self, endpoint, **where):
        return self.call("/candor.v1.Cluster/Status", cluster_pb2.StatusRequest(),
                         cluster_pb2.StatusResponse, endpoint=endpoint, **where)

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()
