"""Share a project's stack, sample, runs, services and records among commands."""
