"""``sandbox export``: write the stack of a run as files for docker compose or VS Code."""
