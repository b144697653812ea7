"""Run `sandbox ls`, `stop`, `rm` and `gc`."""
