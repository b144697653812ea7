"""Check the health of a source."""
