"""Faults for a real cluster, drawn from a seed: kill -9, SIGSTOP, partitions, restarts, slow networks; and by way of
preload_faults.c slow, stalled and full disks and clocks of other rates."""
import random
import time

from harness import Refused, until

CLOCK_DRIFT_PPM = 50000  # of the topology; large, so that a bound that left it out would be seen to be false
RATES_PPM = (-45000, -20000, 0, 20000, 45000)  # 1 / (1 - 0.045) is still below 1.05
STALL_MS = 3000  # of each fsync: longer than writer_stall and an election together
BOTH = 0.4  # how often a fault meets a sick disk or odd clocks
PROGRESS_S = 45  # after a fault is healed, a MAJORITY write is acknowledged within this


class Nemesis:
    def __init__(self, cluster, shared, seed):
        self.cluster, self.shared, self.rng = cluster, shared, random.Random(f"{seed}/nemesis")
        self.nodes = sorted(cluster.nodes)
        self.voters = [n for n in self.nodes if cluster.nodes[n] == "voter"]
        self.down, self.paused = set(), set()
        self.counts = {}
        self.log = []  # (seconds, what), for whoever reads a history
        self.kinds = [
            (3, self.kill_primary), (2, self.kill_node), (1, self.kill_all), (1, self.restart_storm),
            (2, self.pause_primary), (2, self.pause_node), (2, self.pause_storm), (2, self.cut_pair), (2, self.cut_one_way),
            (3, self.isolate_primary), (2, self.isolate_primary_one_way), (2, self.isolate_node),
            (2, self.isolate_and_kill_primary), (1, self.flap), (1, self.stop_node), (1, self.slow_network),
            (2, self.slow_disk), (2, self.stalled_disk), (2, self.full_disk), (2, self.full_disk_of_primary),
            (2, self.clock_rate), (2, self.isolate_slow_clock)]
        self.conditions = [self.skew_clocks, self.slow_some_disk, self.fill_some_disk]

    # -- Pieces --------------------------------------------------------------------------------------------

    def note(self, what):
        self.log.append((round(time.monotonic() - self.shared.started, 3), what))

    def hold(self, low=0.3, high=2.5):
        """How long a fault lasts is part of the fault, not a wait for something."""
        time.sleep(self.rng.uniform(low, high))

    def primary(self):
        return self.shared.primary() or self.voters[0]

    def some_node(self):
        return self.rng.choice(self.nodes)

    def kill(self, *nodes):
        self.cluster.kvctl("node", "kill", *nodes)
        self.down.update(nodes)
        self.paused.difference_update(nodes)

    def start(self, *nodes):
        """A node does not start on a full disk: whoever starts it makes room first."""
        for node in nodes:
            self.cluster.controls[node].full = 0
        self.cluster.kvctl("node", "start", *nodes)
        self.down.difference_update(nodes)

    def pause(self, node):
        self.cluster.pause(node)
        self.paused.add(node)

    def resume(self, node):
        self.cluster.resume(node)
        self.paused.discard(node)

    def isolate(self, node, *direction):
        for other in self.nodes:
            if other != node:
                self.cluster.kvctl("fault", "cut", node, other, *direction)

    def skew_clocks(self):
        for control in self.cluster.controls.values():
            control.rate_ppm = self.rng.choice(RATES_PPM)

    def slow_some_disk(self):
        node = self.primary() if self.rng.random() < 0.5 else self.some_node()
        self.cluster.controls[node].sync_delay_ms = self.rng.choice((10, 50, 200))

    def fill_some_disk(self):
        self.cluster.controls[self.some_node()].full = 1

    def fill(self, node):
        """Until it has refused something: a node that has nothing to write does not notice."""
        control = self.cluster.controls[node]
        refused = control.refused_writes
        control.full = 1
        until(lambda: control.refused_writes > refused, f"the full disk of {node} refuses a write", PROGRESS_S)
        self.hold()

    # -- Faults --------------------------------------------------------------------------------------------

    def kill_primary(self):
        node = self.primary()
        self.kill(node)
        self.hold(0, 2.5)
        self.start(node)

    def kill_node(self):
        node = self.some_node()
        self.kill(node)
        self.hold(0, 1.5)
        self.start(node)

    def kill_all(self):
        order = self.rng.sample(self.nodes, len(self.nodes))
        self.kill(*order)
        for node in self.rng.sample(self.nodes, len(self.nodes)):
            self.start(node)

    def restart_storm(self):
        for _ in range(3):
            for node in self.rng.sample(self.nodes, len(self.nodes)):
                self.kill(node)
                self.start(node)

    def pause_primary(self):
        node = self.primary()
        self.pause(node)
        self.hold(0.3, 3)
        self.resume(node)

    def pause_node(self):
        node = self.some_node()
        self.pause(node)
        self.hold()
        self.resume(node)

    def pause_storm(self):
        """Every node sleeps and wakes on its own, so that sleeps overlap: a node that wakes meets others asleep."""
        due = {node: 0.0 for node in self.nodes}
        end = time.monotonic() + self.rng.uniform(2, 8)
        while time.monotonic() < end:
            node = min(due, key=due.get)
            time.sleep(max(0.0, due[node] - time.monotonic()))
            if node in self.paused:
                self.resume(node)
                lasts = self.rng.choice((0.05, 0.3, 1))
            else:
                self.pause(node)
                lasts = self.rng.choice((0.02, 0.1, 0.45, 0.7, 1.5, 3))
            due[node] = time.monotonic() + lasts

    def cut_pair(self):
        self.cluster.cut(*self.rng.sample(self.nodes, 2))
        self.hold()

    def cut_one_way(self):
        self.cluster.kvctl("fault", "cut", *self.rng.sample(self.nodes, 2), "--one-way")
        self.hold()

    def isolate_primary(self):
        self.isolate(self.primary())
        self.hold(0.5, 3.5)

    def isolate_primary_one_way(self):
        primary = self.primary()
        if self.rng.random() < 0.5:
            self.isolate(primary, "--one-way")
        else:
            for other in self.nodes:
                if other != primary:
                    self.cluster.kvctl("fault", "cut", other, primary, "--one-way")
        self.hold(0.5, 3)

    def isolate_node(self):
        self.isolate(self.some_node())
        self.hold()

    def isolate_and_kill_primary(self):
        """It takes writes alone, dies with them, and comes back to a cluster that went on."""
        primary = self.primary()
        self.isolate(primary)
        self.hold(0.3, 1)
        self.kill(primary)
        self.hold(0.5, 2)
        self.cluster.heal()
        self.start(primary)

    def flap(self):
        pair = self.rng.sample(self.nodes, 2)
        for _ in range(5):
            self.cluster.cut(*pair)
            self.hold(0, 0.3)
            self.cluster.heal()
            self.hold(0, 0.3)

    def stop_node(self):
        node = self.some_node()
        self.cluster.kvctl("node", "stop", node)
        self.down.add(node)
        self.hold(0, 1)
        self.start(node)

    def slow_network(self):
        for _ in range(2):
            self.cluster.kvctl("fault", "delay", *self.rng.sample(self.nodes, 2), self.rng.choice(("20ms", "100ms", "300ms")))
        self.hold()

    def slow_disk(self):
        self.slow_some_disk()
        self.hold()

    def stalled_disk(self):
        """The primary must be replaced (R6), by one of the others: their disks have room."""
        primary = self.primary()
        for control in self.cluster.controls.values():
            control.full = 0
        self.cluster.controls[primary].sync_delay_ms = STALL_MS
        until(lambda: self.primary() != primary, f"{primary}, whose disk stalls, is replaced", PROGRESS_S)
        self.hold()

    def full_disk(self):
        self.fill(self.some_node())

    def full_disk_of_primary(self):
        self.fill(self.primary())

    def clock_rate(self):
        for _ in range(3):
            self.skew_clocks()
            self.hold(0.3, 1)

    def isolate_slow_clock(self):
        """Cut off for long it must call itself older than its own clock says (R36)."""
        node = self.some_node()
        self.cluster.controls[node].rate_ppm = min(RATES_PPM)
        self.isolate(node)
        self.hold(1.5, 3.5)

    # -- The run -------------------------------------------------------------------------------------------

    def heal(self):
        self.cluster.heal()
        for control in self.cluster.controls.values():
            control.heal()
        for node in sorted(self.paused):
            self.resume(node)
        for node in sorted(self.down):
            self.start(node)

    def wait_progress(self):
        before = self.shared.acked_majority
        until(lambda: self.shared.acked_majority > before, "a MAJORITY write is acknowledged after the heal",
              PROGRESS_S)

    def one_fault(self):
        fault = self.rng.choices([f for _, f in self.kinds], [w for w, _ in self.kinds])[0]
        name = fault.__name__
        condition = self.rng.choice(self.conditions) if self.rng.random() < BOTH else None
        self.note(f"{name} (primary {self.primary()})" + (f" and {condition.__name__}" if condition else ""))
        try:
            if condition:
                condition()
            fault()
        except Refused as error:
            raise AssertionError(f"the fault {name} itself failed: {error}") from error
        for each in filter(None, (name, condition and f"with {condition.__name__}")):
            self.counts[each] = self.counts.get(each, 0) + 1
        self.note("heal")
        self.heal()

    def run(self, until_s):
        while time.monotonic() < until_s:
            self.one_fault()
            if self.rng.random() < 0.7:
                self.wait_progress()
            self.hold(0, 0.8)
        self.wait_progress()
