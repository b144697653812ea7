"""Measure noise: what differs between two runs of the baseline, and what of the sides' differences it explains."""
