"""Commands of tests/conformance to operations, results to answers."""

from candor import (
    EVENTUAL,
    LINEARIZABLE,
    SESSION,
    Ack,
    Compare,
    Delete,
    Epoch,
    Expect,
    Get,
    Pos,
    Put,
    Relation,
    RequestId,
    Token,
    bounded,
    ladder,
)

LEVELS = {"EVENTUAL": EVENTUAL, "SESSION": SESSION, "LINEARIZABLE": LINEARIZABLE}
OPS = {"put": Put, "delete": Delete, "get": Get}


def options_of(command):
    """Of `open`."""
    options = {"deadline": command["deadline_ms"] / 1000}
    if "session" in command:
        options["session"] = Token.parse(command["session"])
    for name in ("follow_redirects", "message_bytes"):
        if name in command:
            options[name] = command[name]
    return options


# ---- Commands ------------------------------------------------------------------------------------


def level_of(asked):
    level = asked.get("level", "EVENTUAL")
    return bounded(asked["max_staleness_ms"]) if level == "BOUNDED" else LEVELS[level]


def rung_of(rung):
    return (level_of(rung), rung["within_ms"] / 1000) if "within_ms" in rung else level_of(rung)


def read_options(command):
    """ValueError: a ladder that is none."""
    if "ladder" in command:
        return {"level": ladder(*map(rung_of, command["ladder"])), **deadline_of(command)}
    return {"level": level_of(command), **deadline_of(command)}


def write_options(command):
    return {"ack": Ack[command.get("ack", "LOCAL")], **deadline_of(command)}


def deadline_of(command):
    return {"deadline": command["deadline_ms"] / 1000} if "deadline_ms" in command else {}


def ttl_of(ttl_ms):
    return ttl_ms / 1000 if ttl_ms is not None else None


def op_of(op):
    """{"put": {"key": ..., "value": ...}}"""
    ((name, given),) = op.items()
    values = dict(given)
    if "ttl_ms" in values:
        values["ttl"] = ttl_of(values.pop("ttl_ms"))
    return OPS[name](**values)


def compare_of(compare):
    values = dict(compare)
    relation = Relation[values.pop("relation", "EQUAL")]
    return Compare(values.pop("key"), relation, **values)


def awaited_of(command):
    """A token, a position, a seq, or nothing: the session."""
    if "token" in command:
        return Token.parse(command["token"])
    if "pos" in command:
        pos = command["pos"]
        return Pos(Epoch(pos["generation"], pos["term"], pos["owner"]), pos["seq"])
    return command.get("seq")


def operation_of(command):
    """(name of the method, its arguments, its options, what makes the answer of its result)"""
    op, key = command["op"], command.get("key")
    if op == "get":
        return "get", [key], read_options(command), get_json
    if op == "multi_get":
        return "multi_get", [command["keys"]], read_options(command), multi_get_json
    if op == "scan":
        names = ("prefix", "start", "end", "after", "reverse", "keys_only", "page")
        wanted = {name: command[name] for name in names if name in command}
        return "scan", [], {**wanted, **read_options(command)}, scan_json
    if op == "put":
        options = {"ttl": ttl_of(command.get("ttl_ms")), **write_options(command)}
        return "put", [key, command["value"]], options, write_json
    if op == "delete":
        return "delete", [key], write_options(command), found_json
    if op == "batch":
        ops = [op_of(one) for one in command["ops"]]
        return "batch", [ops], write_options(command), batch_json
    if op == "cas":
        expect = Expect(**command["expect"])
        arguments = [key, expect, command["value"]]
        options = {"ttl": ttl_of(command.get("ttl_ms")), **write_options(command)}
        return "compare_and_swap", arguments, options, cas_json
    if op == "expire":
        arguments = [key, ttl_of(command["ttl_ms"])]
        options = {"expect_mod_seq": command.get("expect_mod_seq"), **write_options(command)}
        return "expire", arguments, options, cas_json
    if op == "increment":
        bounds = {name: command[name] for name in ("least", "most", "initial") if name in command}
        options = {**bounds, **write_options(command)}
        return "increment", [key, command["delta"]], options, number_json
    if op == "txn":
        lists = [[compare_of(one) for one in command.get("compare", [])]]
        lists += [[op_of(one) for one in command.get(name, [])] for name in ("then", "else")]
        return "txn", lists, write_options(command), txn_json
    if op == "txn_status":
        request = command["request"]
        named = RequestId(bytes.fromhex(request["client_id"]), request["number"])
        return "txn_status", [named], deadline_of(command), status_json
    if op == "await_commit":
        options = {"level": Ack[command.get("level", "MAJORITY")], **deadline_of(command)}
        return "await_commit", [awaited_of(command)], options, awaited_json
    if op == "watch_next":
        return "watch_next", [], {}, changes_json
    raise ValueError(f"op {op!r}")


