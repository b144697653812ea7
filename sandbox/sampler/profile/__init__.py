"""Compare a sample with production, column by column."""
