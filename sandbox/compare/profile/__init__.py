"""Distributions and segments of the rows that differ."""
