"""Services beside a sandbox: Postgres and the notebook."""
