"""DuckDB: sessions, files, buckets and Arrow streams."""
