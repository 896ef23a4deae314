"""Redis as an event source: lists, sets, sorted sets and hashes (`redis`), and streams (`redis-streams`)."""
