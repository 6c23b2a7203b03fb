"""The load of a chaos run: each class is one kind of client, each instance one thread."""
import random
import threading
import time

from chaos_history import Caller

ERA_S = 15  # keys are left behind after so long: the search for an order stays short
KEYS = 4  # of each kind and era: few, so that clients meet


class Worker(threading.Thread):
    CALLER = Caller

    def __init__(self, shared, name, seed, deadline_s=2.0):
        super().__init__(daemon=True, name=name)
        self.shared, self.rng = shared, random.Random(f"{seed}/{name}")
        self.caller = self.CALLER(shared, name, deadline_s)
        self.n = 0
        self.failure = None

    def run(self):
        try:
            while not self.shared.halt.is_set():
                self.n += 1
                self.step()
                time.sleep(self.rng.uniform(0, 0.02))  # leaves the processors to the nodes
        except BaseException as error:  # told by the run, which must not end as if all were well
            self.failure = error
        finally:
            self.caller.close()

    def era(self):
        return int((time.monotonic() - self.shared.started) / ERA_S)

    def key(self, kind, count=KEYS):
        return f"{kind}-{self.era()}-{self.rng.randrange(count)}"

    def value(self):
        return f"{self.name}-{self.n}"

    def some_node(self):
        return self.rng.choice(list(self.shared.endpoints.values()))


class Register(Worker):
    """MAJORITY writes and LINEARIZABLE reads of a few keys, at any node."""

    def step(self):
        key, draw = self.key("reg"), self.rng.random()
        if draw < 0.45:
            self.caller.read(key, "linearizable", endpoint=self.some_node() if draw < 0.2 else None)
        elif draw < 0.5:
            self.caller.write(f"gone-{self.era()}", None if draw < 0.47 else self.value(), "majority")
        elif draw < 0.55:
            self.caller.read(f"gone-{self.era()}", "linearizable")
        else:
            self.caller.write(key, self.value(), "all" if draw > 0.99 else "majority")


class Swapper(Worker):
    """Compare-and-swap against what was seen last, among others who do the same."""

    def __init__(self, shared, name, seed):
        super().__init__(shared, name, seed)
        self.seen = {}  # key -> value

    def step(self):
        key = self.key("cas", 2)
        if self.rng.random() < 0.2:
            done = self.caller.read(key, "linearizable")
            if done.outcome == "ok":
                item = done.response.item
                self.seen[key] = item.value.decode() if item.found else None
            return
        done = self.caller.swap(key, self.seen.get(key), self.value())
        if done.outcome == "ok" and not done.response.succeeded:
            item = done.response.item
            self.seen[key] = item.value.decode() if item.found else None
        elif done.outcome == "ok":
            self.seen[key] = self.value()


class Counter(Worker):
    """Increments of shared counters: one that is applied twice or lost leaves a number that none accounts for."""

    def step(self):
        if self.rng.random() < 0.2:
            self.caller.read(self.key("count", 2), "linearizable")
        else:
            self.caller.increment(self.key("count", 2))


class Journal(Worker):
    """Every key once: what was acknowledged can be looked up at the end, one by one."""

    def __init__(self, shared, name, seed, ack):
        super().__init__(shared, name, seed)
        self.ack = ack
        self.written = {}  # key -> (value, outcome, pos, number of the request)

    def step(self):
        key, value = f"journal-{self.name}-{self.n}", self.value()
        done = self.caller.write(key, value, self.ack)
        pos = done.response.pos if done.outcome == "ok" else None
        self.written[key] = (value, done.outcome, pos, self.caller.number)


class Local(Worker):
    """LOCAL writes of shared keys."""

    def step(self):
        self.caller.write(self.key("loc"), self.value(), "local")


class Reader(Worker):
    """Reads at one node after the other, cut off or not: each answer tells its age. LINEARIZABLE ones try whether a node that
    was deposed in its sleep still believes in itself."""

    def step(self):
        key, draw = self.key(self.rng.choice(("loc", "reg", "ses"))), self.rng.random()
        if draw < 0.3:
            self.caller.read(self.key("reg"), "linearizable", endpoint=self.some_node(), follow=False)
        elif draw < 0.8:
            self.caller.read(key, "eventual", endpoint=self.some_node(), follow=False)
        else:
            self.caller.read(key, "bounded", self.rng.choice((50, 200, 1000)), endpoint=self.some_node())


class Session(Worker):
    """LOCAL writes and SESSION reads, each read at another node; goes on when it is told that it is lost."""

    def __init__(self, shared, name, seed):
        super().__init__(shared, name, seed)
        self.sessions = 0
        self.left = 0

    def step(self):
        if self.left == 0:
            self.left = self.rng.randint(10, 100)
            self.sessions += 1
            self.caller.session = f"{self.name}-{self.sessions}"
            self.caller.token = None
        self.left -= 1
        if self.rng.random() < 0.4:
            done = self.caller.write(self.key("ses"), self.value(), "local")
        else:
            done = self.caller.read(self.key("ses"), "session", endpoint=self.some_node())
        if done.reason == "SESSION_LOST" and done.reply is not None:
            self.caller.restart_session(done.reply)


def all_workers(shared, seed):
    counts = ((Register, 2), (Local, 2), (Reader, 3), (Session, 3))
    if shared.conditional:
        counts += ((Swapper, 2), (Counter, 2))
    workers = [kind(shared, f"{kind.__name__.lower()}{i}", seed) for kind, count in counts for i in range(count)]
    # The impatient ones are at the next primary while the others still wait for the last one.
    workers += [Register(shared, f"impatient{i}", seed, 0.25) for i in range(3)]
    workers += [Journal(shared, f"journal-{ack}", seed, ack) for ack in ("local", "majority")]
    return workers
