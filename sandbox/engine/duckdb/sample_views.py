"""Connect to a sample for users of the API: a view for each table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.duckdb.table_functions import build_table_function

if TYPE_CHECKING:
    from sandbox.model import Sample


def connect_sample(sample: Sample) -> duckdb.DuckDBPyConnection:
    """Return a connection in memory with a view for each table; a dot in its name separates a schema."""
    connection = duckdb.connect()
    for name, table in sample.tables.items():
        schema, _, bare = name.rpartition(".")
        view = quote_identifier(bare)
        if schema:
            connection.execute(f"create schema if not exists {quote_identifier(schema)}")
            view = f"{quote_identifier(schema)}.{view}"
        connection.execute(f"create view {view} as select * from {build_table_function(table)}")
    return connection
