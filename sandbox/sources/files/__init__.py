"""Read what files say of themselves: CSV types, Parquet footers, lakehouse deletes, damage."""
