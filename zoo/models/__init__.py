"""The models; each file has one entry or a family of entries. See `audiospec.zoo.base`."""
