"""Match rows of two tables and count those that differ."""
