"""Build the images of the stack."""
