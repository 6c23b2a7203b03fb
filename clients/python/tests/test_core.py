"""The pieces of the core by themselves: without a node."""

import unittest

import support  # noqa: F401 (makes the package importable)

from candor import Client, Cursor, CutOff, Epoch, Pos, Token
from candor._core.addresses import Addresses, host_and_port
from candor._core.crc32c import _plain, crc32c
from candor._core.identity import Identities
from candor._core.limits import NUMBERS_IN_FLIGHT
from candor._core.session import Session
from candor._transport.framing import FramingError, Numbers, frame, parse_head
from candor.freshness import freshness_of
from candor.v1 import rpc_pb2


def token(term, seq, origin=0, cluster=1):
    return Token(cluster, Pos(Epoch(1, term, "a"), seq), origin)


class Ages(unittest.TestCase):
    def test_who_is_cut_off(self):
        for number, wanted in (
            (0, CutOff.NO),
            (1, CutOff.ME),
            (2, CutOff.PRIMARY),
            (3, CutOff.UNKNOWN),
        ):
            freshness = freshness_of(rpc_pb2.Freshness(node="a", cut_off=number))
            self.assertIs(freshness.cut_off, wanted)
            self.assertEqual("cut off" in str(freshness), wanted is not CutOff.NO)
        later = freshness_of(rpc_pb2.Freshness(node="a", cut_off=77))  # of a later version
        self.assertIs(later.cut_off, CutOff.NO)


class Texts(unittest.TestCase):
    def test_a_token_survives_a_header_and_a_cookie(self):
        own = token(3, 12, origin=1 << 63, cluster=(1 << 64) - 1)
        self.assertEqual(Token.parse(str(own)), own)
        self.assertEqual(Token.parse(f" {own}\n"), own)
        self.assertRegex(str(own), r"^[A-Za-z0-9+/=]+$")
        self.assertEqual(Token.parse(str(own).replace("+", "-").replace("/", "_")), own)

    def test_what_is_no_token_is_a_value_error(self):
        for text in ("", "=", "zzz", "AAAA", "é", "CQAAAAAAAAAA", "A" * 4000, "Zm9v" * 20):
            with self.assertRaises(ValueError, msg=text):
                Token.parse(text)

    def test_what_is_no_cursor_is_a_value_error(self):
        for text in ("", "AAAA", "é", "A" * 4000):
            with self.assertRaises(ValueError, msg=text):
                Cursor.parse(text)

    def test_addresses(self):
        for text, wanted in {"127.0.0.1:7000": ("127.0.0.1", 7000), "tcp://[::1]:1": ("::1", 1),
                             "tcp://name:65535": ("name", 65535)}.items():  # fmt: skip
            self.assertEqual(host_and_port(text), wanted)
        for text in ("", "name", "name:", ":7000", "::1:7000", "name:port", "name:0", "name:65536",
                     "tls+tcp://name:1", "name:1/x", "ws://a:1", "a\0b:1", "name:٣"):  # fmt: skip
            with self.assertRaises(ValueError, msg=text):
                host_and_port(text)

    def test_a_client_without_a_good_address_is_refused_at_once(self):
        for endpoints in ([], ["nowhere"], "tcp://127.0.0.1:1"):
            with self.assertRaises(ValueError):
                Client(endpoints)


class Sessions(unittest.TestCase):
    OLD, NEWER, OTHER = token(3, 10), token(3, 12), token(4, 15)

    def test_the_first_position_and_then_newer_ones_of_its_epoch(self):
        session = Session()
        for seen, wanted in (
            (self.OLD, self.OLD),
            (self.NEWER, self.NEWER),
            (self.OLD, self.NEWER),
        ):
            session.see(None, seen)
            self.assertEqual(session.token, wanted)

    def test_a_position_of_another_epoch_only_where_the_node_has_judged_the_old_one(self):
        for asked, wanted in ((None, self.OLD), (self.NEWER, self.OLD), (self.OLD, self.OTHER)):
            session = Session(self.OLD)
            session.see(asked, self.OTHER)
            self.assertEqual(session.token, wanted)

    def test_two_logs_of_one_epoch_are_told_apart_by_their_origins(self):
        session = Session(token(3, 10, origin=5))
        session.see(None, token(3, 12, origin=6))
        self.assertEqual(session.token.pos.seq, 10)
        session.see(None, token(3, 12, origin=5))
        self.assertEqual(session.token.pos.seq, 12)

    def test_a_session_that_has_moved_on_is_not_set_back(self):
        session = Session(self.NEWER)
        session.lose(self.OLD, self.OTHER)
        self.assertEqual(session.token, self.NEWER)


class RequestIds(unittest.TestCase):
    def test_one_client_id_is_not_stretched_over_more_than_the_nodes_remember(self):
        ids = Identities()
        slow = ids.draw()
        others = [ids.draw() for _ in range(NUMBERS_IN_FLIGHT + 5)]
        for other in others:
            ids.end(other, unknown=False)
        of_the_slow = [other.number for other in others if other.client_id == slow.client_id]
        self.assertLess(max(of_the_slow) - slow.number, NUMBERS_IN_FLIGHT)
        ids.end(slow, unknown=False)
        self.assertEqual(ids.draw().client_id, slow.client_id)

    def test_an_id_whose_write_may_still_be_asked_for_is_not_used_on(self):
        ids = Identities()
        unknown = ids.draw()
        ids.end(unknown, unknown=True)
        self.assertNotEqual(ids.draw().client_id, unknown.client_id)

    def test_ids_that_somebody_else_has_are_given_up(self):
        ids = Identities()
        before = ids.draw()
        ids.retire()
        self.assertNotEqual(ids.draw().client_id, before.client_id)
        self.assertTrue(ids.several)


class Endpoints(unittest.TestCase):
    def test_all_are_asked_in_turn(self):
        addresses = Addresses(["a:1", "b:1", "c:1"])
        self.assertEqual(addresses.after("tcp://a:1"), "tcp://b:1")
        self.assertEqual(addresses.after("tcp://c:1"), "tcp://a:1")
        self.assertEqual(addresses.after("tcp://elsewhere:1"), "tcp://a:1")

    def test_a_primary_that_fails_is_forgotten(self):
        addresses = Addresses(["a:1", "b:1"])
        addresses.answered("tcp://p:1", primary=True, read_unredirected=False)
        self.assertEqual(addresses.first(at_primary=True), "tcp://p:1")
        addresses.after("tcp://p:1")
        self.assertEqual(addresses.first(at_primary=True), "tcp://a:1")


class Bytes(unittest.TestCase):
    def test_crc32c(self):
        for data, wanted in {b"": 0, b"123456789": 0xE3069283, b"\0" * 32: 0x8A9136AA}.items():
            self.assertEqual(_plain(data), wanted)
            self.assertEqual(crc32c(data), wanted)

    def test_frames(self):
        numbers = Numbers(0xFFFFFFFE)
        self.assertEqual([numbers.next(), numbers.next()], [0x7FFFFFFF, 0])
        self.assertEqual(parse_head(frame(5, b"abc")[:12], 3), (5, 3))
        bad = (b"\0" * 8 + b"\x80\0\0\1", b"\0" * 7 + b"\3\x80\0\0\1", b"\xff" * 12,
               frame(5, b"abcd")[:12], b"\0" * 7 + b"\7\0\0\0\1")  # fmt: skip
        for head in bad:
            with self.assertRaises(FramingError, msg=head):
                parse_head(head, 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
