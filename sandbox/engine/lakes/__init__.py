"""Tables of data lakes: which files are a table's at a version, how they name its columns, which of their rows are deleted.

The libraries that read their logs are extras of this package, imported when such a table is read; only here.
"""
