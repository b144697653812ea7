"""Units of the sample affected by differing rows, and their estimates."""
