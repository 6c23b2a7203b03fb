"""What all operations of a client share. Under `lock`, except what is fixed when it is made."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from candor._core.addresses import Addresses
from candor._core.identity import Identities
from candor._core.limits import DEADLINE_S, MESSAGE_BYTES
from candor._core.promise import Promises
from candor._core.session import Session
from candor.position import Token

_log = logging.getLogger("candor")


def log_violation(text: str) -> None:
    """A node broke its promise: what a client does about it unless it is told otherwise."""
    _log.error("a broken promise: %s", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Of a client. Credentials and TLS will stand here."""

    deadline_s: float = DEADLINE_S  # of an operation that names none
    # False: a redirect ends the operation (FailedPrecondition, with the hint)
    follow_redirects: bool = True
    message_bytes: int = MESSAGE_BYTES  # the topology's limits.message
    clock_drift_ppm: int = 0  # the topology's, where it is above its default
    on_violation: Callable[[str], None] = log_violation


class Core:
    def __init__(
        self, endpoints: Iterable[str], settings: Settings, session: Token | None = None
    ) -> None:
        self.settings = settings
        self.lock = threading.Lock()
        self.addresses = Addresses(endpoints)
        self.session = Session(session)
        self.identities = Identities()
        self.promises = Promises(settings.clock_drift_ppm)
        self._pid = os.getpid()

    def notice_fork(self) -> bool:
        """In a child: the ids are the parent's, and so are its connections and its lock."""
        if self._pid == os.getpid():
            return False
        self._pid = os.getpid()
        self.lock = threading.Lock()
        self.identities.retire()
        return True
