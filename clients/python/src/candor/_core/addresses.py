"""Where nodes are: what an endpoint may be, and which one a call begins with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def host_and_port(endpoint: str) -> tuple[str, int]:
    """Of "127.0.0.1:7000", "[::1]:7000", "name:7000", with or without "tcp://" before it.

    ValueError: it is none."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{endpoint!r}: an IPv6 address stands in brackets, as in [::1]:7000")
    good_port = port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16
    if not host or not good_port or len(endpoint) > 127 or "/" in host or not host.isprintable():
        raise ValueError(f"{endpoint!r} is no address such as tcp://127.0.0.1:7000")
    return host, int(port)


def normal(endpoint: str) -> str:
    """As it is kept and compared: with its scheme."""
    host_and_port(endpoint)
    return "tcp://" + endpoint.removeprefix("tcp://")


class Addresses:
    """The endpoints that the user named, and where the primary was last."""

    def __init__(self, endpoints: Iterable[str]) -> None:
        self.endpoints: Sequence[str] = tuple(dict.fromkeys(normal(e) for e in endpoints))
        if not self.endpoints:
            raise ValueError("endpoints: at least one")
        self.nearest = self.endpoints[0]
        self.primary: str | None = None

    def first(self, *, at_primary: bool) -> str:
        return self.primary if at_primary and self.primary else self.nearest

    def after(self, endpoint: str) -> str:
        """Who is asked when `endpoint` has failed."""
        if self.primary == endpoint:
            self.primary = None
        if endpoint not in self.endpoints:
            return self.endpoints[0]
        return self.endpoints[(self.endpoints.index(endpoint) + 1) % len(self.endpoints)]

    def answered(self, endpoint: str, *, primary: bool, read_unredirected: bool) -> None:
        """Where the next call begins. A read that was redirected comes back to the near node, which
        may have caught up by then."""
        if primary:
            self.primary = endpoint
        if read_unredirected and endpoint in self.endpoints:
            self.nearest = endpoint
