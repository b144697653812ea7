"""``sandbox promote`` and ``sandbox keys``."""
