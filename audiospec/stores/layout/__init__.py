"""What a store holds, whatever its format: tables, attributes, views, the lock."""
