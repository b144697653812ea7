"""Check a source's columns, keys and schema."""
