"""kvctl as a person at a terminal meets it."""
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

from harness import DEADLINE_S, KVCTL


class Terminal:
    """kvctl, or another program, on a pseudo-terminal. A variable that is "" is not there."""

    def __init__(self, *args, program=KVCTL, rows=24, columns=80, **variables):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm", "NO_COLOR": "1", "CANDOR_TOPOLOGY": "", "CANDOR_ENDPOINTS": "", **variables})
            for name in [name for name, value in os.environ.items() if value == ""]:
                del os.environ[name]
            os.execvp(program, [program, *args])
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern):
        """What came up to the pattern and with it; what follows stays for the next one."""
        end = time.monotonic() + DEADLINE_S
        while not (found := re.search(pattern, self.seen)):
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"{pattern!r} is not in {self.seen!r}")
            try:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
            except OSError as error:
                raise AssertionError(f"ended; {pattern!r} is not in {self.seen!r}") from error
        text, self.seen = self.seen[:found.end()], self.seen[found.end():]
        return text

    def wait(self):
        """The exit status; what came last is in `seen`."""
        while True:
            try:
                chunk = os.read(self.fd, 65536)
            except OSError:
                break
            if not chunk:
                break
            self.seen += chunk.decode(errors="replace")
        return self.close()

    def close(self):
        """Ends it, if it has not ended yet."""
        if self.fd < 0:
            return None
        os.close(self.fd)  # SIGHUP
        self.fd = -1
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
