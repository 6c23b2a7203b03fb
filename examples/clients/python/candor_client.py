"""A Candor client in Python, made from the .proto files and docs/wire.md. Not thread-safe: one client a thread.

It does what the client contract asks: follows redirects with a hop count, backs off while nobody can answer, stops at the
deadline, keeps the session's token. A write is repeated under its request id, also when a connection died while it was under
way, and is executed once (R46); `unknown` is raised only when the deadline came before anybody could say.

fork(): a child goes on with the session, under a client id and over connections of its own. When the id was used by somebody else
nevertheless (REQUEST_ID_REUSED: the machine goes on from a snapshot), the write was not executed and the error says so; the
client goes on under a new id.

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
IDLE_S = 1.0  # without an answer for so long, a connection may be gone


class CandorError(Exception):
    """A reply whose code is not OK, or no reply at all. `unknown`: a write may or may not have taken effect."""

    def __init__(self, code, reason, message, reply=None, unknown=False):
        super().__init__(f"{rpc_pb2.Code.Name(code)}/{rpc_pb2.Reason.Name(reason)}: {message}")
        self.code, self.reason, self.reply, self.unknown = code, reason, reply, unknown


def pos_order(pos):
    return (pos.epoch.generation, pos.epoch.term, pos.epoch.owner, pos.seq)


def host_and_port(endpoint):
    """Of "127.0.0.1:7000", "[::1]:7000", "name:7000", with or without "tcp://" before it."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{endpoint}: an IPv6 address stands in brackets, as in [::1]:7000")
    if not host or not port.isdigit():
        raise ValueError(f"{endpoint}: it is no address such as 127.0.0.1:7000")
    return host, int(port)


class Connection:
    """One TCP connection that speaks NNG's framing of REQ/REP."""

    def __init__(self, endpoint, timeout_s):
        self.socket = socket.create_connection(host_and_port(endpoint), timeout_s)
        self.next_id = random.getrandbits(31)
        self.used = time.monotonic()  # when it was made, or answered last
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
                self.used = time.monotonic()
                return payload[4:]

    def close(self):
        self.socket.close()


