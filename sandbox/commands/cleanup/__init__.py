"""Commands behind `sandbox ls`, `stop`, `rm` and `gc`."""
