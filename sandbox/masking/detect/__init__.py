"""Detect personal data by column names and by values."""
