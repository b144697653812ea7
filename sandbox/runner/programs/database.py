"""Makes the DuckDB file that ``$SANDBOX_DATABASE`` names: a view for each table of the sample, in its schema."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path


def build_statements(sample: Path) -> list[str]:
    """Give the SQL that makes the views, with the files where this run sees them."""
    made = []
    for folder in sorted(path for path in sample.iterdir() if path.is_dir()):
        schema, _, table = folder.name.rpartition(".")
        # What a pattern would match is not what is named.
        files = [re.sub(r"([*?\[])", r"[\1]", str(path)) for path in sorted(folder.glob("*.parquet"))]
        listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        made.append(f"create schema if not exists {_quote_name(schema or 'main')}")
        made.append(
            f"create view {_quote_name(schema or 'main')}.{_quote_name(table)} as "
            f"select * from read_parquet([{listed}], hive_partitioning = false)"
        )
    return made


def _quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def main() -> None:
    """Make it."""
    try:
        import duckdb  # noqa: PLC0415 - the stack's own, which may not have it
    except ImportError:
        sys.exit('inputs = ["duckdb"] needs the library duckdb in the stack: name it in [stack] requirements')
    with duckdb.connect(os.environ["SANDBOX_DATABASE"]) as connection:
        for statement in build_statements(Path(os.environ["SANDBOX_SAMPLE"])):
            connection.execute(statement)


if __name__ == "__main__":
    main()
