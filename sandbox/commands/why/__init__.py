"""``sandbox why``: the smallest case, and the parts of the change."""
