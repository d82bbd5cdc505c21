"""Run folders: what training leaves, written and read."""
