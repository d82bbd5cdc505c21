"""Run folders: writing and reading the results of training."""
