"""Data lake tables at a version: their data files, column names in files, and deleted rows.

The libraries that read the logs are optional extras, imported only here and only when such a table is read.
"""
