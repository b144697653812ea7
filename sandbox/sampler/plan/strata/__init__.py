"""Form and count the strata of a sampling unit."""
