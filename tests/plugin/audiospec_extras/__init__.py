"""A plug-in package: one module for each kind of entry that audiospec can be extended with."""
