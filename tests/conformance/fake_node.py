"""A node that does what a script says: REP over TCP, as docs/wire.md has it, and where the script says
so, not as it has it."""
import contextlib
import socket
import struct
import threading

from messages import rpc_pb2
from script import KNOWN, Mismatch, build_reply, check_request, is_sound, seal

HANDSHAKE = b"\x00SP\x00\x00\x31\x00\x00"
CLIENTS = b"\x00SP\x00\x00\x30\x00\x00"
REQUEST_BYTES_MAX = 64 << 20


class FakeNode:
    """Listens on a free port of 127.0.0.1. `problems` has what the client did wrong."""

    def __init__(self, name, script, ids, listens=True, handshake=HANDSHAKE):
        self.name, self.script, self.ids, self.handshake = name, list(script), ids, handshake
        for step in self.script:
            if set(step) - KNOWN:
                raise KeyError(f"node {name}: {', '.join(set(step) - KNOWN)}: no such part of a step")
        self.problems, self.endpoints = [], {}
        self.closes_after_answers = False  # it goes when it has answered
        self.lock = threading.Lock()
        self.connections = []
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        if listens:  # else the port is kept, and refuses
            self.listener.listen(64)
            threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        for one in (self.listener, *self.connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def left(self):
        """Steps that nobody has asked for."""
        return [step for step in self.script if not step.get("repeat")]

    # -- Connections ------------------------------------------------------------------------------

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        try:
            connection.sendall(self.handshake)
            if _read(connection, 8) != CLIENTS:
                raise Mismatch("the client's handshake is not that of REQ")
            while True:
                length = struct.unpack(">Q", _read(connection, 8))[0]
                if not 4 <= length <= REQUEST_BYTES_MAX:
                    raise Mismatch(f"a message of {length} bytes")
                number = struct.unpack(">I", _read(connection, 4))[0]
                if not number & 0x80000000:
                    raise Mismatch(f"the request id {number:#x} lacks its highest bit")
                self._take(connection, number, _read(connection, length - 4))
        except OSError:
            pass  # closed
        except Exception as problem:  # whatever it is, it is told, and the client is not left waiting
            self.problems.append(f"node {self.name}: {type(problem).__name__}: {problem}")
            connection.close()

    # -- Requests ---------------------------------------------------------------------------------

    def _take(self, connection, number, data):
        request = rpc_pb2.RpcRequest.FromString(data)
        if not is_sound(data, request.checksum):
            raise Mismatch("the checksum of a request does not match")
        if request.method == "/candor.v1.Rpc/Bundle":
            answer = self._bundle(rpc_pb2.BundleRequest.FromString(request.body), request)
            _send(connection, number, seal(answer))
            return
        step, reply = self._answer(request)
        self._carry_out(connection, number, reply, step.get("then", {}))

    def _next_step(self, request):
        if not self.script:
            raise Mismatch(f"{request.method} comes, and the script has ended")
        step = self.script[0]
        if not step.get("repeat"):
            self.script.pop(0)
        return step

    def _answer(self, request):
        """(step, reply). What the client does wrong is answered at once, so that it ends soon."""
        method = request.method.rpartition("/")[2]
        try:
            with self.lock:
                step = self._next_step(request)
                check_request(step.get("expect", {}), request, self.ids)
            return step, build_reply(self.name, method, step, self.endpoints)
        except Exception as problem:
            text = f"node {self.name}: {type(problem).__name__}: {problem}"
            self.problems.append(text)
            return {}, rpc_pb2.RpcReply(code=rpc_pb2.CODE_INTERNAL, message=text)

    def _bundle(self, bundle, envelope):
        """Each call is answered as if it had come alone."""
        replies = []
        for call in bundle.calls:
            call.method = call.method or bundle.method
            call.deadline_ms = call.deadline_ms or envelope.deadline_ms
            call.request_id.client_id = call.request_id.client_id or envelope.request_id.client_id
            replies.append(self._answer(call)[1])
        answer = rpc_pb2.RpcReply(body=rpc_pb2.BundleResponse(replies=replies).SerializeToString())
        answer.freshness.CopyFrom(replies[0].freshness)
        return answer

    def _carry_out(self, connection, number, reply, then):
        """`then`: how it is sent; nothing: as it should be."""
        data = seal(reply)
        if "payload" in then:  # instead of an RpcReply
            data = bytes.fromhex(then["payload"])
        if then.get("damaged"):
            data = data[:-1] + bytes([data[-1] ^ 1])
        if then.get("wrong_id"):
            _send(connection, number ^ 1, data)
        if then.get("no_id_bit"):
            _send(connection, number & ~0x80000000, data)
        if "length" in then:
            connection.sendall(struct.pack(">QI", then["length"], number))
        if "cut" in then:
            connection.sendall((struct.pack(">QI", len(data) + 4, number) + data)[:-then["cut"]])
        if then.get("close") or "cut" in then:
            connection.shutdown(socket.SHUT_RDWR)
        own = ("wrong_id", "no_id_bit", "length", "cut", "close", "silent")
        if not any(name in then for name in own) or then.get("then_right"):
            if self.closes_after_answers:
                self.listener.shutdown(socket.SHUT_RDWR)
                self.listener.close()
            _send(connection, number, data)
            if self.closes_after_answers:
                self.close()
                raise OSError("gone")  # what came meanwhile is read by nobody


def _send(connection, number, data):
    connection.sendall(struct.pack(">QI", len(data) + 4, number) + data)


def _read(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(min(count - len(data), 1 << 20))
        if not piece:
            raise OSError("closed")
        data += piece
    return data
