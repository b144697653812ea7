"""How often a sample is called unlike production although it was drawn by the rule, and how often lost children show.

    benchmarks/estimate/profiles.py PROJECT [SALTS] [CHILD COLUMN]

PROJECT is a folder with a sandbox.toml. Draws its sample with SALTS salts (default 200) into a temporary home, and compares each
with production. With CHILD and COLUMN each is compared again without the rows of the table CHILD whose COLUMN, a
reference to a unit, is in a random tenth. Prints one line of JSON for each salt, then the shares.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.config import load_project
from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.model import SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample
from sandbox.sampler.profile.compare import profile_sample
from sandbox.sampler.profile.storage import find_profile
from sandbox.samples import catalog
from sandbox.sources.open_table import attach_tables

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.manifest.profile import SampleProfile

MEMORY = 2 * 10**9


def find_notable_columns(
    project: Project, salt: str, child: tuple[str, str] | None
) -> tuple[list[str], list[str] | None]:
    """Return the notable columns of the sample with a salt; and those without some rows of a child, if one is given."""
    sample_settings = project.settings.sample.model_copy(update={"salt": salt})
    settings = project.settings.model_copy(update={"sample": sample_settings})
    project = project.__class__(**{**vars(project), "settings": settings})
    plan = plan_sample(project, threads=1, progress=SilentProgress())
    home = Path(tempfile.mkdtemp())
    try:
        drawn = draw_sample(project, plan, home=home, threads=1, whole=True, progress=SilentProgress())
        sample, manifest = catalog.load_sample(home, drawn.fingerprint)
        tables = {name: build_parquet_reader(stored.paths) for name, stored in sample.tables.items()}
        weights = {name: build_parquet_reader([sample.path / stored.path]) for name, stored in manifest.weights.items()}
        kept = find_profile(project, home, drawn.fingerprint)
        assert kept is not None, "a draw writes its profile"
        if child is None:
            return list_notable_columns(kept), None
        table, column = child
        tables[table] = (
            f"(select * from {tables[table]} where hash({quote_identifier(column)}::varchar || '{salt}') % 10 <> 0)"
        )
        with Session(memory=MEMORY, threads=1) as session:
            attach_tables(session, plan.tables.values())
            lost = profile_sample(session, plan, tables, weights, ranges={}, whole=True, progress=SilentProgress())
        return list_notable_columns(kept), list_notable_columns(lost)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def list_notable_columns(profile: SampleProfile) -> list[str]:
    """Return the columns and numbers of children that are notable."""
    return [
        f"{name}.{column}" if kind == "columns" else f"number of {column}"
        for name, table in profile.tables.items()
        for kind, parts in (("columns", table.columns), ("children", table.children))
        for column, part in parts.items()
        if part.notable
    ]


def main(folder: Path, salts: int, child: tuple[str, str] | None) -> None:
    """Print a line for each salt, and the shares."""
    project = load_project(folder / "sandbox.toml", start=folder, environ={}, flags={})
    notable = found = 0
    for number in range(salts):
        first, second = find_notable_columns(project, f"profile-{number}", child)
        notable += bool(first)
        found += bool(second)
        print(json.dumps({"salt": number, "notable": first, "without": second}), flush=True)
    print(f"notable: {notable} of {salts}" + (f"; found: {found} of {salts}" if child else ""))


if __name__ == "__main__":
    chosen = (sys.argv[3], sys.argv[4]) if len(sys.argv) > 4 else None
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200, chosen)
