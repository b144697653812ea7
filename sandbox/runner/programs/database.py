"""Create the DuckDB file ``$SANDBOX_DATABASE``: a view for each table of the sample, in its schema."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path


def build_statements(sample: Path) -> list[str]:
    """Build the SQL of the views, with file paths as seen by this run."""
    statements = []
    for folder in sorted(path for path in sample.iterdir() if path.is_dir()):
        schema, _, table = folder.name.rpartition(".")
        # Escape pattern characters: a glob would match other files.
        files = [re.sub(r"([*?\[])", r"[\1]", str(path)) for path in sorted(folder.glob("*.parquet"))]
        listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        statements.append(f"create schema if not exists {_quote_name(schema or 'main')}")
        statements.append(
            f"create view {_quote_name(schema or 'main')}.{_quote_name(table)} as "
            f"select * from read_parquet([{listed}], hive_partitioning = false)"
        )
    return statements


def _quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def main() -> None:
    """Create the file."""
    try:
        import duckdb  # noqa: PLC0415 - the stack's own, which may not have it
    except ImportError:
        sys.exit('inputs = ["duckdb"] needs the library duckdb in the stack: name it in [stack] requirements')
    with duckdb.connect(os.environ["SANDBOX_DATABASE"]) as connection:
        for statement in build_statements(Path(os.environ["SANDBOX_SAMPLE"])):
            connection.execute(statement)


if __name__ == "__main__":
    main()
