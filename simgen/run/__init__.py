"""A plan → committed shards, by Ray workers."""
