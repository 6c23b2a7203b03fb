"""A candor-feed in the background, with its log in a file."""
import os
import signal
import subprocess
import tempfile

from harness import BIN, until

FEED = os.path.join(BIN, "candor-feed")


class Feed:
    def __init__(self, topology, *args):
        """`topology` None: the arguments say which cluster."""
        self.log = tempfile.NamedTemporaryFile("w+", prefix="candor-test-")
        self.command = [FEED, *(["--topology", topology] if topology else []), *args]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def ready(self):
        line = self.process.stdout.readline()
        assert line.startswith("ready feeds="), (line, self.lines())
        return self

    def lines(self):
        with open(self.log.name, encoding="utf-8") as f:
            return f.read()

    def says(self, text):
        until(lambda: text in self.lines(), f"candor-feed says '{text}'")
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def end(self):
        """By SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        status = self.process.wait(60)
        self.process.stdout.close()
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
