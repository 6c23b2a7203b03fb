"""Code and Reason: what became of a call, and why (proto/candor/v1/rpc.proto)."""

import enum


class _Open(enum.IntEnum):
    """A number that a newer node sends and this version does not know keeps its value."""

    @classmethod
    def _missing_(cls, value: object) -> "_Open | None":
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_, member._value_ = f"{cls.__name__.upper()}_{value}", value
        return member


class Code(_Open):
    """The numbers are those of google.rpc.Code."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Reason(_Open):
    """Why, where the code alone is too coarse to act on."""

    NONE = 0
    NOT_PRIMARY = 1
    TOO_STALE = 2
    SESSION_BEHIND = 3
    SESSION_LOST = 4
    SYNCING = 5
    EXPIRED = 6
    FORKED = 7
    NO_PRIMARY = 8
    MAX_HOPS = 9
    OVERLOADED = 10
    DISK_FULL = 11
    TOO_LARGE = 12
    MALFORMED = 13
    UNKNOWN_METHOD = 14
    OUTCOME_UNKNOWN = 15
    FOREIGN_CLUSTER = 16
    SHUTTING_DOWN = 17
    NO_MAJORITY = 18
    LEVEL_UNAVAILABLE = 19
    REQUEST_TOO_OLD = 20
    REQUEST_ID_REUSED = 21
    STATE_FULL = 22
    STATE_DAMAGED = 23
    DOUBTFUL = 26
    OLDER_COPY = 28
    ANOTHER_PROCESS = 29
    BUNDLE_FULL = 30
    COMPACTED = 31
    ROLLED_BACK = 32
