"""Select and write a half-sample."""
