"""What a fake node is to do with the requests that come, one step of its script each; and what the
requests have to be (README.md, "The script of a node")."""
import struct

from crc32c import crc32c
from messages import differences, fill, kv_pb2, rpc_pb2, types_of

CLUSTER = 1
CHECKSUM_TAG = 0x7D  # field 15, fixed32
KNOWN = {"expect", "reply", "then", "repeat"}


class Mismatch(Exception):
    """The client did something that its behaviour does not have."""


class Ids:
    """The request ids of a behaviour's writes, over all of its nodes."""

    def __init__(self):
        self.seen = []

    def check(self, wanted, request_id):
        one = (request_id.client_id, request_id.number)
        if wanted == "any":
            return
        if wanted == "none":
            if request_id.number:
                raise Mismatch(f"a request id, of a call that does not write: {one}")
            return
        if len(one[0]) != 16 or not one[1]:
            raise Mismatch(f"a write without a request id of 16 bytes and a number: {one}")
        last = self.seen[-1] if self.seen else None
        if wanted == "same" and one != last:
            raise Mismatch(f"the request id is {one}, not {last} as of the attempt before")
        if wanted in ("new", "new client") and one in self.seen:
            raise Mismatch(f"the request id {one} was used before, for another write")
        if wanted == "next" and (last is None or one != (last[0], last[1] + 1)):
            raise Mismatch(f"the request id is {one}, not the one after {last}")
        if wanted == "new client" and any(one[0] == client for client, _ in self.seen):
            raise Mismatch("the client id is one that was to be given up")
        self.seen.append(one)


def is_sound(data, checksum):
    if checksum == 0:
        return True
    tail = struct.pack("<BI", CHECKSUM_TAG, checksum)
    return data[-5:] == tail and (crc32c(data[:-5]) or 1) == checksum


def check_request(expect, request, ids):
    """Raises Mismatch where `request` is not what the step expects."""
    method = request.method.rpartition("/")[2]
    wanted = dict(expect)
    if wanted.get("method", method) != method:
        raise Mismatch(f"{method}, not {wanted['method']}")
    body = types_of(method)[0].FromString(request.body)
    writes = hasattr(body, "options") and isinstance(body.options, kv_pb2.WriteOptions)
    ids.check(wanted.pop("id", "new" if writes else "none"), request.request_id)
    if list(request.hops) != wanted.pop("hops", list(request.hops)):
        raise Mismatch(f"hops are {list(request.hops)}, not {expect['hops']}")
    if request.deadline_ms == 0:
        raise Mismatch("it names no deadline_ms")
    wanted.pop("method", None)
    deadline = wanted.pop("deadline_ms", None)
    if deadline and not deadline.get("least", 1) <= request.deadline_ms <= deadline.get("most", 1 << 32):
        raise Mismatch(f"deadline_ms is {request.deadline_ms}, not within {deadline}")
    if "token" in wanted:
        options = {"options": {"token": token_values(wanted.pop("token"))}}
        found = list(differences(body, options))
        if found:
            raise Mismatch("; ".join(found))
    found = list(differences(body, wanted.pop("body", {})))
    if wanted:
        raise KeyError(f"expect: {', '.join(wanted)}: no such thing can be expected")
    if found:
        raise Mismatch("; ".join(found))


def token_values(value):
    """Of {seq: 5, term: 2}; None: no token."""
    if value is None:
        return None
    epoch = {"generation": 1, "term": value.get("term", 1)}
    return {"cluster_id": CLUSTER, "pos": {"seq": value["seq"], "epoch": epoch}}


def _positions(node, reply):
    """What `at`, `term` and `owner` of a reply stand for."""
    epoch = {"generation": reply.pop("generation", 1), "term": reply.pop("term", 1),
             "owner": reply.pop("owner", "a")}
    at = reply.pop("at", 1)
    token = {"cluster_id": CLUSTER, "pos": {"epoch": epoch, "seq": at}}
    role = "PRIMARY" if node == epoch["owner"] else "REPLICA"
    return {"node": node, "role": role, "state": "FRESH", "epoch": epoch, "heartbeat_age_ms": 0,
            "stale": False, "staleness_bound_ms": 10, "applied_seq": at, "primary_seq": at,
            "commit_seq": at, "token": token}


def _body(method, freshness, values, is_ok):
    """A response; its positions are where the node stands, unless it says otherwise."""
    response = types_of(method)[1]()
    pos = freshness["token"]["pos"] if freshness.get("token") else None
    for name in ("pos", "first", "last"):
        if name in response.DESCRIPTOR.fields_by_name and is_ok and pos and method != "TxnStatus":
            fill(response, {name: pos})
    if "ack" in response.DESCRIPTOR.fields_by_name and is_ok:
        fill(response, {"ack": "LOCAL"})
    return fill(response, values)


def build_reply(node, method, step, endpoints):
    """RpcReply of a step's `reply`."""
    values = dict(step.get("reply") or {})
    freshness = _positions(node, values)
    told = values.pop("freshness", {})
    for name, value in (told or {}).items():
        if name == "epoch" and value:
            value = {**freshness["epoch"], **value}
        freshness[name] = value
    if told is None:
        freshness = None
    body = values.pop("body", {} if values.get("code", "OK") == "OK" else None)
    retry = values.get("retry")
    if retry and retry.get("endpoint", "").startswith("@"):
        values["retry"] = {**retry, "endpoint": endpoints[retry["endpoint"][1:]]}
    reply = rpc_pb2.RpcReply()
    if freshness is not None:
        fill(reply, {"freshness": {k: v for k, v in freshness.items() if v is not None}})
    if isinstance(body, str):  # "hex ..."
        reply.body = bytes.fromhex(body)
    elif body is not None:
        reply.body = _body(method, freshness or {}, body, values.get("code", "OK") == "OK") \
            .SerializeToString()
    return fill(reply, values)


def seal(reply):
    data = reply.SerializeToString()
    return data + struct.pack("<BI", CHECKSUM_TAG, crc32c(data) or 1)
