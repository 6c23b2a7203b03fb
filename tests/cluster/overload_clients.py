"""Two thousand clients in one thread: each is a connection, at most one request, and a way to misbehave.

They speak NNG's framing of REQ/REP over plain sockets (docs/wire.md), so that a client costs no thread, and so that some of
them can do what no library lets them do: read nothing, send half a message, leave without a word."""
import os
import random
import selectors
import socket
import struct
import threading
import time

from attempts import kv_pb2, rpc_pb2
from candor._transport.framing import HANDSHAKE

VALUE_BYTES = 256
LARGE_VALUE_BYTES = 32768
AHEAD_SEQ = 1 << 40  # a session's position that no node reaches: its read waits until its deadline
ANSWER_BYTES_MOST = 8 << 20
GIVE_UP_S = 8.0  # an honest client waits so long beyond its deadline


def envelope(method, request, deadline_ms):
    return rpc_pb2.RpcRequest(method="/candor.v1.KV/" + method, deadline_ms=deadline_ms,
                              body=request.SerializeToString()).SerializeToString()


def framed(body, request_id):
    return struct.pack(">QI", len(body) + 4, request_id | 0x80000000) + body


class Crowd:
    """All clients, and what became of their requests. `endpoints`: node -> (host, port)."""

    def __init__(self, endpoints, count, seed, more_kinds):
        self.rng = random.Random(f"{seed}/crowd")
        self.endpoints = endpoints
        self.nodes = sorted(endpoints)
        self.preferred = self.nodes[0]  # where writes were taken last
        self.cluster_id, self.epoch = 0, None  # of the tokens that clients show
        self.selector = selectors.DefaultSelector()
        self.outcomes = {}  # (kind, outcome) -> count
        self.halt = threading.Event()
        self.failure = None
        kinds = {Linearizable: 30, SessionAhead: 20, MajorityPut: 20, AllPut: 4, Eventual: 14, Scan: 4, Deaf: 2, Vanishing: 4,
                 HalfSent: 2, **more_kinds}  # weights
        self.clients = [self.rng.choices(list(kinds), list(kinds.values()))[0](self, i) for i in range(count)]
        self.thread = threading.Thread(target=self._run, daemon=True, name="crowd")

    def start(self):
        self.thread.start()

    def stop(self):
        """Every client goes, at once."""
        self.halt.set()
        self.thread.join(60)
        if self.failure:
            raise RuntimeError("the crowd broke") from self.failure

    def saw(self, epoch):
        """A token of an older epoch is lost at once; one of the newest waits for its position."""
        if epoch.owner and (epoch.generation, epoch.term) > (self.epoch.generation, self.epoch.term):
            self.epoch = epoch

    def count(self, client, outcome):
        key = (type(client).__name__, outcome)
        self.outcomes[key] = self.outcomes.get(key, 0) + 1

    def _run(self):
        try:
            while not self.halt.is_set():
                now = time.monotonic()
                for client in self.clients:
                    if now >= client.due:
                        client.act(now)
                for key, events in self.selector.select(0.02):
                    key.data.ready(events)
        except BaseException as error:  # told by stop()
            self.failure = error
        finally:
            for client in self.clients:
                client.close()


