"""The peers: the same work with other libraries, as it is commonly written."""
