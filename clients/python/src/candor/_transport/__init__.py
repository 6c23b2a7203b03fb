"""How requests reach a node: plain sockets or NNG, waiting or asyncio."""
