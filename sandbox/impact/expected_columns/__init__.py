"""Predict the columns that a change of SQL leads to, and compare them with those that changed."""
