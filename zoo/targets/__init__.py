"""Targets: what models predict of a row, and how it is encoded, learnt, decoded and scored."""
