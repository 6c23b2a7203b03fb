"""Client of Candor, a replicated key-value store whose answers say how old they are.

    from candor import LINEARIZABLE, Ack, Client

    with Client(["tcp://127.0.0.1:7000"]) as client:
        client.put("greeting", "hello", ack=Ack.MAJORITY)
        answer = client.get("greeting", level=LINEARIZABLE)
        print(answer.value, answer.freshness)

AsyncClient is the same for asyncio. Keys and values are bytes; text stands for its UTF-8."""

from candor._client import NodeAnswer
from candor.aio import AsyncClient, AsyncWatch
from candor.client import Client, Watch
from candor.codes import Code, Reason
from candor.errors import (
    CandorError,
    ClientClosed,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    Hint,
    InvalidRequest,
    NoRoom,
    OutcomeUnknown,
    OutOfRange,
    Overloaded,
    ProtocolError,
    RequestIdReused,
    RolledBack,
    SessionLost,
    TooLarge,
    Unavailable,
)
from candor.freshness import Freshness, NodeState, Role
from candor.levels import (
    EVENTUAL,
    EVENTUAL_ALSO_SYNCING,
    LINEARIZABLE,
    SESSION,
    Ack,
    ReadLevel,
    bounded,
)
from candor.operations import ABSENT, PRESENT, Compare, Delete, Expect, Get, Put, Relation
from candor.position import Epoch, Pos, Token
from candor.results import (
    Answer,
    AwaitResult,
    BatchResult,
    CasResult,
    DeleteResult,
    ExpireResult,
    GetResult,
    IncrementResult,
    Item,
    LostWrite,
    MultiGetResult,
    RequestId,
    ScanPage,
    SessionLoss,
    TxnOpResult,
    TxnResult,
    TxnState,
    TxnStatusResult,
    WriteResult,
)
from candor.watch import Changes, Cursor, Event, EventType

__all__ = [  # in the order of the documentation
    "ABSENT",
    "EVENTUAL",
    "EVENTUAL_ALSO_SYNCING",
    "LINEARIZABLE",
    "PRESENT",
    "SESSION",
    "Ack",
    "Answer",
    "AsyncClient",
    "AsyncWatch",
    "AwaitResult",
    "BatchResult",
    "CandorError",
    "CasResult",
    "Changes",
    "Client",
    "ClientClosed",
    "Code",
    "Compare",
    "Cursor",
    "DataLoss",
    "DeadlineExceeded",
    "Delete",
    "DeleteResult",
    "Epoch",
    "Event",
    "EventType",
    "Expect",
    "ExpireResult",
    "FailedPrecondition",
    "Freshness",
    "Get",
    "GetResult",
    "Hint",
    "IncrementResult",
    "InvalidRequest",
    "Item",
    "LostWrite",
    "MultiGetResult",
    "NoRoom",
    "NodeAnswer",
    "NodeState",
    "OutOfRange",
    "OutcomeUnknown",
    "Overloaded",
    "Pos",
    "ProtocolError",
    "Put",
    "ReadLevel",
    "Reason",
    "Relation",
    "RequestId",
    "RequestIdReused",
    "Role",
    "RolledBack",
    "ScanPage",
    "SessionLoss",
    "SessionLost",
    "Token",
    "TooLarge",
    "TxnOpResult",
    "TxnResult",
    "TxnState",
    "TxnStatusResult",
    "Unavailable",
    "Watch",
    "WriteResult",
    "bounded",
]  # fmt: skip
