"""What a store of any format holds: tables, attributes, views, the lock."""
