"""The client's own clock: it goes on while the machine sleeps, and is never set."""

import time

_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now_ns() -> int:
    return time.clock_gettime_ns(_BOOT)
