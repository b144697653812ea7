"""The Postgres service of a stack: loading the sample, one database per run, and exporting changed tables."""
