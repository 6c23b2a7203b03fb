"""The session's token: the newest position that it wrote or read (docs/protocol.md R43, R44)."""

from __future__ import annotations

from candor.position import Token


class Session:
    def __init__(self, token: Token | None = None) -> None:
        self.token = token

    def see(self, asked: Token | None, token: Token | None) -> None:
        """`token` came with the answer to a call that brought `asked`. A position of another epoch
        takes the place of the session's own only where the node has judged that one."""
        own = self.token
        if token is None:
            return
        if own is None:
            self.token = token
            return
        newer = own.cluster_id == token.cluster_id and token.pos > own.pos
        same_log = own.origin == token.origin or 0 in (own.origin, token.origin)
        same_epoch = token.pos.epoch == own.pos.epoch and same_log
        if newer and (same_epoch or own == asked):
            self.token = token

    def lose(self, lost: Token | None, token: Token | None) -> None:
        """`lost` was rolled back and the user is told: on from `token`, unless it moved already."""
        if self.token == lost:
            self.token = token

    def join(self, token: Token) -> None:
        """Goes on with the newer of both."""
        own = self.token
        if own is not None and own.cluster_id != token.cluster_id:
            raise ValueError("the token is of another cluster than the client's session")
        if own is None or token.pos > own.pos:
            self.token = token
