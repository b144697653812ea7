"""Reports about production itself: data tests of its outputs, drift of its source."""
