"""What only several keys together can tell, and what this version does not do yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from string import Formatter
from typing import TYPE_CHECKING

from sandbox.config.problems import Problem, nearest

if TYPE_CHECKING:
    from sandbox.config.lines import Path
    from sandbox.config.settings import Settings

Check = Callable[["Settings"], Iterator[Problem]]

ENV_FIELDS = ("sample", "output")


def problems(settings: Settings) -> list[Problem]:
    """Give every problem that validation key by key cannot see."""
    checks: tuple[Check, ...] = (
        _target,
        _unit,
        _strata,
        _references,
        _families,
        _pipeline,
        _outputs,
        _unsupported,
    )
    return [problem for check in checks for problem in check(settings)]


def _target(settings: Settings) -> Iterator[Problem]:
    given = [name for name in ("rate", "units", "size") if getattr(settings.sample, name) is not None]
    if not given:
        yield Problem(key=("sample",), message="needs one of rate, units or size; for example: rate = 0.01")
    elif len(given) > 1:
        yield Problem(key=("sample", given[1]), message=f"{' and '.join(given)} exclude each other; keep one")


def _unit(settings: Settings) -> Iterator[Problem]:
    unit = settings.sample.unit
    table = settings.tables.get(unit)
    if table is None:
        hint = nearest(unit, settings.tables)
        yield Problem(key=("sample", "unit"), message=f"there is no [tables.{unit}]{hint}")
    elif table.key is None:
        yield Problem(key=("tables", unit), message='the unit table needs a key; for example: key = ["id"]')
    elif table.keep is not None:
        yield Problem(
            key=("tables", unit, "keep"), message="the unit table is drawn; keep is for tables it points at"
        )


def _strata(settings: Settings) -> Iterator[Problem]:
    for index, stratum in enumerate(settings.sample.strata):
        ways = [way for way in ("rare_below", "quantiles", "bins") if getattr(stratum, way) is not None]
        if len(ways) > 1:
            message = f"{stratum.column}: {' and '.join(ways)} exclude each other; keep one"
            yield Problem(key=("sample", "strata", index), message=message)
    columns = [stratum.column for stratum in settings.sample.strata]
    if len(set(columns)) < len(columns):
        yield Problem(key=("sample", "strata"), message="a column is named twice")


def _references(settings: Settings) -> Iterator[Problem]:
    for name, table in settings.tables.items():
        for reference in table.all_references:
            where: Path = ("tables", name, "references" if len(reference.columns) == 1 else "reference")
            if reference.table not in settings.tables:
                hint = nearest(reference.table, settings.tables) or f"; add [tables.{reference.table}]"
                message = (
                    f"{', '.join(reference.columns)} references {reference.table}, which has no section{hint}"
                )
                yield Problem(key=where, message=message)
            if len(reference.columns) != len(reference.key):
                message = (
                    f"{len(reference.columns)} columns ({', '.join(reference.columns)}) reference "
                    f"{len(reference.key)} ({', '.join(reference.key)}); the numbers must agree"
                )
                yield Problem(key=where, message=message)


def _families(settings: Settings) -> Iterator[Problem]:
    """Check ``belongs_to``: a table whose references lead to units in two ways must say which one it follows."""
    targets = {
        name: {reference.table for reference in table.all_references if reference.table != name}
        for name, table in settings.tables.items()
    }
    family = {settings.sample.unit}
    lookups = {name for name, table in settings.tables.items() if table.keep is not None}
    while grown := {name for name, towards in targets.items() if towards & family} - family - lookups:
        family |= grown
    for name, table in settings.tables.items():
        parents = [
            reference.table for reference in table.all_references if reference.table in family - {name}
        ]
        if table.belongs_to is not None and table.belongs_to not in targets[name]:
            hint = nearest(table.belongs_to, targets[name])
            message = f"no reference of {name} leads to {table.belongs_to}{hint}"
            yield Problem(key=("tables", name, "belongs_to"), message=message)
        elif table.belongs_to is None and len(parents) > 1 and name in family - {settings.sample.unit}:
            message = (
                f"references to {' and '.join(parents)} both lead to {settings.sample.unit}; "
                f'say which one the rows come with, for example: belongs_to = "{parents[0]}"'
            )
            yield Problem(key=("tables", name), message=message)


def _pipeline(settings: Settings) -> Iterator[Problem]:
    pipeline = settings.pipeline
    for name in ("scratch", "include"):
        for index, path in enumerate(getattr(pipeline, name)):
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or path in ("", "."):
                message = f"{path!r} must be a folder or file below the folder of sandbox.toml"
                yield Problem(key=("pipeline", name, index), message=message)
    for variable, value in pipeline.env.items():
        key = ("pipeline", "env", variable)
        try:
            names = {name for _, name, _, _ in Formatter().parse(value) if name is not None}
        except ValueError as error:
            yield Problem(key=key, message=f"{value!r}: {error}; write {{{{ and }}}} for braces")
            continue
        for name in sorted(names - set(ENV_FIELDS)):
            valid = " and ".join(f"{{{field}}}" for field in ENV_FIELDS)
            yield Problem(
                key=key, message=f"{{{name}}} is not known; there are {valid}{nearest(name, ENV_FIELDS)}"
            )


def _outputs(settings: Settings) -> Iterator[Problem]:
    for name, output in settings.outputs.items():
        if len(set(output.rename.values())) < len(output.rename):
            yield Problem(key=("outputs", name, "rename"), message="two columns are renamed to one")
        for column in sorted(set(output.key or ()) & set(output.ignore)):
            yield Problem(
                key=("outputs", name, "ignore"), message=f"{column} is a key column and cannot be ignored"
            )


def _unsupported(settings: Settings) -> Iterator[Problem]:
    """Refuse what the file may say but this version does not do: nothing is ever ignored silently."""
    for key, present, what in _not_yet(settings):
        if present:
            yield Problem(key=key, message=f"{what}: not supported yet")


def _not_yet(settings: Settings) -> Iterator[tuple[Path, bool, str]]:
    source, sample, stack, pipeline = settings.source, settings.sample, settings.stack, settings.pipeline
    uri = source.uri
    yield ("source", "uri"), "://" in uri, f"{uri}: sources other than a folder of Parquet, CSV or JSON Lines"
    yield ("source", "uri"), uri.endswith((".duckdb", ".db", ".sqlite")), f"{uri}: database files as a source"
    yield ("source", "engine"), source.engine != "duckdb", f'engine = "{source.engine}"'
    yield ("source", "store"), source.store is not None, "a store of the team"
    yield ("source", "spark"), source.spark is not None, "[source.spark]"
    yield ("sample", "size"), sample.size is not None, "size as the target (use rate or units)"
    yield ("sample", "allocation"), sample.allocation != "proportional", f'allocation = "{sample.allocation}"'
    yield ("sample", "also"), bool(sample.also), "[sample.also]"
    for index, stratum in enumerate(sample.strata):
        where: Path = ("sample", "strata", index)
        yield (
            where,
            stratum.quantiles is not None or stratum.bins is not None,
            f"bins and quantiles of {stratum.column}",
        )
        prefix = stratum.column.rpartition(".")[0]
        yield where, prefix in settings.tables, f"{stratum.column}: strata on columns of other tables"
    for name, table in settings.tables.items():
        yield ("tables", name, "where"), table.where is not None, "where"
        yield (
            ("tables", name, "duplicates"),
            table.duplicates != "error",
            f'duplicates = "{table.duplicates}"',
        )
        for column, mask in table.mask.items():
            yield (
                ("tables", name, "mask", column),
                mask.kind != "none",
                f'the mask "{mask.kind}" (only "none" is)',
            )
        for index, entry in enumerate(table.reference):
            yield (
                ("tables", name, "reference", index, "when"),
                entry.when is not None,
                "polymorphic references",
            )
    yield ("stack", "image"), stack.image != "python", f'image = "{stack.image}" (only "python" is)'
    yield ("stack", "services"), bool(stack.services), f"services = {stack.services}"
    yield ("stack", "network"), stack.network != "none", f'network = "{stack.network}"'
    yield ("stack", "limits", "memory"), stack.limits.memory == "auto", 'memory = "auto"'
    yield ("pipeline", "kind"), pipeline.kind != "command", f'kind = "{pipeline.kind}"'
    others = [kind for kind in pipeline.inputs if kind != "parquet"]
    yield ("pipeline", "inputs"), bool(others), f"inputs = {others}"
    yield ("tests", 0), bool(settings.tests), "[[tests]]"
    gates = {("gate",): settings.gate} | {("outputs", n, "gate"): o.gate for n, o in settings.outputs.items()}
    for where, gate in gates.items():
        yield (*where, "total_change"), bool(gate.total_change), "total_change"
        yield (*where, "tests"), gate.tests is not None, "a gate for data tests"
