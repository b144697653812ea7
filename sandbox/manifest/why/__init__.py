"""Explanations of a diff: the smallest case, the parts of the change, its expected columns."""
