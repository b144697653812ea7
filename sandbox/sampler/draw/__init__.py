"""Draw a planned sample: extract rows, follow references, write parts, weights and the manifest."""
