"""Estimates of outputs whose rows name no unit, from runs on random groups of units."""
