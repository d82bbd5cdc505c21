"""Synthesis: what datasets that make their own audio are made with."""
