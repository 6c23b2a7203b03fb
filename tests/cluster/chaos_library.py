"""Clients that are programs, each a process that keeps many operations in flight and writes a history of its own: those of
libcandor (library_clients), and of the module in clients/go, where that was built."""
import os
import subprocess

from chaos_checks import Violation, history_lines
from harness import BIN

# (op, level or ack) that they must have got answers to: a recorder that leaves some out judges nothing
ALL_KINDS = {("get", "eventual"), ("get", "bounded"), ("get", "session"), ("get", "linearizable"), ("put", "local"),
             ("put", "majority"), ("put", "all"), ("delete", "majority"), ("cas", "majority"), ("incr", "majority")}


class ProgramClients:
    """`name`: of the library. `path`: of its history, whole when stop() has returned."""

    def __init__(self, shared, seed, drift_ppm, name, program, kinds):
        self.shared, self.name, self.kinds = shared, name, kinds
        self.path = os.path.join(shared.directory, f"history-{name}.jsonl")
        self.errors = os.path.join(shared.directory, f"{name}.err")
        self.command = [program, "--history", self.path,
                        "--stale-after-ms", str(shared.stale_after_ms), "--started-ns", str(int(shared.started * 1e9)),
                        "--seed", str(seed), "--drift-ppm", str(drift_ppm)]
        for address in shared.endpoints.values():
            self.command += ["--endpoint", "tcp://" + address]
        self.process = None

    def start(self):
        with open(self.errors, "w") as errors:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)

    def stop(self):
        """Any word on stderr is a violation: a node broke a promise, or the library lost an operation."""
        try:
            out, _ = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Violation(f"the clients of {self.name} hang") from None
        with open(self.errors) as f:
            said = f.read()
        if self.process.returncode != 0 or said:
            raise Violation(f"the clients of {self.name} ended with status {self.process.returncode}: {said}")
        self._count(int(out))

    def _count(self, recorded):
        counts = {}
        for line in history_lines([self.path]):
            if "op" in line:
                key = (line["op"], line.get("level") or line.get("ack"), line["outcome"])
                counts[key] = counts.get(key, 0) + 1
        if sum(counts.values()) != recorded:
            raise Violation(f"the clients of {self.name} recorded {recorded} operations; there are {sum(counts.values())}")
        missing = self.kinds - {key[:2] for key in counts if key[2] == "ok"}
        if missing:
            raise Violation(f"the clients of {self.name} got no answer to any {sorted(missing)}")
        for (op, level, outcome), count in counts.items():
            key = (f"{self.name}: {op} {level}", outcome)
            self.shared.outcomes[key] = self.shared.outcomes.get(key, 0) + count


class LibraryClients(ProgramClients):
    def __init__(self, shared, seed, drift_ppm):
        super().__init__(shared, seed, drift_ppm, "library", os.path.join(BIN, "library-clients"), ALL_KINDS)


def all_programs(shared, seed, drift_ppm):
    """Those that were built."""
    programs = [LibraryClients(shared, seed, drift_ppm)]
    go = os.path.join(BIN, "go-clients")
    if os.path.exists(go):
        return [*programs, ProgramClients(shared, seed, drift_ppm, "go", go, ALL_KINDS - {("delete", "majority")})]
    print("without the clients in Go, which were not built (clients_go_build)")
    return programs
