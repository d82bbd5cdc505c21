"""How an HDF5 store is written, sealed and mended, below `HDF5Store`."""
