"""Runs on a hub of models: what of a run is published, its card, pushing and loading."""
