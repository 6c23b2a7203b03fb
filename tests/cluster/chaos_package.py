"""Clients of the package in clients/python, which follow redirects and repeat by themselves: what they tell their users is written
down. In threads, and as tasks of one asyncio client, whose calls at once share messages."""
import asyncio
import random
import time

from attempts import candor
from chaos_clients import Counter, Register, Session, Worker
from chaos_history import Caller, Outcome
from chaos_nemesis import CLOCK_DRIFT_PPM

LEVELS = {"eventual": candor.EVENTUAL, "session": candor.SESSION, "linearizable": candor.LINEARIZABLE}
LANES = 12


def broken(text):
    raise AssertionError(f"a client of the package says: {text}")


SETTINGS = {"clock_drift_ppm": CLOCK_DRIFT_PPM, "on_violation": broken}


def pos_line(pos):
    return {"generation": pos.epoch.generation, "term": pos.epoch.term, "owner": pos.epoch.owner, "seq": pos.seq}


def freshness_line(f):
    return {"node": f.node, "epoch": f.epoch.term, "state": f.state.name, "stale": f.stale, "heartbeat_age_ms": f.heartbeat_age_ms,
            "staleness_bound_ms": f.staleness_bound_ms, "bound_counts_call": True, "applied_seq": f.applied_seq}


def failed(error, write):
    """Reads have no outcome but their answer."""
    reason = error.reason.name if error.reason else error.code.name
    return Outcome("unknown" if write and error.outcome_unknown else "fail", reason=reason)


def told_read(answer):
    line = {"value": answer.value.decode() if answer.found else None, "freshness": freshness_line(answer.freshness)}
    if answer.found:
        line["mod_seq"] = answer.item.mod_seq
    if answer.freshness.token:
        line["pos"] = pos_line(answer.freshness.token.pos)
    return line


def told_write(answer):
    return {"pos": pos_line(answer.pos), "freshness": freshness_line(answer.freshness)}


class PackageCaller(Caller):
    """One client for each node, which it asks first. The session goes from one to the other as text."""

    def __init__(self, shared, process, deadline_s=2.0):
        super().__init__(shared, process, deadline_s)
        self.clients = {}

    def close(self):
        for client in self.clients.values():
            client.close()
        super().close()

    def client(self, endpoint):
        endpoint = endpoint or self.preferred
        if endpoint not in self.clients:
            others = [other for other in self.endpoints if other != endpoint]
            self.clients[endpoint] = candor.Client([endpoint, *others], deadline=self.deadline_s, **SETTINGS)
        client = self.clients[endpoint]
        client.restart_session(candor.Token.parse(self.token) if self.session and self.token else None)
        return client

    def perform(self, op, key, client, ask, more, told, write):
        """Writes one operation down. `told`: what its result adds to the line."""
        started = time.monotonic_ns()
        try:
            answer = ask(client)
        except candor.CandorError as error:
            done, answer = failed(error, write), None
            if error.reason is candor.Reason.SESSION_LOST:
                self.token = str(error.details.loss.token) if error.details.loss.token else None
        else:
            done = Outcome("ok")
            more = {**more, **told(answer)}
            self.token = str(client.session) if client.session else None
            if write and answer.session_loss:  # what comes now is another session's
                self.session += "'"
            self.shared.saw(answer.freshness.epoch)
        return self._record(op, key, started, done, more)

    def read(self, key, level="eventual", max_staleness_ms=0, endpoint=None, follow=True):
        wanted = LEVELS.get(level) or candor.bounded(max_staleness_ms)
        return self.perform("get", key, self.client(endpoint), lambda client: client.get(key, level=wanted),
                            {"level": level}, told_read, False)

    def write(self, key, value, ack="local"):
        level, client = candor.Ack[ack.upper()], self.client(None)
        if value is None:
            return self.perform("delete", key, client, lambda c: c.delete(key, ack=level), {"ack": ack}, told_write, True)
        return self.perform("put", key, client, lambda c: c.put(key, value, ack=level), {"ack": ack, "value": value}, told_write,
                            True)

    def increment(self, key, ack="majority"):
        level = candor.Ack[ack.upper()]
        return self.perform("incr", key, self.client(None), lambda client: client.increment(key, 1, ack=level),
                            {"ack": ack, "delta": 1}, lambda a: {**told_write(a), "value": a.value}, True)


class PackageRegister(Register):
    CALLER = PackageCaller


class PackageCounter(Counter):
    CALLER = PackageCaller


class PackageSession(Session):
    CALLER = PackageCaller


class PackageLanes(Worker):
    """Tasks of one asyncio client, each a process of the history."""

    def run(self):
        try:
            asyncio.run(self.lanes())
        except BaseException as error:  # told by the run
            self.failure = error
        finally:
            self.caller.close()

    async def lanes(self):
        endpoints = self.rng.sample(self.caller.endpoints, len(self.caller.endpoints))
        async with candor.AsyncClient(endpoints, deadline=self.caller.deadline_s, **SETTINGS) as client:
            await asyncio.gather(*(self.lane(client, i) for i in range(LANES)))

    async def lane(self, client, number):
        rng, process, n = random.Random(f"{self.name}/{number}"), f"{self.name}-{number}", 0
        while not self.shared.halt.is_set():
            n += 1
            if rng.random() < 0.4:
                key = self.key("reg")
                await self.record(process, "get", key, client.get(key, level=candor.LINEARIZABLE), {"level": "linearizable"},
                                  told_read, False)
            elif rng.random() < 0.7:
                key, value = self.key("reg"), f"{process}-{n}"
                await self.record(process, "put", key, client.put(key, value, ack=candor.Ack.MAJORITY),
                                  {"ack": "majority", "value": value}, told_write, True)
            else:
                key = self.key("count", 2)
                await self.record(process, "incr", key, client.increment(key, 1, ack=candor.Ack.MAJORITY),
                                  {"ack": "majority", "delta": 1}, lambda a: {**told_write(a), "value": a.value}, True)
            await asyncio.sleep(rng.uniform(0, 0.15))

    async def record(self, process, op, key, operation, more, told, write):
        started = time.monotonic_ns()
        try:
            answer = await operation
        except candor.CandorError as error:
            done = failed(error, write)
        else:
            done, more = Outcome("ok"), {**more, **told(answer)}
            self.shared.saw(answer.freshness.epoch)
        self.caller.process = process
        self.caller._record(op, key, started, done, more)


def all_of_the_package(shared, seed):
    workers = [PackageRegister(shared, f"package-register{i}", seed) for i in range(2)]
    workers += [PackageSession(shared, f"package-session{i}", seed) for i in range(2)]
    return workers + [PackageCounter(shared, "package-counter", seed), PackageLanes(shared, "package-lanes", seed)]
