"""The Python client's session token (R43), against answers made here: no node takes part."""
import unittest

from harness import main, python_client

candor_client, kv_pb2 = python_client()
from candor.v1 import cluster_pb2, rpc_pb2  # noqa: E402  python_client() has made it importable


def token(term, seq):
    return rpc_pb2.SessionToken(cluster_id=1, pos={"epoch": {"term": term, "owner": "a"}, "seq": seq})


def reply(at, code=rpc_pb2.CODE_OK, reason=rpc_pb2.REASON_NONE):
    return rpc_pb2.RpcReply(code=code, reason=reason, freshness={"node": "a", "token": at})


class Told(candor_client.Client):
    """Every request is answered from a list."""

    def __init__(self, own, *replies):
        super().__init__(["127.0.0.1:1"])
        self.token, self.replies = own, list(replies)

    def _ask(self, endpoint, envelope, deadline):
        return self.replies.pop(0)


def eventual(client):
    client.get(b"k")


def session(client):
    client.get(b"k", kv_pb2.READ_LEVEL_SESSION)


def linearizable(client):
    client.get(b"k", kv_pb2.READ_LEVEL_LINEARIZABLE)


def put(client):
    client.put(b"k", b"v")


OLD, NEWER, OTHER_EPOCH = token(3, 10), token(3, 12), token(4, 15)


class Session(unittest.TestCase):
    def test_first_position_becomes_the_token(self):
        for call in (eventual, session, linearizable, put):
            client = Told(None, reply(OLD))
            call(client)
            self.assertEqual(client.token, OLD, call.__name__)

    def test_newer_position_of_the_same_epoch_becomes_the_token_and_an_older_does_not(self):
        for call in (eventual, session, linearizable, put):
            client = Told(OLD, reply(NEWER), reply(OLD))
            call(client)
            self.assertEqual(client.token, NEWER, call.__name__)
            call(client)
            self.assertEqual(client.token, NEWER, call.__name__)

    def test_position_of_another_epoch_becomes_the_token_where_the_node_has_judged_the_old_one(self):
        for call, expected in ((session, OTHER_EPOCH), (put, OTHER_EPOCH), (eventual, OLD), (linearizable, OLD)):
            client = Told(OLD, reply(OTHER_EPOCH))
            call(client)
            self.assertEqual(client.token, expected, call.__name__)

    def test_refusal_brings_no_token_before_the_answer_does(self):
        for call in (session, put):
            client = Told(OLD, reply(OTHER_EPOCH, rpc_pb2.CODE_UNAVAILABLE, rpc_pb2.REASON_SESSION_BEHIND), reply(NEWER))
            call(client)
            self.assertEqual(client.token, NEWER, call.__name__)

    def test_status_of_a_node_is_no_read(self):
        client = Told(OLD, reply(NEWER))
        client.call("/candor.v1.Cluster/Status", cluster_pb2.StatusRequest(), cluster_pb2.StatusResponse)
        self.assertEqual(client.token, OLD)

    def test_lost_session_keeps_its_token_until_it_is_restarted_with_that_of_the_reply(self):
        for call in (session, put):
            client = Told(NEWER, reply(token(4, 11), rpc_pb2.CODE_ABORTED, rpc_pb2.REASON_SESSION_LOST))
            with self.assertRaises(candor_client.CandorError) as lost:
                call(client)
            self.assertEqual(client.token, NEWER, call.__name__)
            client.restart_session(lost.exception.reply)
            self.assertEqual(client.token, token(4, 11), call.__name__)


if __name__ == "__main__":
    main()
