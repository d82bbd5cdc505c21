"""The suites of `audiospec benchmark`, one per file."""
