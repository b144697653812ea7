"""Detection of columns that look personal."""

from sandbox.sampler.masking.personal.suspects import Suspect, refuse, rules, suspected, warning

__all__ = ["Suspect", "refuse", "rules", "suspected", "warning"]
