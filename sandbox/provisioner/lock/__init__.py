"""Resolve and check sandbox.lock."""
