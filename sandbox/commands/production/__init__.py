"""Commands about production itself: data tests of its outputs, and the check of the sample."""
