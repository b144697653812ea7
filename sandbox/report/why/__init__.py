"""Describe and keep the explanations of a diff: its causes, its expected columns, its smallest case."""
