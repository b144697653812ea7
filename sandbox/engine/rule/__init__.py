"""The sampling rule as expressions of each query engine."""
