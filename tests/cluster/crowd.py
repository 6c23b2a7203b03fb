"""Many calls on few connections that wait for their answers, as careless or unlucky clients leave them."""
import struct
import socket
import threading

from attempts import candor, connect, kv_pb2, rpc_pb2
from candor.position import token_message
from candor.v1 import cluster_pb2

PATIENCE_MS = 600000  # of one that waits: longer than any test


def request(method, message, deadline_ms=PATIENCE_MS):
    return rpc_pb2.RpcRequest(method=method, deadline_ms=deadline_ms, body=message.SerializeToString()).SerializeToString()


def get(level):
    return request("/candor.v1.KV/Get", kv_pb2.GetRequest(key=b"k", options=kv_pb2.ReadOptions(level=level)))


def put(ack):
    return request("/candor.v1.KV/Put",
                   kv_pb2.PutRequest(key=b"k", value=b"v", options=kv_pb2.WriteOptions(ack=ack)))


LINEARIZABLE = get(kv_pb2.READ_LEVEL_LINEARIZABLE)
MAJORITY = put(kv_pb2.ACK_LEVEL_MAJORITY)


def session_ahead(address):
    """A read of a session that has seen what this node will not have for long."""
    _, freshness, cluster_id = ask_status(address)
    pos = candor.Pos(freshness.epoch, seq=1 << 40)
    token = token_message(candor.Token(cluster_id, pos))
    options = kv_pb2.ReadOptions(level=kv_pb2.READ_LEVEL_SESSION, token=token)
    return request("/candor.v1.KV/Get", kv_pb2.GetRequest(key=b"k", options=options))


def status(address):
    """What a node says of itself."""
    return ask_status(address)[0]


def ask_status(address):
    with candor.Client([address], deadline=30) as client:
        answer = client.ask_node(address, "/candor.v1.Cluster/Status", cluster_pb2.StatusRequest(), cluster_pb2.StatusResponse)
        return answer.response, answer.freshness, answer.response.cluster_id


class Crowd:
    """`count` times the same request to one node, over one connection; `codes` are those of the answers so far."""

    def __init__(self, address, body, count):
        self.connection = connect(address)
        self.connection.socket.settimeout(None)
        self.codes = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        frames = (struct.pack(">QI", len(body) + 4, 0x80000000 | (n + 1)) + body for n in range(count))
        self.connection.socket.sendall(b"".join(frames))

    def _read(self):
        try:
            while True:
                length = struct.unpack(">Q", self._receive(8))[0]
                reply = rpc_pb2.RpcReply.FromString(self._receive(length)[4:])
                self.codes.append(rpc_pb2.Code.Name(reply.code))
        except OSError:
            pass  # closed

    def _receive(self, count):
        data = self.connection.socket.recv(count, socket.MSG_WAITALL)
        if len(data) < count:
            raise OSError("closed")
        return data

    def close(self):
        try:
            self.connection.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # by the node, before
        self.connection.close()
        self.reader.join()
