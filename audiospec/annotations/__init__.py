"""Annotations: stretches of tracks with labels or values, and how rows get their targets from them."""
