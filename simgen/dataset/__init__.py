"""A data set on disk: shards, the reader, status, verification, card and report."""
