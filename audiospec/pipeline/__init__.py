"""The pipeline: from a dataset to the views of a store."""
