"""A real nats-server with JetStream, and the little of its protocol that tests need to look into a stream. Debian has no client of
NATS for Python; what a stream holds is read with the server's own words."""
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.parse

from harness import until
from ports import free_port


class Message:
    def __init__(self, subject, headers, payload):
        self.subject, self.headers, self.payload = subject, headers, payload
        self.kind = headers.get("Candor-Kind")
        self.seq = int(headers.get("Candor-Seq", 0))
        self.id = headers.get("Nats-Msg-Id")

    def __repr__(self):
        return f"{self.kind} {self.seq} {self.subject} {self.payload[:20]!r} {self.headers.get('Candor-Why', '')}"


def key_of(subject, prefix="candor", separator=":"):
    """What docs/past-one-group.md says of a subject, backwards."""
    assert subject.startswith(prefix + ".")
    tokens = subject[len(prefix) + 1:].split(".")
    return separator.encode().join(b"" if token == "%" else urllib.parse.unquote_to_bytes(token) for token in tokens)


class Refused(Exception):
    pass


class Connection:
    """One request after the other."""

    def __init__(self, port, user=None, password=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.socket.makefile("rb")
        self.file.readline()  # INFO
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "lang": "python", "version": "0"}
        options.update({"user": user, "pass": password} if user else {})
        self.inbox = f"inbox.{secrets.token_hex(8)}"
        self.send(f"CONNECT {json.dumps(options)}\r\nSUB {self.inbox} 1\r\nSUB {self.inbox}.stream 2\r\nPING\r\n".encode())
        while (line := self.file.readline()) != b"PONG\r\n":
            if not line or line.startswith(b"-ERR"):
                raise Refused(line.decode())

    def send(self, data):
        self.socket.sendall(data)

    def publish(self, subject, payload=b"", reply=""):
        self.send(f"PUB {subject} {reply + ' ' if reply else ''}{len(payload)}\r\n".encode() + payload + b"\r\n")

    def next(self):
        """(subject, headers, payload) of the next message."""
        while True:
            words = self.file.readline().decode().split()
            if not words:
                raise Refused("the server has closed the connection")
            if words[0] == "PING":
                self.send(b"PONG\r\n")
            elif words[0] in ("MSG", "HMSG"):
                total = int(words[-1])
                data = self.file.read(total + 2)[:-2]
                at = int(words[-2]) if words[0] == "HMSG" else 0
                lines = data[:at].decode().split("\r\n")[1:]
                headers = dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in lines if line)
                return words[1], headers, data[at:]

    def request(self, subject, document=None):
        self.publish(subject, b"" if document is None else json.dumps(document).encode(), self.inbox)
        _, headers, payload = self.next()
        if not payload:
            raise Refused(f"{subject}: {headers}")
        answer = json.loads(payload)
        if "error" in answer:
            raise Refused(f"{subject}: {answer['error']}")
        return answer

    def close(self):
        self.file.close()
        self.socket.close()


def held(port, stream):
    """The messages of a stream, in order."""
    connection = Connection(port)
    try:
        there = connection.request(f"$JS.API.STREAM.INFO.{stream}")["state"]["messages"]
        connection.publish(f"$JS.API.CONSUMER.CREATE.{stream}", json.dumps(
            {"stream_name": stream, "config": {"deliver_subject": connection.inbox + ".stream", "deliver_policy": "all", "ack_policy": "none",
                                               "replay_policy": "instant"}}).encode(), connection.inbox)
        out = []
        while len(out) < there:
            subject, headers, payload = connection.next()
            if subject == connection.inbox:
                assert "error" not in json.loads(payload), payload
            else:
                out.append(Message(subject, headers, payload))
        return out
    finally:
        connection.close()


class NatsServer:
    """On a port of its own, with its data in a temporary directory."""

    def __init__(self, *args):
        self.port, self.args = free_port(), args
        self.dir = tempfile.mkdtemp(prefix="candor-nats-")
        self.process = None
        self.url = f"nats://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        # Debian's place of it is not on everybody's PATH.
        program = shutil.which("nats-server", path=os.environ.get("PATH", "") + ":/usr/sbin")
        assert program, "nats-server is missing: run scripts/setup"
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.process = subprocess.Popen([program, "--jetstream", "--store_dir", os.path.join(self.dir, "store"), "--addr",
                                         "127.0.0.1", "--port", str(self.port), *self.args], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)
        self.log.close()
        until(self._listens, "nats-server listens")

    def _listens(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.dir, "log"), encoding="utf-8") as f:
                raise AssertionError(f"nats-server ended: {f.read()}")
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def connect(self, **kwargs):
        return Connection(self.port, **kwargs)

    def request(self, subject, document=None):
        connection = self.connect()
        try:
            return connection.request(subject, document)
        finally:
            connection.close()

    def count(self, stream):
        """Messages ever stored; 0: there is no such stream, or no server."""
        try:
            return self.request(f"$JS.API.STREAM.INFO.{stream}")["state"]["last_seq"]
        except (Refused, OSError):
            return 0

    def messages(self, stream):
        """All that it holds, in order."""
        return held(self.port, stream)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
