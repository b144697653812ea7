"""Find the smallest part of the sample on which two versions differ: a witness."""
