"""What production itself holds: data tests of its outputs, and the drift of its source."""
