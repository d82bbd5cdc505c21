"""Specs: frozen descriptions of how features are computed."""
