"""Tables of features: CSV and Parquet into a store and out of it."""
