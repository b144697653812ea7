"""Read tables of a source: folders, buckets, database files, lakehouses, Postgres and Spark."""
