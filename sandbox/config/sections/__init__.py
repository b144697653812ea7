"""The sections of ``sandbox.toml``: every key, its type, default, description and example."""
