"""Estimates for all of production from the sampled units. Pure: arrays in, figures out."""
