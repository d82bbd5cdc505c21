"""Shards: files of rows, plain or compressed."""
