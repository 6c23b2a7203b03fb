"""What must hold when the faults are over."""
import json
import os
import subprocess

from harness import BIN


class Violation(AssertionError):
    pass


def export_map(cluster, node):
    pairs = {}
    for line in cluster.export(node).splitlines():
        item = json.loads(line)
        pairs[item["key"]] = item["value"]
    return pairs


def check_equal(cluster):
    exports = {n: cluster.export(n) for n in cluster.nodes}
    if len(set(exports.values())) != 1:
        sizes = {n: len(e) for n, e in exports.items()}
        raise Violation(f"nodes that call themselves equal export different bytes: {sizes}")
    digests = {n: row["digest"] for n, row in cluster.status().items()}
    if len(set(digests.values())) != 1:
        raise Violation(f"nodes with the same data have different digests: {digests}")
    accused = [n for n in cluster.nodes if "state_differs" in cluster.log_of(n)]
    if accused:
        raise Violation(f"the logs of {accused} say that states differed")


def order_of(pos):
    return (pos["generation"], pos["term"] if "term" in pos else pos["epoch"], pos["owner"], pos["seq"])


def archived_records(cluster):
    """(node, record) of every archive."""
    records = []
    for archive in cluster.json("rollback", "ls")["archives"]:
        shown = cluster.json("rollback", "show", archive["id"], "--node", archive["node"])
        records += [(archive["node"], record) for record in shown["records"]]
    return records


def write_rolled_back(records, directory):
    path = os.path.join(directory, "history-rolled-back.jsonl")
    with open(path, "w") as f:
        for node, record in records:
            generation, term, owner, seq = order_of(record["pos"])
            pos = {"generation": generation, "term": term, "owner": owner, "seq": seq}
            f.write(json.dumps({"rolled_back": pos, "node": node}) + "\n")
    return path


def check_journals(journals, final, records):
    """I6 by name: MAJORITY in the state, LOCAL in the state or an archive, failed nowhere. Gives counts."""
    archived = {(op["key"], op.get("new_value")) for _, record in records for op in record["ops"]}
    counts = {"in the state": 0, "in an archive": 0, "unknown, and kept": 0, "unknown, and gone": 0}
    for journal in journals:
        for key, (value, outcome, _, _) in journal.written.items():
            kept, rolled_back = final.get(key) == value, (key, value) in archived
            if outcome == "ok" and not kept and (journal.ack == "majority" or not rolled_back):
                raise Violation(f"acknowledged {journal.ack.upper()} and lost: {key} = {value}"
                                + (" (it is in an archive)" if rolled_back else " (and in no archive)"))
            if outcome == "fail" and (kept or rolled_back):
                raise Violation(f"'certainly not executed', yet it was: {key} = {value}")
            name = ("in the state" if kept else "in an archive") if outcome == "ok" else \
                ("unknown, and kept" if kept else "unknown, and gone") if outcome == "unknown" else None
            if name:
                counts[name] += 1
    return counts


STATES_ASKED = 300  # of each journal; all whose outcome is unknown, and the newest others


def check_states(caller, journals, final):
    """TxnStatus tells the truth (R21). By pos: COMMITTED if and only if it is in the state. By request id: never COMMITTED
    when it is not in the state; what was forgotten is UNKNOWN. Gives counts of answers."""
    counts = {}
    for journal in journals:
        newest = list(journal.written.items())[-STATES_ASKED:]
        asked = newest + [item for item in journal.written.items() if item[1][1] == "unknown"]
        for key, (value, outcome, pos, number) in asked:
            kept = final.get(key) == value
            by_id = caller.state_of(request_id={"client_id": journal.caller.client_id, "number": number})
            if by_id == "COMMITTED" and not kept:
                raise Violation(f"TxnStatus says COMMITTED of a request that is not in the state: {key} = {value}")
            counts[by_id] = counts.get(by_id, 0) + 1
            if pos is None:
                continue
            by_pos = caller.state_of(pos=pos)
            if by_pos not in (("COMMITTED",) if kept else ("ROLLED_BACK",)):
                raise Violation(f"TxnStatus says {by_pos} of a position whose write is {'' if kept else 'not '}in the "
                                f"state: {key} = {value}")
            counts[by_pos] = counts.get(by_pos, 0) + 1
    return counts


def history_lines(paths):
    for path in paths:
        with open(path) as f:
            for line in f:
                yield json.loads(line)


def check_processes(paths):
    """A process has one operation at a time: histories that say otherwise are not what happened."""
    spans = {}
    for line in history_lines(paths):
        if "op" in line:
            spans.setdefault(line["process"], []).append((line["invoke_ns"], line["complete_ns"]))
    for process, its in spans.items():
        its.sort()
        for before, after in zip(its, its[1:]):
            if after[0] < before[1]:
                raise Violation(f"{process} has two operations at once: {before} and {after}")


def check_versions(paths, records, version_of):
    """A key's version counts the writes that survived: at least those acknowledged and not archived (of LOCAL), and at most
    those that were asked for and did not certainly fail. Keys with deletes begin anew and are left out. Gives how many
    keys were checked."""
    archived = {order_of(record["pos"]) for _, record in records}
    sure, maybe, left_out = {}, {}, set()
    for line in history_lines(paths):
        op = line.get("op")
        if op is None or op == "get" or line["outcome"] == "fail" or (op == "cas" and line.get("swapped") is False):
            continue
        key = line["key"]
        if op == "delete":
            left_out.add(key)
        maybe[key] = maybe.get(key, 0) + 1
        lost = line["ack"] == "local" and line.get("pos") and order_of(line["pos"]) in archived
        if line["outcome"] == "ok" and not lost:
            sure[key] = sure.get(key, 0) + 1
    checked = 0
    for key in maybe:
        if key in left_out or key.startswith("journal-"):
            continue
        version = version_of(key)
        if not sure.get(key, 0) <= version <= maybe[key]:
            raise Violation(f"{key} was written {version} times, but {sure.get(key, 0)} writes were acknowledged and "
                            f"{maybe[key]} may have happened")
        checked += 1
    return checked


def run_checker(paths):
    done = subprocess.run([os.path.join(BIN, "check-history"), *paths], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Violation(f"check-history ended with status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
