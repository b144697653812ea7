"""What the commands share of one project: its stack, sample, runs, services and records."""
