"""Tables of features: import CSV and Parquet files into a store, and export views to them."""
