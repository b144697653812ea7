"""Compare Parquet files by the bytes of their column chunks, so that only what changed is decoded."""
