"""Measure how large units are: exact totals per unit, groups of equal size, and the moments of a population."""