class Client:
    def __init__(self, endpoints, deadline_s=5.0, follow=True):
        self.endpoints = [e.removeprefix("tcp://") for e in endpoints]
        for endpoint in self.endpoints:
            host_and_port(endpoint)  # ValueError now, not at the first call
        self.deadline_s = deadline_s
        self.follow = follow  # redirects; False: the first answer counts
        self.connections = {}
        self.preferred = self.endpoints[0]
        self._draw_id()
        self.token = None  # of the session: newest position written or read (R43)
        self.freshness = None  # of the newest reply

    def _draw_id(self):
        self.client_id, self.number, self.pid = os.urandom(16), 0, os.getpid()

    def _notice_fork(self):
        """In a child the parent's connections are closed (the parent's own stay), and its client id is the parent's."""
        if self.pid != os.getpid():
            self.close()
            self._draw_id()

    def restart_session(self, reply):
        """After SESSION_LOST: goes on with the token that its reply brought (R44)."""
        self.token = reply.freshness.token if reply.freshness.HasField("token") else None

    # -- calls ------------------------------------------------------------------------------------

    def _connection(self, endpoint, deadline):
        if endpoint not in self.connections:
            self.connections[endpoint] = Connection(endpoint, max(0.001, deadline - time.monotonic()))
        return self.connections[endpoint]

    def _exchange(self, endpoint, envelope, deadline, patience):
        """`patience`: until when the answer is waited for; the node is told the deadline."""
        connection = self._connection(endpoint, deadline)
        envelope.deadline_ms = max(1, int((deadline - time.monotonic()) * 1000))
        try:
            reply = rpc_pb2.RpcReply.FromString(connection.call(envelope.SerializeToString(), patience))
        except OSError:
            self.connections.pop(endpoint).close()
            raise
        self.freshness = reply.freshness
        return reply

    def _ask(self, endpoint, envelope, deadline):
        """One attempt at one endpoint. CandorError `unknown` when the request left and no reply came.

        A connection that was idle may be gone without a word (the node restarted, a NAT forgot it): it gets half of the time, and
        the request is sent once more over a new one, under the same request id. `self.resent` says so."""
        self.resent, sent = False, False
        connection = self.connections.get(endpoint)
        try:
            if connection is not None:
                sent = True
                now = time.monotonic()
                idle = now - connection.used > IDLE_S
                try:
                    return self._exchange(endpoint, envelope, deadline, now + (deadline - now) / 2 if idle else deadline)
                except OSError:
                    self.resent = True
            self._connection(endpoint, deadline)
            sent = True
            return self._exchange(endpoint, envelope, deadline, deadline)
        except OSError as error:
            raise CandorError(rpc_pb2.CODE_UNAVAILABLE, rpc_pb2.REASON_NONE, f"{endpoint}: {error}",
                              unknown=sent) from None

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
        self._notice_fork()
        deadline = time.monotonic() + (deadline_s or self.deadline_s)
        envelope = rpc_pb2.RpcRequest(method=method, body=request.SerializeToString())
        envelope.request_id.client_id = self.client_id  # without a number it only says who asks
        if write:
            self.number += 1
            envelope.request_id.number = self.number
        target = endpoint or self.preferred
        pause = 0.01
        unsure = False  # whether an attempt of this write may have been executed
        self.resent = False
        error = CandorError(rpc_pb2.CODE_DEADLINE_EXCEEDED, rpc_pb2.REASON_NONE, "the deadline passed")
        while time.monotonic() < deadline:
            try:
                reply = self._ask(target, envelope, deadline)
            except CandorError as failure:
                unsure |= write and failure.unknown
                if not self.follow:
                    raise
                error, target = failure, endpoint or random.choice(self.endpoints)
            else:
                unsure |= write and self.resent
                if reply.code == rpc_pb2.CODE_OK:
                    response = response_type.FromString(reply.body)
                    if write and not unsure and response.replayed:
                        raise self._reused(reply, "another process made this request under this client's id")
                    self._advance(request, reply)
                    if endpoint is None:
                        self.preferred = target
                    return response
                if reply.reason == rpc_pb2.REASON_REQUEST_ID_REUSED:
                    raise self._reused(reply, reply.message)
                unsure |= write and reply.reason == rpc_pb2.REASON_OUTCOME_UNKNOWN
                error = CandorError(reply.code, reply.reason, reply.message, reply, unknown=unsure)
                if not self.follow:
                    raise error
                target = self._next_target(reply, envelope, error, write, endpoint)
                if reply.code == rpc_pb2.CODE_FAILED_PRECONDITION:
                    continue
                pause = max(pause, reply.retry.retry_after_ms / 1000)
            time.sleep(min(pause, max(0, deadline - time.monotonic())))
            pause = min(0.25, pause * 2)
        error.unknown = unsure
        raise error

    def _reused(self, reply, why):
        """Somebody else uses this client's id. The write of this call was not executed; the next ones get another id."""
        self._draw_id()
        return CandorError(rpc_pb2.CODE_INVALID_ARGUMENT, rpc_pb2.REASON_REQUEST_ID_REUSED, why, reply)

    def _next_target(self, reply, envelope, error, write, endpoint):
        """Where to ask next; raises what is final."""
        if reply.retry.endpoint and reply.code == rpc_pb2.CODE_FAILED_PRECONDITION:
            if len(envelope.hops) >= MAX_HOPS:
                raise CandorError(rpc_pb2.CODE_UNAVAILABLE, rpc_pb2.REASON_MAX_HOPS,
                                  " -> ".join(envelope.hops), reply, error.unknown)
            envelope.hops.append(reply.freshness.node)
            return reply.retry.endpoint.removeprefix("tcp://")
        undecided = write and reply.reason == rpc_pb2.REASON_OUTCOME_UNKNOWN  # its id tells the next one
        if undecided or reply.code in (rpc_pb2.CODE_UNAVAILABLE, rpc_pb2.CODE_DEADLINE_EXCEEDED):
            del envelope.hops[:]
            return endpoint or random.choice(self.endpoints)
        if reply.code == rpc_pb2.CODE_RESOURCE_EXHAUSTED and reply.retry.retry_after_ms:
            return endpoint or self.preferred
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
