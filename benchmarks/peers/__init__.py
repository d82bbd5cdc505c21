"""The peers: the same work, done as people do it without audiospec."""
