"""Postgres as a source: a snapshot read through ADBC as Arrow batches. The driver is imported only here."""
