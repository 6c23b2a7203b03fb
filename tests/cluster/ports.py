"""Ports that are a test's own until it ends.

A port that was free a moment ago is anybody's: another test's node may listen there by now. So each process
locks the byte of its port's number in a file that all tests of this user share (tests/unit/sp_socket.h does the
same), and the kernel lets go of it when the process ends, however it ends. The ports are below the range that the
kernel gives to outgoing connections.
"""
import fcntl
import os
import random
import socket
import tempfile

FIRST, COUNT = 10000, 20000

_held = set()
_file = None


def _is_locked(port):
    global _file
    if _file is None:
        _file = os.open(os.path.join(tempfile.gettempdir(), f"candor-test-ports.{os.getuid()}"),
                        os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if port in _held:
        return False
    try:
        fcntl.lockf(_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):
        return False
    _held.add(port)
    return True


def _is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(steps=()):
    """A port of 127.0.0.1 that is this process's own until it ends, and so are those so many steps above it."""
    while True:
        port = random.randrange(FIRST, FIRST + COUNT)
        if all(_is_locked(p) and _is_free(p) for p in (port, *(port + step for step in steps))):
            return port


def free_ports(count):
    return [free_port() for _ in range(count)]
