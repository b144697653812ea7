"""Run `sandbox init`."""
