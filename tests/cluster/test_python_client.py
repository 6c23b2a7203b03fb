"""The Python client: its session token (R43), its request ids (R46) and connections, against answers made here, where no node
takes part; and fork() over a real one."""
import os
import socket
import struct
import threading
import unittest

from harness import Cluster, main, python_client

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
        answer = self.replies.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.asked = [*getattr(self, "asked", []), (envelope.request_id.client_id, envelope.request_id.number)]
        return answer


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


def replayed():
    answer = reply(NEWER)
    answer.body = kv_pb2.PutResponse(replayed=True).SerializeToString()
    return answer


def lost(unknown):
    return candor_client.CandorError(rpc_pb2.CODE_UNAVAILABLE, rpc_pb2.REASON_NONE, "gone", unknown=unknown)


class RequestIds(unittest.TestCase):
    def test_a_write_whose_connection_died_is_repeated_under_its_id(self):
        client = Told(None, lost(True), replayed())
        number = client.number + 1
        self.assertTrue(client.put(b"k", b"v").replayed)
        self.assertEqual(client.asked, [(client.client_id, number)])

    def test_a_write_that_nobody_can_tell_of_until_the_deadline_is_unknown(self):
        client = Told(None, lost(True), *[lost(False)] * 1000)
        with self.assertRaises(candor_client.CandorError) as failure:
            client.put(b"k", b"v", deadline_s=0.1)
        self.assertTrue(failure.exception.unknown)
        client = Told(None, *[lost(False)] * 1000)
        with self.assertRaises(candor_client.CandorError) as failure:
            client.put(b"k", b"v", deadline_s=0.1)
        self.assertFalse(failure.exception.unknown)

    def test_an_id_that_somebody_else_uses_is_told_and_given_up(self):
        refused = reply(OLD, rpc_pb2.CODE_INVALID_ARGUMENT, rpc_pb2.REASON_REQUEST_ID_REUSED)
        for answer in (refused, replayed()):  # nothing was sent before that this could be the answer to
            client = Told(None, answer, reply(OLD))
            before = client.client_id
            with self.assertRaises(candor_client.CandorError) as failure:
                client.put(b"k", b"v")
            self.assertEqual(failure.exception.reason, rpc_pb2.REASON_REQUEST_ID_REUSED)
            self.assertFalse(failure.exception.unknown)
            client.put(b"k", b"v")
            self.assertNotEqual(client.asked[-1][0], before)

    def test_a_child_has_an_id_and_connections_of_its_own(self):
        client = Told(None, reply(OLD), reply(OLD))
        before = client.client_id
        client.put(b"k", b"v")
        client.pid -= 1  # as after fork()
        client.put(b"k", b"v")
        self.assertEqual(client.asked[0], (before, 1))
        self.assertNotEqual(client.asked[1][0], before)
        self.assertEqual(client.asked[1][1], 1)


class Node(threading.Thread):
    """Speaks REP on a port of its own. For each connection one item of `script`: how many calls it answers before it closes
    (None: all; -1: it takes one and says nothing)."""

    def __init__(self, family, host, script):
        super().__init__(daemon=True)
        self.listener = socket.socket(family)
        self.listener.bind((host, 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.script, self.ids, self.kept = list(script), [], []
        self.start()

    def run(self):
        for calls in self.script:
            connection, _ = self.listener.accept()
            self.kept.append(connection)
            stream = connection.makefile("rwb")
            stream.read(8)
            stream.write(candor_client.ANSWER)
            stream.flush()
            while calls is None or calls != 0:
                head = stream.read(8)
                if len(head) < 8:
                    break
                payload = stream.read(struct.unpack(">Q", head)[0])
                envelope = rpc_pb2.RpcRequest.FromString(payload[4:])
                self.ids.append((envelope.request_id.client_id, envelope.request_id.number))
                if calls == -1:
                    break
                body = payload[:4] + reply(OLD).SerializeToString()
                stream.write(struct.pack(">Q", len(body)) + body)
                stream.flush()
                calls = calls and calls - 1
            if calls == 0:
                stream.close()
                connection.shutdown(socket.SHUT_RDWR)


class Connections(unittest.TestCase):
    def test_a_write_over_a_connection_that_is_gone_goes_over_a_new_one(self):
        for follow in (True, False):
            node = Node(socket.AF_INET, "127.0.0.1", (1, None))
            client = candor_client.Client([f"127.0.0.1:{node.port}"], deadline_s=30, follow=follow)
            client.put(b"k", b"1")
            client.put(b"k", b"2")  # the node has closed the first
            self.assertEqual(set(node.ids), {(client.client_id, 1), (client.client_id, 2)})
            client.close()

    def test_a_connection_that_is_gone_without_a_word_does_not_use_up_the_deadline(self):
        node = Node(socket.AF_INET, "127.0.0.1", (-1, None))
        client = candor_client.Client([f"127.0.0.1:{node.port}"], deadline_s=6)
        client._connection(client.preferred, 1e9).used -= 1000  # idle since long ago
        client.put(b"k", b"1")
        self.assertEqual(node.ids, [(client.client_id, 1)] * 2)
        client.close()

    def test_an_ipv6_literal_is_an_address(self):
        try:
            node = Node(socket.AF_INET6, "::1", (None,))
        except OSError as error:
            self.skipTest(f"no IPv6 here: {error}")
        for endpoint in (f"tcp://[::1]:{node.port}",):
            client = candor_client.Client([endpoint], deadline_s=30)
            client.put(b"k", b"v")
            self.assertEqual(len(node.ids), 1)
            client.close()

    def test_what_is_no_address_is_told_at_once(self):
        for endpoint in ("::1:7000", "127.0.0.1", "tcp://:7000", "name:port", "[::1]"):
            with self.assertRaises(ValueError, msg=endpoint):
                candor_client.Client([endpoint])


class Fork(unittest.TestCase):
    def test_each_process_has_its_writes(self):
        """Four processes go on from one client; all that is acknowledged is there."""
        with Cluster({"a": "voter"}) as c:
            c.up().wait_fresh()
            client = candor_client.Client(c.addresses().values(), deadline_s=60)
            client.put(b"before", b"0")
            children = []
            for process in range(3):
                pid = os.fork()
                if pid == 0:
                    status = 1
                    try:
                        for i in range(20):
                            client.put(f"{process}:{i}".encode(), b"child")
                        status = 0
                    finally:
                        os._exit(status)
                children.append(pid)
            for i in range(20):
                client.put(f"parent:{i}".encode(), b"parent")
            for pid in children:
                self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
            keys = [f"{who}:{i}" for who in (0, 1, 2, "parent") for i in range(20)]
            missing = [key for key in keys if not client.get(key.encode()).found]
            self.assertEqual(missing, [])
            client.close()


if __name__ == "__main__":
    main()
