"""Environments for runs without a container engine."""
