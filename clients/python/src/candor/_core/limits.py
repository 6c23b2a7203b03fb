"""Numbers that the protocol or good manners set (docs/wire.md)."""

MESSAGE_BYTES = 4 << 20  # limits.message, unless the topology says otherwise
MESSAGE_BYTES_MAX = 64 << 20
ENVELOPE_BYTES = 1024  # around a request's body: method, ids, hops
HOPS_MAX = 8
DEADLINE_S = 5.0
DEADLINE_MAX_S = 600.0
# Of a ladder that says how long it waits: how long a node may take beyond that.
LADDER_S = 0.2
BACKOFF_FIRST_S = 0.010
BACKOFF_MOST_S = 0.500
NODES_MAX = 32
# Of a client: endpoints, and what redirects have named. Beyond, connections are not kept.
ENDPOINTS_KNOWN_MAX = 64
# Numbers in flight under one client id: half of what the nodes remember of it, so that no write
# falls out of that however long it takes.
NUMBERS_IN_FLIGHT = 128
CLIENT_ID_BYTES = 16
IDLE_S = 1.0  # a connection without an answer for so long may be gone
BUNDLE_CALLS = 256
BUNDLE_BYTES = 64 << 10
BUNDLE_CALL_BYTES = 16 << 10
BUNDLES_IN_FLIGHT = 2
WATCH_WAIT_S = 10.0
LINGER_S = 0.005  # at most so long a call waits for others
CONNECT_S = 5.0  # a connection that takes longer is none
WATCH_PAUSE_S = 0.5  # at most, after a poll that failed
SEND_SLICE_S = 0.3  # how often a request that NNG cannot send yet is looked at
