"""Clients of the overload run that send many calls in one message (docs/wire.md, Rpc.Bundle), honest ones and others."""
import os

from overload_clients import VALUE_BYTES, Client, Deaf, HalfSent, Vanishing, framed, kv_pb2, rpc_pb2

CALLS_MOST = 256


def call(method, request):
    return rpc_pb2.RpcRequest(method="/candor.v1.KV/" + method, body=request.SerializeToString())


def puts(key, ack, first, count=1):
    """Writes of one key, named by the numbers from `first` on."""
    value = os.urandom(VALUE_BYTES // 2).hex().encode()
    body = kv_pb2.PutRequest(key=key, value=value, options=kv_pb2.WriteOptions(ack=ack)).SerializeToString()
    return [rpc_pb2.RpcRequest(method="/candor.v1.KV/Put", body=body, request_id=rpc_pb2.RequestId(number=first + i))
            for i in range(count)]


def get(key, **options):
    return call("Get", kv_pb2.GetRequest(key=key, options=kv_pb2.ReadOptions(**options)))


SCANS = [call("Scan", kv_pb2.ScanRequest(prefix=b"load-", limit=1000))] * CALLS_MOST


def enveloped(bundle, deadline_ms, client_id=b""):
    envelope = rpc_pb2.RpcRequest(method="/candor.v1.Rpc/Bundle", deadline_ms=deadline_ms, body=bundle.SerializeToString())
    envelope.request_id.client_id = client_id
    return envelope.SerializeToString()


def bundled(calls, deadline_ms, client_id=b""):
    return enveloped(rpc_pb2.BundleRequest(calls=calls), deadline_ms, client_id)


class MixedBundle(Client):
    """Honest: some of everything, each write under an id of its own."""

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.client_id, self.written, self.asked = os.urandom(16), 0, 0

    def request(self):
        calls = [self.draw() for _ in range(self.rng.choice((2, 8, 64)))]
        self.asked = len(calls)
        return bundled(calls, self.deadline_ms, self.client_id)

    def draw(self):
        what = self.rng.random()
        if what < 0.4:
            return get(self.key(), level=kv_pb2.READ_LEVEL_EVENTUAL)
        if what < 0.6:
            return get(self.key(), level=kv_pb2.READ_LEVEL_LINEARIZABLE)
        if what < 0.65:
            return call("Scan", kv_pb2.ScanRequest(prefix=b"load-", limit=20))
        self.written += 1
        return puts(self.key(), kv_pb2.ACK_LEVEL_MAJORITY if what < 0.8 else kv_pb2.ACK_LEVEL_LOCAL, self.written)[0]

    def answered(self, reply):
        """Goes where a call of its bundle was sent to."""
        if reply.code != rpc_pb2.CODE_OK:
            super().answered(reply)
            return
        replies = rpc_pb2.BundleResponse.FromString(reply.body).replies
        assert len(replies) == self.asked, f"{len(replies)} replies to {self.asked} calls"
        super().answered(next((r for r in replies if r.retry.primary), reply))
        self.crowd.count(self, f"calls with {sum(r.code == rpc_pb2.CODE_OK for r in replies) * 4 // self.asked * 25}% OK")


class MajorityBundle(MixedBundle):
    """As many MAJORITY writes as fit, also while no majority is there to take them."""

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.deadline_ms = self.rng.choice((2000, 10000))
        self.asked = CALLS_MOST
        self.bundle = rpc_pb2.BundleRequest(calls=puts(self.key(), kv_pb2.ACK_LEVEL_MAJORITY, 1, CALLS_MOST))

    def request(self):
        for written in self.bundle.calls:  # the same writes, under new ids
            self.written += 1
            written.request_id.number = self.written
        return enveloped(self.bundle, self.deadline_ms, self.client_id)


# -- Others ------------------------------------------------------------------------------------------------


class DeafBundle(Deaf):
    """Scans, as many as fit, whose replies are never read."""

    def act(self, now):
        if self.socket is None:
            self.open()
        for _ in range(4):
            if self.socket is not None and len(self.unsent) < 1 << 16:
                self.send(framed(bundled(SCANS, self.deadline_ms), self.rng.getrandbits(31)))
        self.due = now + 0.2


class VanishingBundle(Vanishing):
    """Leaves while all that it has asked for waits: reads for a position that never comes, writes for a majority."""

    def requests(self):
        ahead = get(self.key(), level=kv_pb2.READ_LEVEL_SESSION, token=self.ahead())
        writes = puts(self.key(), kv_pb2.ACK_LEVEL_ALL, 1, CALLS_MOST // 2)
        return [bundled([ahead] * (CALLS_MOST // 2) + writes, 600000, os.urandom(16))]


class HalfSentBundle(HalfSent):
    """Sends the most of a bundle, and stops there."""

    def message(self):
        calls = puts(self.key(), kv_pb2.ACK_LEVEL_MAJORITY, 1, CALLS_MOST)
        whole = framed(bundled(calls, 5000, os.urandom(16)), self.number)
        return whole[:self.rng.randrange(len(whole) // 2, len(whole))]


KINDS = {MixedBundle: 6, MajorityBundle: 2, DeafBundle: 1, VanishingBundle: 2, HalfSentBundle: 1}  # weights