class Client:
    """One connection. `due`: when act() is called next."""

    deadline_ms = 5000

    def __init__(self, crowd, number):
        self.crowd, self.number, self.rng = crowd, number, crowd.rng
        self.socket, self.received, self.unsent = None, b"", b""
        self.node = self.rng.choice(crowd.nodes)
        self.waiting = False
        self.due = time.monotonic() + self.rng.uniform(0, 3)

    def close(self):
        if self.socket is not None:
            self.crowd.selector.unregister(self.socket)
            self.socket.close()
        self.socket, self.received, self.unsent, self.waiting = None, b"", b"", False

    def open(self):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(self.crowd.endpoints[self.node])
        self.socket, self.received = s, b""
        self.unsent = HANDSHAKE
        self.crowd.selector.register(s, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def lost(self, what):
        self.crowd.count(self, what)
        self.close()
        self.node = self.rng.choice(self.crowd.nodes)
        self.due = time.monotonic() + self.rng.uniform(0.1, 0.6)

    def send(self, data):
        self.unsent += data
        self._flush()

    def _flush(self):
        try:
            sent = self.socket.send(self.unsent) if self.unsent else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self.lost("connection lost")
            return
        self.unsent = self.unsent[sent:]
        interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.unsent else 0)
        self.crowd.selector.modify(self.socket, interest, self)

    def ready(self, events):
        if events & selectors.EVENT_WRITE:
            self._flush()
        if self.socket is not None and events & selectors.EVENT_READ:
            self.read()

    def read(self):
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.lost("connection lost")
            return
        self.received += data
        if len(self.received) < 16:
            return
        length = struct.unpack(">Q", self.received[8:16])[0]  # behind the handshake
        assert length < ANSWER_BYTES_MOST, length
        if len(self.received) >= 16 + length:
            reply = rpc_pb2.RpcReply.FromString(self.received[20:16 + length])
            self.received = self.received[:8] + self.received[16 + length:]
            self.answered(reply)

    # -- Honest clients ------------------------------------------------------------------------------------

    def act(self, now):
        if self.waiting:
            self.lost("no answer")
            return
        if self.socket is None:
            self.open()
        self.waiting = True
        self.due = now + self.deadline_ms / 1000 + GIVE_UP_S
        self.send(framed(self.request(), self.number))

    def key(self):
        return b"load-%d" % self.rng.randrange(2000)

    def answered(self, reply):
        self.waiting = False
        self.crowd.saw(reply.freshness.epoch)
        self.due = time.monotonic() + self.rng.uniform(0, 0.05)
        if reply.code == rpc_pb2.CODE_OK:
            self.crowd.count(self, "OK")
            return
        name = rpc_pb2.Code.Name(reply.code)[5:] + "/" + rpc_pb2.Reason.Name(reply.reason)[7:]
        self.crowd.count(self, name)
        self.due += max(0.05, reply.retry.retry_after_ms / 1000)
        if reply.retry.primary in self.crowd.endpoints and reply.retry.primary != self.node:
            self.close()
            self.node = reply.retry.primary
        elif reply.code == rpc_pb2.CODE_UNAVAILABLE:
            self.close()
            self.node = self.rng.choice(self.crowd.nodes)

    def ahead(self):
        """The token of a session that has seen what no node will have."""
        token = rpc_pb2.SessionToken(cluster_id=self.crowd.cluster_id)
        token.pos.epoch.CopyFrom(self.crowd.epoch)
        token.pos.seq = AHEAD_SEQ
        return token

    def get(self, level, **options):
        options = kv_pb2.ReadOptions(level=level, **options)
        return envelope("Get", kv_pb2.GetRequest(key=self.key(), options=options), self.deadline_ms)

    def put(self, ack):
        request = kv_pb2.PutRequest(key=self.key(), value=os.urandom(VALUE_BYTES // 2).hex().encode(),
                                    options=kv_pb2.WriteOptions(ack=ack))
        return envelope("Put", request, self.deadline_ms)


class Linearizable(Client):
    def request(self):
        return self.get(kv_pb2.READ_LEVEL_LINEARIZABLE)


class SessionAhead(Client):
    """Waits for what never comes, some of them for ten minutes."""

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.deadline_ms = self.rng.choice((2000, 10000, 600000))

    def request(self):
        return self.get(kv_pb2.READ_LEVEL_SESSION, token=self.ahead())


class MajorityPut(Client):
    def request(self):
        return self.put(kv_pb2.ACK_LEVEL_MAJORITY)


class AllPut(Client):
    def request(self):
        return self.put(kv_pb2.ACK_LEVEL_ALL)


class Eventual(Client):
    def request(self):
        return self.get(kv_pb2.READ_LEVEL_EVENTUAL)


class Scan(Client):
    def request(self):
        return envelope("Scan", kv_pb2.ScanRequest(prefix=b"load-", limit=200), self.deadline_ms)


# -- Others ------------------------------------------------------------------------------------------------


class Deaf(Client):
    """Asks and asks for large answers, and reads none."""

    def act(self, now):
        if self.socket is None:
            self.open()
        request = kv_pb2.GetRequest(key=b"large-%d" % self.rng.randrange(20))
        if len(self.unsent) < 1 << 16:
            self.send(framed(envelope("Get", request, self.deadline_ms), self.rng.getrandbits(31)) * 50)
        self.due = now + 0.2

    def ready(self, events):
        if events & selectors.EVENT_WRITE:
            self._flush()
        elif events & selectors.EVENT_READ:  # not read, but a closed connection is seen
            try:
                if self.socket.recv(1, socket.MSG_PEEK) == b"":
                    self.lost("dropped by the node")
                    return
            except OSError:
                self.lost("dropped by the node")
                return
            self.crowd.selector.unregister(self.socket)  # it stays readable for ever
            self.crowd.selector.register(self.socket, selectors.EVENT_WRITE, self)

    def _flush(self):
        try:
            sent = self.socket.send(self.unsent) if self.unsent else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self.lost("dropped by the node")
            return
        self.unsent = self.unsent[sent:]
        self.crowd.selector.modify(self.socket, selectors.EVENT_READ if not self.unsent else selectors.EVENT_WRITE, self)


class Vanishing(Client):
    """Asks for something that takes long, and leaves without a word: with FIN or with RST."""

    def act(self, now):
        if self.waiting:
            if self.rng.random() < 0.5:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.crowd.count(self, "gone")
            self.close()
            self.node = self.rng.choice(self.crowd.nodes)
            self.due = now + self.rng.uniform(0, 0.5)
            return
        self.open()
        self.waiting = True
        self.due = now + self.rng.uniform(0.05, 2)
        for request in self.requests():
            self.unsent += framed(request, self.rng.getrandbits(31))

    def requests(self):
        self.deadline_ms = 600000
        return [self.get(kv_pb2.READ_LEVEL_SESSION, token=self.ahead()) for _ in range(10)]

    def answered(self, reply):
        self.crowd.count(self, "answered")


class HalfSent(Client):
    """Announces a large message, sends a part of it, and stops there."""

    def act(self, now):
        if self.socket is not None:
            self.due = now + 1
            return
        self.open()
        self.unsent += self.message()
        self.due = now + 1

    def message(self):
        return struct.pack(">QI", 2 << 20, 0x80000000 | self.number) + bytes(100000)

    def read(self):
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.lost("dropped by the node")
