"""Scores: what promotion records predicted, against what production then did."""
