"""The study on GTZAN and its reproduction."""
