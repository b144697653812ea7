"""Check that this machine can build and run the stack."""
