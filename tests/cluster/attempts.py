"""Calls attempt by attempt, as messages, for tests that write down or judge what each attempt was told: no redirect is followed
and nothing is repeated but by who asks. The connections are those of the package in clients/python."""
import os
import time

from harness import python_client

candor = python_client()
from candor._core import envelope as envelopes  # noqa: E402  python_client() has made it importable
from candor._transport.base import NoReplyError, TransportSettings  # noqa: E402
from candor._transport.sync_socket import Connection, SyncSockets  # noqa: E402
from candor.position import pos_of  # noqa: E402
from candor.v1 import kv_pb2, rpc_pb2  # noqa: E402

MESSAGE_BYTES = 64 << 20
MAX_HOPS = 8


def connect(address, timeout_s=30):
    """A connection to use by hand."""
    return Connection(address, time.monotonic() + timeout_s, MESSAGE_BYTES)




class Attempts:
    """One thread's. `token`: of its session, as a message; None: nothing was seen yet (R43)."""

    def __init__(self, endpoints, deadline_s=5.0):
        self.endpoints, self.deadline_s = list(endpoints), deadline_s
        self.transport = SyncSockets(TransportSettings(message_bytes=MESSAGE_BYTES))
        self.client_id, self.number = os.urandom(16), 0
        self.token = None

    def ask(self, endpoint, envelope, deadline):
        """The reply, whatever it says. NoReplyError: none came; `sent`: it may have been executed all the same."""
        left_s = max(0.001, deadline - time.monotonic())
        envelope.deadline_ms = max(1, int(left_s * 1000))
        return envelopes.unpack(self.transport.exchange(endpoint, envelopes.pack(envelope), left_s))

    def restart_session(self, reply):
        """After SESSION_LOST: goes on with the token that its reply brought (R44)."""
        self.token = reply.freshness.token if reply.freshness.HasField("token") else None

    def advance(self, token, brought):
        """An answer has this position. One of another epoch takes the token's place only where the request brought the token: the
        node has judged it then."""
        own = self.token
        judged = own is None or token.pos.epoch == own.pos.epoch or brought
        if judged and (own is None or pos_of(token.pos) > pos_of(own.pos)):
            self.token = token

    def close(self):
        self.transport.close()


__all__ = ["Attempts", "MAX_HOPS", "NoReplyError", "candor", "connect", "kv_pb2", "pos_of", "rpc_pb2"]
