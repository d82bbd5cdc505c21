"""Specs: frozen descriptions of how a feature is computed."""
