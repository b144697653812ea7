"""The Postgres of a stack: the sample loaded into it, a database for each run, and what runs leave there."""
