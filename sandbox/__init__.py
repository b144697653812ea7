"""Change pipeline code, and see what it does to the data before you merge."""

__version__ = "0.1.0"
