"""Documents about production itself."""
