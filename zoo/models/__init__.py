"""The models: a file holds one entry, or a family of them; see `audiospec.zoo.base`."""
