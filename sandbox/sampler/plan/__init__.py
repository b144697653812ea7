"""Plan a sample: strata, allocation, sizes and references; extracts nothing."""
