"""Drift: whether production is still as it was when the sample was drawn."""
