"""Runs over stores that may have volumes: which track goes into which volume, and volume by volume."""
