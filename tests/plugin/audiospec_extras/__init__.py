"""A package of another author: one file for each kind of entry that audiospec can be extended by."""
