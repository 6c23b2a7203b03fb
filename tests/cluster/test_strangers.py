"""Who is no node and speaks all the same: hostile requests at every door, and a stranger at the address of a node that is down.

What a stranger can still do, docs/operations.md says. What he cannot: move a term, a generation, a leadership; keep the cluster from
electing; make a node take what is not its primary's for its primary's (R49, R50, R53, R26)."""
import contextlib
import itertools
import socket
import struct
import threading
import unittest

from harness import Cluster, main, peer_messages, until

replication, rpc = peer_messages()

END = (1 << 62) - 1
PATIENCE_S = 30
HELLO = {"req": b"\0SP\0\0\x30\0\0", "rep": b"\0SP\0\0\x31\0\0", "pub": b"\0SP\0\0\x20\0\0", "sub": b"\0SP\0\0\x21\0\0"}


# ---- NNG's protocols over plain TCP -----------------------------------------------------------------------


def receive(s, length):
    data = b""
    while len(data) < length:
        part = s.recv(length - len(data))
        if not part:
            raise OSError("the connection was closed")
        data += part
    return data


def connect(address, protocol):
    host, port = address.removeprefix("tcp://").rsplit(":", 1)
    s = socket.create_connection((host, int(port)), PATIENCE_S)
    s.sendall(HELLO[protocol])
    receive(s, 8)
    return s


def receive_message(s):
    return receive(s, struct.unpack(">Q", receive(s, 8))[0])


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC32C = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def counted(request):
    """An RpcRequest with its checksum, as a node takes it from a peer."""
    data = request.SerializeToString()
    return data + b"\x7d" + struct.pack("<I", crc32c(data) or 1)


def overheard(heartbeat_address):
    """The header of a node's newest message, as anybody can read it."""
    with contextlib.closing(connect(heartbeat_address, "sub")) as s:
        return replication.StreamMessage.FromString(receive_message(s)[4:]).header


def doors(cluster):
    """node -> {rpc, peer, stream, heartbeat}"""
    found, node = {}, None
    with open(cluster.topology, encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if words[:2] == ["-", "id:"]:
                node = found.setdefault(words[2], {})
            elif node is not None and words and words[0] in ("rpc:", "peer:", "stream:", "heartbeat:"):
                node[words[0][:-1]] = words[1]
    return found


# ---- What strangers say -------------------------------------------------------------------------------------


def epochs_around(epoch, owner):
    """The next one, and those that no election can have reached."""
    g, t = epoch.generation, epoch.term
    return [rpc.Epoch(generation=g, term=t + 1, owner=owner), rpc.Epoch(generation=g, term=END, owner=owner),
            rpc.Epoch(generation=END, term=END, owner=owner), rpc.Epoch(generation=g, term=t + 1, owner="nobody"),
            rpc.Epoch(generation=g, term=t, owner="A")]


def hostile_requests(header):
    """(method, message) in the name that the header says."""
    service = "/candor.v1.Replication/"
    for epoch in [header.epoch] + epochs_around(header.epoch, header.node):
        for boot in (header.boot, END):
            forged = replication.PeerHeader()
            forged.CopyFrom(header)
            forged.epoch.CopyFrom(epoch)
            forged.boot = boot
            last = rpc.Pos(epoch=epoch, seq=1 << 60)
            yield service + "ReadIndex", replication.ReadIndexRequest(header=forged)
            yield service + "Attach", replication.AttachRequest(header=forged, last=END)
            yield service + "Fetch", replication.FetchRequest(header=forged, from_seq=END)
            yield service + "Snapshot", replication.SnapshotRequest(header=forged, snapshot="nothing")
            yield service + "TransferLeadership", replication.TransferLeadershipRequest(header=forged)
            for transfer in (False, True):
                yield service + "PreVote", replication.PreVoteRequest(header=forged, epoch=epoch, last=last,
                                                                      transfer=transfer)
                yield service + "Vote", replication.VoteRequest(header=forged, epoch=epoch, last=last,
                                                                transfer=transfer)


def attack(cluster):
    """Every hostile request, in every node's name, at every door of every node. Returns how many were answered."""
    at = doors(cluster)
    headers = [overheard(at[node]["heartbeat"]) for node in cluster.nodes]
    answered = 0
    for header, node, door in itertools.product(headers, cluster.nodes, ("rpc", "peer")):
        with contextlib.closing(connect(at[node][door], "req")) as s:
            for number, (method, message) in enumerate(hostile_requests(header)):
                request = rpc.RpcRequest(method=method, body=message.SerializeToString(), deadline_ms=1000)
                body = struct.pack(">I", 0x80000000 | number) + counted(request)
                s.sendall(struct.pack(">Q", len(body)) + body)
                receive_message(s)
                answered += 1
    return answered


class Stranger:
    """Listens at the stream addresses of a node that is down, and publishes what it likes."""

    def __init__(self, addresses):
        self.lock = threading.Lock()
        self.subscribers = []
        self.listeners = []
        for door in ("stream", "heartbeat"):
            host, port = addresses[door].removeprefix("tcp://").rsplit(":", 1)
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, int(port)))
            listener.listen(16)
            self.listeners.append(listener)
            threading.Thread(target=self._accept, args=(listener, door), daemon=True).start()

    def _accept(self, listener, door):
        with contextlib.suppress(OSError):
            while True:
                s, _ = listener.accept()
                s.sendall(HELLO["pub"])
                receive(s, 8)
                with self.lock:
                    self.subscribers.append((door, s))

    def publish(self, message):
        """To all who listen at either address; how many heartbeat connections took it."""
        data = message.SerializeToString()
        data = struct.pack("<I", crc32c(data)) + data
        taken = 0
        with self.lock:
            for door, s in list(self.subscribers):
                try:
                    s.sendall(struct.pack(">Q", len(data)) + data)
                    taken += door == "heartbeat"
                except OSError:
                    self.subscribers.remove((door, s))
        return taken

    def close(self):
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self.lock:
            for _, s in self.subscribers:
                s.close()


