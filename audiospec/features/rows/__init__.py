"""Compute the rows of a store, with torch only where no kernel computes them."""
