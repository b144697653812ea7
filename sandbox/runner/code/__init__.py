"""Versions of the pipeline's code, read from git without changing the user's repository."""
