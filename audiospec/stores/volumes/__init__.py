"""Large stores: volumes, each an ordinary store, that are read as one."""
