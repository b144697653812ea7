# ruff: noqa: PLC0415, ICN001, ARG001 -- no environment holds every library; all contestants are called alike
"""One comparison in a process of its own: ``contestants.py NAME BASELINE CANDIDATE [MEMORY]`` prints its counts as JSON.

Each peer at the best setting that its documentation names: the key given, rows read lazily where that is offered, no
report rendered.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

KEY = "order_id"


def ours(baseline: str, candidate: str, memory: int) -> dict[str, int]:
    """Give what ``sandbox diff TABLE TABLE`` finds, all of it: columns, distributions, segments, examples."""
    from sandbox.compare import OutputRules, compare_tables, tables
    from sandbox.model import SilentProgress

    sides = tables(baseline, candidate)
    found = compare_tables(
        {"t": sides[0]},
        {"t": sides[1]},
        rules={"t": OutputRules(key=(KEY,))},
        units={},
        identical=(),
        memory=memory,
        threads=None,
        progress=SilentProgress(),
        origin="tables",
    )["t"]
    rows = found.rows
    return {"added": rows.added, "removed": rows.removed, "changed": rows.changed}


def limit(baseline: str, candidate: str, memory: int) -> dict[str, int]:
    """Read every value of both files once and do nothing with it."""
    import duckdb

    session = duckdb.connect(config={"memory_limit": f"{memory}B"})
    for path in (baseline, candidate):
        session.execute(f"select bit_xor(hash(t)) from read_parquet('{path}') t").fetchall()
    return {}


def datacompy(baseline: str, candidate: str, memory: int) -> dict[str, int]:
    """Compare with datacompy on polars."""
    import polars
    from datacompy.polars import PolarsCompare

    found = PolarsCompare(polars.read_parquet(baseline), polars.read_parquet(candidate), join_columns=[KEY])
    common = len(found.intersect_rows)
    return {
        "added": len(found.df2_unq_rows),
        "removed": len(found.df1_unq_rows),
        "changed": common - found.count_matching_rows(),
    }


def diffly(baseline: str, candidate: str, memory: int) -> dict[str, int]:
    """Compare with diffly on lazily read frames."""
    import diffly
    import polars

    found = diffly.compare_frames(
        polars.scan_parquet(baseline), polars.scan_parquet(candidate), primary_key=KEY, abs_tol=0, rel_tol=0
    )
    return {
        "added": found.num_rows_right_only(),
        "removed": found.num_rows_left_only(),
        "changed": found.num_rows_joined_unequal(),
    }


def datadiffer(baseline: str, candidate: str, memory: int, attribution: str = "off") -> dict[str, int]:
    """Compare with datadiffer, without looking for segments."""
    import datadiffer

    rows = datadiffer.diff(baseline, candidate, keys=[KEY], attribution=attribution).to_dict()["rows"]
    return {"added": rows["added"], "removed": rows["removed"], "changed": rows["modified"]}


def datadiffer_segments(baseline: str, candidate: str, memory: int) -> dict[str, int]:
    """Compare with datadiffer, segments and all, as ours does."""
    return datadiffer(baseline, candidate, memory, "auto")


def reladiff(baseline: str, candidate: str, memory: int) -> dict[str, int]:
    """Compare with reladiff's outer join in a DuckDB file that holds both tables; making the file does not count."""
    from reladiff import Algorithm, connect_to_table, diff_tables

    place = f"duckdb://{Path(baseline).with_suffix('.duckdb')}"
    tables = [connect_to_table(place, (name,), KEY) for name in ("baseline", "candidate")]
    columns = tuple(name for name in _columns(baseline) if name != KEY)
    keys: dict[str, set[str]] = {"-": set(), "+": set()}
    for sign, row in diff_tables(
        *tables, algorithm=Algorithm.JOINDIFF, extra_columns=columns, threaded=True, max_threadpool_size=2
    ):
        keys[sign].add(row[0])
    both = keys["-"] & keys["+"]
    return {
        "added": len(keys["+"] - both),
        "removed": len(keys["-"] - both),
        "changed": len(both),
    }


def _columns(path: str) -> list[str]:
    import duckdb

    return [row[0] for row in duckdb.sql(f"describe select * from read_parquet('{path}')").fetchall()]


CONTESTANTS = {
    function.__name__: function
    for function in (ours, limit, datacompy, diffly, datadiffer, datadiffer_segments, reladiff)
}

if __name__ == "__main__":
    name, before, after, *rest = sys.argv[1:]
    allowed = int(rest[0]) if rest else 4 * 10**9
    os.environ.setdefault("POLARS_MAX_THREADS", str(os.cpu_count()))
    print(json.dumps(CONTESTANTS[name](before, after, allowed)))
