"""Presets: specs of libraries and models, by name."""
