"""kvd run by hand, for tests of the process itself: its streams, signals and exit statuses."""
import contextlib
import fcntl
import os
import subprocess

from harness import KVD


def full_pipe():
    """The two ends of a small pipe that is full: whoever writes to it waits until it is read."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, b"x" * 4096)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, b"x")
    os.set_blocking(write, True)
    return read, write


def drain(read):
    """What is in the pipe now."""
    os.set_blocking(read, False)
    text = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            more = os.read(read, 1 << 16)
            if not more:
                break
            text += more
    return text.decode()


@contextlib.contextmanager
def running(cluster, node, *args, **popen):
    """A kvd with the streams that `popen` says; killed at the end if it still runs."""
    process = subprocess.Popen([KVD, "--topology", cluster.topology, "--node", node, *args], **popen)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
