"""MySQL and MariaDB as sources: one consistent snapshot, read through PyMySQL. The driver is imported only here.

Every value is received as the server's text and converted by Arrow or DuckDB, so none passes through a Python number.
connectorx was seven times as fast, and gave decimals ten places whatever their type; it opens connections of its own, which
see other snapshots.
"""
