"""Builds the shop's tables: the SQL of models/, folder by folder and by name, then the models written in Python.

    SANDBOX_SAMPLE   where the warehouse is: <table>/*.parquet
    SANDBOX_OUTPUT   where the results go: <model>.parquet
"""

import os
import runpy
import tempfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

SOURCE = Path(os.environ["SANDBOX_SAMPLE"])
TARGET = Path(os.environ["SANDBOX_OUTPUT"])
MODELS = Path(__file__).parent / "models"


def main() -> None:
    """Read the warehouse, build the staging models, then build and write the outputs."""
    with (
        tempfile.TemporaryDirectory() as spill,
        duckdb.connect(config={"memory_limit": "1GB", "temp_directory": spill}) as connection,
    ):
        for table in sorted(path for path in SOURCE.iterdir() if path.is_dir()):
            connection.read_parquet(f"{table}/*.parquet").create_view(table.name)
        for model in sorted((MODELS / "staging").glob("*.sql")):
            connection.execute(f"create table {model.stem} as {model.read_text()}")
        for model in sorted((MODELS / "outputs").glob("*.sql")):
            connection.execute(f"create table {model.stem} as {model.read_text()}")
            write(model.stem, connection.table(model.stem).to_arrow_table())
        for model in sorted((MODELS / "outputs").glob("*.py")):
            write(model.stem, runpy.run_path(str(model))["build"](connection))


def write(name: str, table: pa.Table) -> None:
    """Write one output."""
    pq.write_table(table, TARGET / f"{name}.parquet", compression="zstd")
    print(f"{name}: {table.num_rows:,} rows")


if __name__ == "__main__":
    main()
