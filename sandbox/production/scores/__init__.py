"""Scores: figures of promotion records against those of production."""
