"""The models: one file an entry; see `audiospec.zoo.base`."""
