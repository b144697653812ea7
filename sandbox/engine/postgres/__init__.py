"""Postgres as a source: one moment of a database, read by ADBC as Arrow batches; only here is the driver imported."""
