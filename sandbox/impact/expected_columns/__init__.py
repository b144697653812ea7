"""Predict the effects of a change of SQL on columns, and compare them with the runs."""
