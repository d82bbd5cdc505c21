"""Published: what the modules of published datasets share."""
