"""Commands behind `sandbox init`."""
