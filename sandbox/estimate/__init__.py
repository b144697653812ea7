"""Estimates for the whole of production, from what a change does to the sampled units. Pure: arrays in, figures out."""