# ---- Answers -------------------------------------------------------------------------------------


def text(value):
    return value.decode() if value is not None else None


def freshness_json(freshness):
    if freshness is None:
        return None
    return {
        "node": freshness.node,
        "role": freshness.role.name,
        "state": freshness.state.name,
        "term": freshness.epoch.term,
        "heartbeat_age_ms": freshness.heartbeat_age_ms,
        "stale": freshness.stale,
        "staleness_bound_ms": freshness.staleness_bound_ms,
        "applied_seq": freshness.applied_seq,
        "primary_seq": freshness.primary_seq,
        "commit_seq": freshness.commit_seq,
    }


def ladder_json(report):
    if report is None:
        return {"rung": None, "missed": None}
    missed = [
        {
            "code": one.code.name,
            "reason": one.reason.name,
            "waited_ms": one.waited_ms,
            "staleness_bound_ms": one.staleness_bound_ms,
        }
        for one in report.missed
    ]
    return {"rung": report.met, "missed": missed}


def answer_json(result, **more):
    return {
        "ok": True,
        "freshness": freshness_json(result.freshness),
        "attempts": result.attempts,
        "redirects": result.redirects,
        "violation": result.violation,
        **ladder_json(result.ladder),
        **more,
    }


def item_json(item):
    return {
        "key": text(item.key),
        "value": text(item.value),
        "found": item.found,
        "mod_seq": item.mod_seq,
        "version": item.version,
        "ttl_ms": ttl_ms(item.ttl),
    }


def ttl_ms(ttl):
    return round(ttl * 1000) if ttl is not None else None


def loss_json(loss):
    if loss is None:
        return None
    return {
        "archive_id": loss.archive_id,
        "writes": [{"number": one.number, "seq": one.pos.seq} for one in loss.writes],
        "more": loss.more,
        "token": str(loss.token) if loss.token else None,
    }


def get_json(result):
    return answer_json(result, **item_json(result.item))


def multi_get_json(result):
    return answer_json(result, items=[item_json(item) for item in result])


def scan_json(items):
    return {"ok": True, "items": [item_json(item) for item in items]}


def request_json(request):
    return {"client_id": request.client_id.hex(), "number": request.number} if request else None


def write_json(result, **more):
    return answer_json(
        result,
        request=request_json(result.request),
        seq=result.pos.seq,
        ack=result.ack.name,
        replayed=result.replayed,
        session_loss=loss_json(result.session_loss),
        **more,
    )


def found_json(result):
    return write_json(result, found=result.found)


def batch_json(result):
    return write_json(result, found=list(result.found), first_seq=result.first.seq)


def cas_json(result):
    item = item_json(result.item) if result.item else None
    return write_json(result, succeeded=result.succeeded, item=item)


def number_json(result):
    return write_json(result, number=result.value)


def txn_json(result):
    results = [
        {"found": one.found, "item": item_json(one.item) if one.item else None}
        for one in result.results
    ]
    return write_json(result, succeeded=result.succeeded, results=results)


def status_json(result):
    seq = result.pos.seq if result.pos else None
    return answer_json(result, state=result.state.name, seq=seq, parts=result.parts)


def awaited_json(result):
    return answer_json(result, seq=result.pos.seq, term=result.pos.epoch.term, ack=result.ack.name)


def event_json(event):
    return {
        "type": event.type.name,
        "seq": event.pos.seq,
        "key": text(event.key),
        "value": text(event.value),
        "more": event.more,
        "taken_back": event.taken_back,
        "expired": event.expired,
        "ttl_ms": ttl_ms(event.ttl),
    }


def changes_json(changes):
    return {
        "ok": True,
        "events": [event_json(event) for event in changes.events],
        "seen_seq": changes.seen_seq,
        "freshness": freshness_json(changes.freshness),
        "cursor": str(changes.cursor) if changes.cursor else None,
    }


def hint_json(hint):
    if hint is None:
        return None
    return {
        "primary": hint.primary,
        "endpoint": hint.endpoint,
        "retry_after_ms": hint.retry_after_ms,
    }


def error_json(error):
    details = error.details
    return {
        "ok": False,
        "code": error.code.name,
        "reason": error.reason.name,
        "message": error.message,
        "freshness": freshness_json(details.freshness),
        "hint": hint_json(details.hint),
        "outcome_unknown": details.outcome_unknown,
        "attempts": details.attempts,
        "redirects": details.redirects,
        "violation": details.violation,
        "request": request_json(details.request),
        "number": details.number,
        "session_loss": loss_json(details.loss),
        "reached": details.reached.name if details.reached is not None else None,
        **ladder_json(details.ladder),
    }
