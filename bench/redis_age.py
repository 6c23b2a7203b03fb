#!/usr/bin/python3
"""What a Redis replica says of its age when its primary is cut off, beside a Candor replica: needs Debian's redis-server.

Each replica reaches its primary through a proxy that stops forwarding, as a lost network does. Prints what each says, second by
second, until Redis notices.
"""
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests/cluster"))
from harness import Cluster, free_ports, until  # noqa: E402


class Proxy:
    """Forwards one port to another until it is cut: then bytes neither pass nor bounce."""

    def __init__(self, target):
        self.target, self.open = target, threading.Event()
        self.open.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(("127.0.0.1", self.target))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._forward, args=(a, b), daemon=True).start()

    def _forward(self, source, target):
        while data := source.recv(65536):
            self.open.wait()
            target.sendall(data)


def redis(port, *command):
    done = subprocess.run(["redis-cli", "-p", str(port), *command], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def field(port, name):
    for line in redis(port, "info", "replication").splitlines():
        if line.startswith(name + ":"):
            return line.split(":", 1)[1].strip()
    return None


def main():
    processes = []
    with tempfile.TemporaryDirectory() as directory, Cluster({"a": "voter", "b": "voter", "c": "voter"},
                                                             fault_proxy=True) as candor:
        candor.up().wait_fresh()
        candor.put("k", "v")
        candor.wait_equal()
        primary, replica = free_ports(2)
        proxy = Proxy(primary)
        try:
            for port, extra in ((primary, ()), (replica, ("--replicaof", "127.0.0.1", str(proxy.port)))):
                os.makedirs(f"{directory}/{port}")
                processes.append(subprocess.Popen(["redis-server", "--port", str(port), "--dir", f"{directory}/{port}",
                                                   "--save", "", *extra], stdout=subprocess.DEVNULL))
            until(lambda: field(replica, "master_link_status") == "up", "the Redis replica is connected")
            redis(primary, "set", "k", "v")
            until(lambda: redis(replica, "get", "k") == "v", "the value is there")
            proxy.open.clear()
            candor.isolate("c")
            redis(primary, "set", "k", "newer")
            candor.put("k", "newer")
            started = time.monotonic()
            link = "up"
            while link == "up" and time.monotonic() - started < 120:
                fresh = candor.get("k", "--node", "c", "--no-redirect")["freshness"]
                link = field(replica, "master_link_status")
                print(f"{time.monotonic() - started:5.1f} s after the cut: Redis answers {redis(replica, 'get', 'k')!r}, "
                      f"master_link_status:{link}; Candor: stale={fresh['stale']}, heartbeat {fresh['heartbeat_age_ms']} ms ago, "
                      f"at most {fresh['staleness_bound_ms']} ms old", flush=True)
                time.sleep(1)
        finally:
            for process in processes:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
