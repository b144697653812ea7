"""Data tests: queries whose rows break a rule, and those that declared rules stand for."""
