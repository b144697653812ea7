"""Read metadata of files: CSV types, Parquet footers, lakehouse deletes, damage."""
