"""The separability check: whether rows of a unit depend on other units."""
