"""The check that a sample's weights follow from its manifest and its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_reader, format_file_list
from sandbox.engine.rule.prn import PRIME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.sample import SampleManifest, StratumRecord, UnitDrawRecord

WEIGHT_COLUMNS = {"stratum": "INTEGER", "probability": "DOUBLE", "weight": "DOUBLE"}
WRONG_WEIGHTS_QUERY = (
    'select count(*) from drawn w left join strata s on s."index" = w.stratum '
    f"where w.probability is distinct from s.threshold / {PRIME}::double "
    "or w.weight is distinct from s.population / s.sampled::double"
)
WRONG_COUNTS_QUERY = (
    "select count(*) from strata s left join (select stratum, count(*) as keys from drawn group by 1) w "
    'on w.stratum = s."index" where coalesce(w.keys, 0) <> s.sampled'
)
FLOATING_TYPES = {"FLOAT", "DOUBLE"}


def find_weights_problems(session: Session, sample_path: Path, manifest: SampleManifest) -> list[str]:
    """Return what is wrong with the weights of a sample, at most one sentence for each unit table.

    Every key must be one of the unit table, once. Probability and weight must be those of the key's stratum, and each
    stratum must have as many keys as the manifest says. A key must belong to its stratum by those strata columns that
    are the table's own, which are never masked. The sampling rule must select it, unless the key is masked.
    """
    problems = [_find_unit_problem(session, sample_path, manifest, unit) for unit in manifest.units]
    return [problem for problem in problems if problem is not None]


def _find_unit_problem(session: Session, sample_path: Path, manifest: SampleManifest, unit: str) -> str | None:
    stored = manifest.weights.get(unit)
    if stored is None:
        return f"there are no weights of {unit}"
    draw, types = manifest.units[unit], {column.name: column.type for column in manifest.tables[unit].columns}
    weights = build_parquet_reader([sample_path / stored.path])
    described = {str(row[0]): str(row[1]) for row in session.fetch_rows(f"describe select * from {weights}")}
    sizes = {size.name: "DOUBLE" for size in manifest.sizes.get(unit, ())}
    if described != {column: types.get(column) for column in draw.key} | WEIGHT_COLUMNS | sizes:
        return f"the columns of {stored.path} are not the unit's key, stratum, probability, weight and recorded sizes"
    if sizes and not manifest.proven_sizes.get(unit):
        return f"nothing proves the sizes of {unit}: an earlier version of sandbox drew the sample"
    others = draw.list_undecided_columns(types)
    if others and draw.assignment is None:
        return (
            f"nothing proves the strata of {unit} by {', '.join(others)}: an earlier version of sandbox drew the sample"
        )
    own = [name for name in draw.strata[0].values if name in types]
    _create_strata_table(session, draw.strata, own)
    _create_views(session, sample_path, manifest, unit, weights, own)
    checks = {
        "a key that is not one of the table, or not once": _build_strange_keys_query(draw.key),
        "a probability or a weight that is not its stratum's": WRONG_WEIGHTS_QUERY,
        "another number of keys in a stratum than the manifest": WRONG_COUNTS_QUERY,
        "a key in a stratum that is not its row's": _build_wrong_strata_query(draw.key, [types[name] for name in own]),
    }
    if not set(manifest.masking.get(unit, ())).intersection(draw.key):
        checks["a key that the sampling rule does not select"] = _build_unselected_keys_query(draw, types)
    for problem, sql in checks.items():
        if session.fetch_rows(sql, doing=f"checking {stored.path}")[0][0]:
            return f"{stored.path} does not follow from manifest.json and the keys of {unit}: it has {problem}"
    return None


def _create_strata_table(session: Session, strata: Sequence[StratumRecord], own: Sequence[str]) -> None:
    """Create the table of the strata: index, population, threshold, sampled, and for own column i its label's parts."""
    cells: list[list[Any]] = [
        list(range(len(strata))),
        [stratum.population for stratum in strata],
        [stratum.threshold for stratum in strata],
        [stratum.sampled for stratum in strata],
    ]
    names = [f'unnest(?::bigint[]) as "{name}"' for name in ("index", "population", "threshold", "sampled")]
    for index, column in enumerate(own):
        labels = [_split_label(stratum.values[column]) for stratum in strata]
        for part, values in zip(("kind", "low", "high"), zip(*labels, strict=True), strict=True):
            names.append(f"unnest(?::varchar[]) as {part}_{index}")
            cells.append(list(values))
    session.execute(f"create or replace temp table strata as select {', '.join(names)}", cells)


