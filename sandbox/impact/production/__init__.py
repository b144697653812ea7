"""Compare the candidate with the outputs that production made."""
