"""Contracts that every entry of a registry must pass, also those of plug-ins, and tiny audio for tests."""