def _split_label(label: JsonValue) -> tuple[str, str | None, str | None]:
    """Return a label of a stratum as its kind, and a value or the ends of a bin as text."""
    if label is None:
        return "null", None, None
    if isinstance(label, dict):
        if "any_of" in label:
            return "any", None, None
        if "rare_below" in label:
            return "rare", None, None
        return "bin", _format_value(label["from"]), _format_value(label["to"])
    return "value", _format_value(label), None


def _format_value(value: JsonValue) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _create_views(
    session: Session, sample_path: Path, manifest: SampleManifest, unit: str, weights: str, own: Sequence[str]
) -> None:
    """Create the views of the weights and of the unit table's rows: keys ``k0``, … and own strata columns ``v0``, …."""
    keys = [f"{quote_identifier(column)} as k{index}" for index, column in enumerate(manifest.units[unit].key)]
    values = [f"{quote_identifier(column)} as v{index}" for index, column in enumerate(own)]
    files = format_file_list([sample_path / file.path for file in manifest.tables[unit].files])
    drawn = f"select {', '.join(keys)}, stratum, probability, weight from {weights}"
    rows = f"select {', '.join([*keys, *values])} from read_parquet({files}, hive_partitioning = false)"
    session.execute(f"create or replace temp view drawn as {drawn}")
    session.execute(f"create or replace temp view unit_rows as {rows}")


def _build_strange_keys_query(key: Sequence[str]) -> str:
    names = ", ".join(f"k{index}" for index in range(len(key)))
    return (
        f"select (select count(*) from (select {names} from drawn except select {names} from unit_rows)) "
        f"+ (select count(*) from drawn) - (select count(*) from (select distinct {names} from drawn))"
    )


def _build_wrong_strata_query(key: Sequence[str], types: Sequence[str]) -> str:
    """Return the SQL that counts keys without a row of their stratum; ``types`` are those of the own strata columns."""
    names = [f"k{index}" for index in range(len(key))]
    same = " and ".join(f"w.{name} = r.{name}" for name in names)
    belongs = " and ".join(["true", *(_build_label_condition(index, kind) for index, kind in enumerate(types))])
    return (
        f"select count(*) from (select bool_or({belongs}) as belongs from drawn w join unit_rows r on {same} "
        f'join strata s on s."index" = w.stratum group by {", ".join(f"w.{name}" for name in names)}) where not belongs'
    )


def _build_label_condition(index: int, kind: str) -> str:
    """Return the SQL that is true where a row has the label of a stratum in one of its columns."""
    value, low, high = f"r.v{index}", f"try_cast(s.low_{index} as {kind})", f"try_cast(s.high_{index} as {kind})"
    nan = f"isnan({value})" if kind in FLOATING_TYPES else "false"
    others = f"select try_cast(low_{index} as {kind}) from strata where kind_{index} = 'value'"
    return (
        f"case s.kind_{index} when 'any' then true when 'null' then {value} is null "
        f"when 'rare' then {value} is not null and {value} not in ({others}) "
        f"when 'bin' then not {nan} and (s.low_{index} is null or {value} >= {low}) "
        f"and (s.high_{index} is null or {value} < {high}) and {value} is not null "
        f"else coalesce({value} = {low}, false) end"
    )


def _build_unselected_keys_query(draw: UnitDrawRecord, types: Mapping[str, str]) -> str:
    from sandbox.engine.rule.sampling_rule import build_random_number_query  # noqa: PLC0415 - Ibis is slow to import

    columns = {f"k{index}": types[column] for index, column in enumerate(draw.key)} | {"stratum": "INTEGER"}
    numbers = build_random_number_query("drawn", columns, list(columns)[:-1], draw.coefficients, name="number")
    return (
        f'select count(*) from ({numbers}) w join strata s on s."index" = w.stratum where w.number >= s.threshold '
        "or w.number is null"
    )
