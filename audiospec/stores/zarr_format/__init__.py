"""How a Zarr store is written, read and checked, below `ZarrStore`."""
