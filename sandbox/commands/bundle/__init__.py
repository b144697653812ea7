"""``sandbox bundle`` and ``unbundle``: carry a sample and its stack to a machine without a network."""
