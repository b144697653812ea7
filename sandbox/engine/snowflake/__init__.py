"""Snowflake tables: the warehouse filters and counts, results come as Arrow. Types come from the catalogue.

Only `client` needs the driver, an extra.
"""
