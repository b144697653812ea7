"""The pages of a project's history and status."""
