"""Start services beside a sandbox: Postgres and the notebook."""
