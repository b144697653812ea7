"""Run one diff from start to finish: sides, runs, comparison, noise, separability, verdict, document."""
