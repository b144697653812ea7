"""What explains a diff: the smallest case, the parts of the change, the columns that it leads to."""
