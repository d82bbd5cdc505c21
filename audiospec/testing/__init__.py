"""Contracts that entries of the registries prove themselves by, and tiny audio: for us and for plug-ins."""
