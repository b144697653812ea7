"""Attribute differing rows to the parts of a change: its files, or its hunks."""
