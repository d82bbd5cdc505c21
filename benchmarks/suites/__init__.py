"""The suites of `audiospec benchmark`: one file each."""