def stream_message(header, **kinds):
    return replication.StreamMessage(header=header, **kinds)


def with_epoch(header, epoch, boot=None):
    forged = replication.PeerHeader()
    forged.CopyFrom(header)
    forged.epoch.CopyFrom(epoch)
    forged.boot = header.boot if boot is None else boot
    return forged


class Strangers(unittest.TestCase):
    def newest_epoch(self, cluster):
        """As the nodes' own streams say: the highest (generation, term), and that they all say it."""
        at = doors(cluster)

        def same():
            seen = {(e.generation, e.term, e.owner) for e in
                    (overheard(at[node]["heartbeat"]).epoch for node in cluster.nodes)}
            return seen.pop() if len(seen) == 1 else None

        return until(same, "all nodes name one epoch")

    def test_requests_move_nothing_and_stop_nothing(self):
        with Cluster(failover="automatic") as c:
            c.up()
            c.wait_fresh()
            before = self.newest_epoch(c)
            self.assertGreater(attack(c), 500)
            self.assertEqual(self.newest_epoch(c), before)
            c.put("k", "1", "--ack", "majority")

            old = c.primary()
            c.kill(old)
            new = until(lambda: [n for n, r in c.status().items() if r["role"] == "primary" and n != old],
                        "another primary")[0]
            c.put("k", "2", "--ack", "majority")
            c.start(old)
            c.wait_fresh()
            elected = self.newest_epoch(c)
            self.assertEqual(elected[0], before[0])
            self.assertIn(elected[1] - before[1], range(1, 20))
            self.assertNotEqual(new, old)

            attack(c)
            for node in c.nodes:
                c.kill(node)
            for node in c.nodes:
                c.start(node)
            c.wait_fresh()
            c.put("k", "3", "--ack", "majority")
            restarted = self.newest_epoch(c)
            self.assertEqual(restarted[0], before[0])
            self.assertIn(restarted[1] - elected[1], range(0, 20))

            c.kvctl("promote", "b" if c.primary() == "a" else "a", "--force", "--yes")
            attack(c)
            c.wait_fresh()
            c.put("k", "4", "--ack", "majority")
            forced = self.newest_epoch(c)
            self.assertEqual(forced[0], before[0] + 1)
            self.assertIn(forced[1] - restarted[1], range(1, 20))

    def test_at_a_nodes_address_a_stranger_speaks_as_that_node_alone(self):
        with Cluster(failover="automatic") as c:
            c.up()
            c.wait_fresh()
            if c.primary() == "c":
                c.kvctl("transfer", "a")
                until(lambda: c.primary() == "a", "a leads")
                c.wait_fresh()
            primary = c.primary()
            replica = "b" if primary == "a" else "a"
            at = doors(c)
            headers = {node: overheard(at[node]["heartbeat"]) for node in c.nodes}
            epoch = headers[primary].epoch
            c.put("k", "1", "--ack", "all")
            c.kill("c")
            stranger = Stranger(at["c"])
            try:
                beat = stream_message(headers[primary])
                beat.heartbeat.hb_id = 1 << 60
                beat.heartbeat.last = 1 << 40
                beat.heartbeat.rpc = "tcp://127.0.0.1:9"
                until(lambda: stranger.publish(beat) >= 2, "both nodes listen at the address of c")
                for far in epochs_around(epoch, "c")[1:4]:
                    stranger.publish(stream_message(with_epoch(headers["c"], far), status=replication.Status()))
                    stranger.publish(stream_message(with_epoch(headers[primary], far), status=replication.Status()))
                stranger.publish(stream_message(with_epoch(headers["c"], epoch, END), status=replication.Status()))
                until(lambda: "wrong_sender" in c.log_of(replica), "the replica has noticed")
                until(lambda: "epoch_refused" in c.log_of(primary), "the primary has noticed")
                c.put("k", "2", "--ack", "majority")
                for node in (primary, replica):
                    self.assertEqual(overheard(at[node]["heartbeat"]).epoch, epoch)
                row = c.status()[replica]
                self.assertLess(row["lag"], 1000)
                self.assertEqual(c.get("k", "--node", replica, "--no-redirect")["value"], "2")
            finally:
                stranger.close()
            # The boot number that was invented for c is forgotten, and c counts again.
            c.start("c")
            c.wait_equal()
            c.put("k", "3", "--ack", "all", "--deadline", "60s")
            self.assertEqual(self.newest_epoch(c)[:2], (epoch.generation, epoch.term))


if __name__ == "__main__":
    main()
