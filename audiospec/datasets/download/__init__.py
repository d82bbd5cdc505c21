"""Downloading published datasets: fetch, resume, unpack."""
