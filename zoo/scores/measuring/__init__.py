"""How scores are measured, kept and shown."""
