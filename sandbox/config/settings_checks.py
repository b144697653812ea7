"""Checks across several keys, and of settings not supported yet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import PurePosixPath
from string import Formatter
from typing import TYPE_CHECKING

from sandbox.config.config_problems import ConfigProblem, suggest_name
from sandbox.config.output_checks import check_csv, check_data_tests, check_outputs
from sandbox.config.source_address import MYSQL_SCHEMES, POSTGRES_SCHEMES, SNOWFLAKE_SCHEMES, find_address_problem
from sandbox.config.unit_membership import resolve_unit_membership
from sandbox.formatting import format_count
from sandbox.model import BUCKET_SCHEMES, ICEBERG_SCHEMES, is_custom_image

if TYPE_CHECKING:
    from sandbox.config.sections.sample import DrawSection, RangeBound, StratumColumn
    from sandbox.config.settings import Settings
    from sandbox.config.toml_lines import KeyPath

SettingsCheck = Callable[["Settings"], Iterator[ConfigProblem]]

COMPILED_DIALECTS = {
    "bigquery": "BigQuery",
    "trino": "Trino",
    "clickhouse": "ClickHouse",
    "databricks": "Databricks",
}
IMAGE_NAMES = ("python", "dbt", "spark")
ENV_FIELDS = ("sample", "output", "database", "database_url")
# Required options of masks, each with an example.
MASK_OPTIONS: dict[str, dict[str, float]] = {
    "date_shift": {"days": 30},
    "noise": {"relative": 0.1},
    "bucket": {"width": 10},
}


def find_problems(settings: Settings) -> list[ConfigProblem]:
    """Return every problem that validation by single keys cannot detect."""
    checks: tuple[SettingsCheck, ...] = (
        _check_target,
        _check_unit,
        _check_strata,
        _check_references,
        _check_columns,
        _check_csv,
        _check_ranges,
        _check_unit_membership,
        _check_masks,
        check_address,
        _check_pipeline,
        _check_dbt,
        _check_image,
        _check_spark,
        check_outputs,
        check_data_tests,
        _check_unsupported,
    )
    return [problem for check in checks for problem in check(settings)]


def _list_draws(settings: Settings) -> Iterator[tuple[KeyPath, str, DrawSection]]:
    """Yield each draw with its key path and its unit table."""
    yield ("sample",), settings.sample.unit, settings.sample
    for name, draw in settings.sample.also.items():
        yield ("sample", "also", name), name, draw


def _check_target(settings: Settings) -> Iterator[ConfigProblem]:
    for key, _, draw in _list_draws(settings):
        targets = [name for name in ("rate", "units", "size") if getattr(draw, name) is not None]
        if not targets:
            yield ConfigProblem(key=key, message="needs one of rate, units or size; for example: rate = 0.01")
        elif len(targets) > 1:
            yield ConfigProblem(key=(*key, targets[1]), message=f"{' and '.join(targets)} exclude each other; keep one")


def _check_unit(settings: Settings) -> Iterator[ConfigProblem]:
    for key, unit, _ in _list_draws(settings):
        where = (*key, "unit") if key == ("sample",) else key
        table = settings.tables.get(unit)
        if table is None:
            hint = suggest_name(unit, settings.tables)
            yield ConfigProblem(key=where, message=f"there is no [tables.{unit}]{hint}")
        elif table.key is None:
            yield ConfigProblem(key=("tables", unit), message='the unit table needs a key; for example: key = ["id"]')
        elif table.keep is not None:
            yield ConfigProblem(
                key=("tables", unit, "keep"),
                message="the unit table is drawn; keep is for tables it points at",
            )
    if settings.sample.unit in settings.sample.also:
        yield ConfigProblem(
            key=("sample", "also", settings.sample.unit), message="this is the unit of [sample] already"
        )
    units = {unit for _, unit, _ in _list_draws(settings)}
    for name, table in settings.tables.items():
        for setting, is_set in (
            ("where", table.where is not None),
            ("duplicates", table.duplicates != "error"),
        ):
            if is_set and name not in units:
                message = f"{setting} is for the tables that units are drawn from: {', '.join(sorted(units))}"
                yield ConfigProblem(key=("tables", name, setting), message=message)


def _check_strata(settings: Settings) -> Iterator[ConfigProblem]:
    for key, _, draw in _list_draws(settings):
        for index, stratum in enumerate(draw.strata):
            where: KeyPath = (*key, "strata", index)
            yield from (ConfigProblem(key=where, message=message) for message in _find_stratum_problems(stratum))
            for problem in _check_bins(stratum.bins or []):
                yield ConfigProblem(key=(*where, "bins"), message=f"{stratum.column}: {problem}")
        columns = [stratum.column for stratum in draw.strata_columns]
        if len(set(columns)) < len(columns):
            yield ConfigProblem(key=(*key, "strata"), message="a column is named twice")
        if len(draw.strata) > len(draw.strata_columns) + 1:
            yield ConfigProblem(key=(*key, "strata"), message="only one entry may be the size of units; keep one")
        if draw.size_stratum is not None and "allocation" in draw.model_fields_set:
            message = f"strata by the {draw.size_stratum.label} allocate units by their spread; take allocation out"
            yield ConfigProblem(key=(*key, "allocation"), message=message)
        if draw.size_stratum is not None and draw.size is not None:
            message = f"strata by the {draw.size_stratum.label} need a rate or a number of units, not a size in bytes"
            yield ConfigProblem(key=(*key, "size"), message=message)


def _find_stratum_problems(stratum: StratumColumn) -> Iterator[str]:
    """Yield what is wrong with the keys of one entry of ``strata``."""
    subjects = [name for name in ("column", "sum", "count") if getattr(stratum, name)]
    if len(subjects) != 1:
        what = f"{' and '.join(subjects)} exclude each other; keep one" if subjects else "needs a column, sum or count"
        yield f'{what}; for example: {{ sum = "items.price" }}'
        return
    cuts = [way for way in ("rare_below", "quantiles", "bins") if getattr(stratum, way) is not None]
    sizes = [way for way in ("groups", "always") if getattr(stratum, way) is not None]
    if stratum.is_size and cuts:
        yield f"{stratum.label}: {' and '.join(cuts)} are for columns; sizes have groups and always"
    elif not stratum.is_size and sizes:
        yield f"{stratum.column}: {' and '.join(sizes)} are for sizes; name it by sum or count"
    elif len(cuts) > 1:
        yield f"{stratum.column}: {' and '.join(cuts)} exclude each other; keep one"


def _check_bins(edges: list[int | float | str]) -> Iterator[str]:
    texts = [edge for edge in edges if isinstance(edge, str)]
    numbers = [edge for edge in edges if not isinstance(edge, str)]
    if texts and numbers:
        yield "bins are numbers, or dates and times; not both"
    elif any(a >= b for a, b in pairwise(numbers)) or any(a >= b for a, b in pairwise(texts)):
        yield f"bins must ascend: {', '.join(map(str, edges))}"


def _check_references(settings: Settings) -> Iterator[ConfigProblem]:
    for name, table in settings.tables.items():
        for reference in table.all_references:
            where: KeyPath = ("tables", name, "references" if len(reference.columns) == 1 else "reference")
            if reference.table not in settings.tables:
                hint = suggest_name(reference.table, settings.tables) or f"; add [tables.{reference.table}]"
                message = f"{', '.join(reference.columns)} references {reference.table}, which has no section{hint}"
                yield ConfigProblem(key=where, message=message)
            if len(reference.columns) != len(reference.key):
                message = (
                    f"{format_count(len(reference.columns), 'column')} ({', '.join(reference.columns)}) for a key of "
                    f"{len(reference.key)} ({', '.join(reference.key)}); the numbers must agree"
                )
                yield ConfigProblem(key=where, message=message)


def _check_columns(settings: Settings) -> Iterator[ConfigProblem]:
    """Check that columns with a role are taken."""
    for name, table in settings.tables.items():
        if table.columns is not None and table.leave_out is not None:
            message = "columns and leave_out exclude each other; keep one"
            yield ConfigProblem(key=("tables", name, "leave_out"), message=message)
            continue
        roles = {
            "key": table.key or [],
            "a reference": [column for reference in table.all_references for column in reference.columns],
            "a reference to it": [
                column
                for other in settings.tables.values()
                for reference in other.all_references
                if reference.table == name
                for column in reference.key
            ],
            "mask": table.mask,
            "types": table.types,
            "ranges": table.ranges,
            "csv": table.csv.named_columns if table.csv is not None else [],
        }
        setting = "leave_out" if table.columns is None else "columns"
        for role, columns in roles.items():
            for column in dict.fromkeys(columns):
                if not table.takes_column(column):
                    message = f"{column} is not taken, and {role} names it"
                    yield ConfigProblem(key=("tables", name, setting), message=message)


def _check_csv(settings: Settings) -> Iterator[ConfigProblem]:
    for name, table in settings.tables.items():
        if table.csv is not None:
            yield from check_csv(("tables", name, "csv"), table.csv)


def _check_unit_membership(settings: Settings) -> Iterator[ConfigProblem]:
    yield from resolve_unit_membership(settings).problems


def _check_masks(settings: Settings) -> Iterator[ConfigProblem]:
    for name, table in settings.tables.items():
        for column, mask in table.mask.items():
            key = ("tables", name, "mask", column)
            needed = MASK_OPTIONS.get(mask.kind, {})
            present = {option for option in ("width", "relative", "days") if getattr(mask, option) is not None}
            for option in sorted(present - set(needed)):
                message = f"the mask {mask.kind} has no option {option}"
                has = f"; it has {', '.join(needed)}" if needed else ""
                yield ConfigProblem(key=key, message=f"{message}{has}")
            for option, example in needed.items():
                if option not in present:
                    message = (
                        f'needs {option}; for example: {column} = {{ kind = "{mask.kind}", {option} = {example} }}'
                    )
                    yield ConfigProblem(key=key, message=message)


def check_address(settings: Settings) -> Iterator[ConfigProblem]:
    """Check a database's address; it is never shown if it contains a password."""
    uri, where = settings.source.uri, ("source", "uri")
    if settings.source.postgres is not None and uri.partition("://")[0] not in POSTGRES_SCHEMES:
        yield ConfigProblem(key=("source", "postgres"), message="is for sources whose uri is postgresql://…")
    if settings.source.mysql is not None and uri.partition("://")[0] not in MYSQL_SCHEMES:
        yield ConfigProblem(key=("source", "mysql"), message="is for sources whose uri is mysql://…")
    if settings.source.row_security != "error" and uri.partition("://")[0] not in POSTGRES_SCHEMES:
        yield ConfigProblem(key=("source", "row_security"), message="is for sources whose uri is postgresql://…")
    if "://" not in uri:
        return
    scheme, problem = uri.partition("://")[0], find_address_problem(uri)
    if problem is not None:
        yield ConfigProblem(key=where, message=problem)
    elif scheme in COMPILED_DIALECTS:
        reason = f"{COMPILED_DIALECTS[scheme]}: the sampling rule is compiled for it, and has never been run there"
        hint = "export the tables as Parquet, or read them through Postgres or a data lake"
        yield ConfigProblem(key=where, message=f"{reason}; not supported as a source: {hint}")


def _check_ranges(settings: Settings) -> Iterator[ConfigProblem]:
    for name, table in settings.tables.items():
        for column, limits in table.ranges.items():
            where: KeyPath = ("tables", name, "ranges", column)
            bounds = [bound for bound in (limits.min, limits.max) if bound is not None]
            if not bounds:
                yield ConfigProblem(key=where, message="needs min or max; for example: { min = 0, max = 120 }")
            elif len(bounds) > 1 and not _is_ascending(bounds[0], bounds[1]):
                yield ConfigProblem(key=where, message=f"min = {bounds[0]} is not below or at max = {bounds[1]}")


def _is_ascending(low: RangeBound, high: RangeBound) -> bool:
    """Return whether two limits ascend or are equal; a number and a date have no order."""
    if isinstance(low, dt.date) or isinstance(high, dt.date):
        ends = [str(bound) for bound in (low, high) if isinstance(bound, dt.date)]
        return len(ends) > 1 and ends[0] <= ends[1]
    return low <= high


def _check_pipeline(settings: Settings) -> Iterator[ConfigProblem]:
    pipeline = settings.pipeline
    if set(PurePosixPath(pipeline.root).parts) - {".."} or PurePosixPath(pipeline.root).is_absolute():
        message = f'{pipeline.root!r} must be the folder of sandbox.toml (".") or one above it ("..", "../..")'
        yield ConfigProblem(key=("pipeline", "root"), message=message)
    for name in ("scratch", "include"):
        for index, path in enumerate(getattr(pipeline, name)):
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or path in ("", "."):
                message = f"{path!r} must be a folder or file below the folder of sandbox.toml"
                yield ConfigProblem(key=("pipeline", name, index), message=message)
    for variable, value in pipeline.env.items():
        key = ("pipeline", "env", variable)
        try:
            names = {name for _, name, _, _ in Formatter().parse(value) if name is not None}
        except ValueError as error:
            yield ConfigProblem(key=key, message=f"{value!r}: {error}; write {{{{ and }}}} for braces")
            continue
        for name in sorted(names - set(ENV_FIELDS)):
            valid = " and ".join(f"{{{field}}}" for field in ENV_FIELDS)
            yield ConfigProblem(
                key=key, message=f"{{{name}}} is not known; there are {valid}{suggest_name(name, ENV_FIELDS)}"
            )


def _check_dbt(settings: Settings) -> Iterator[ConfigProblem]:
    pipeline, stack = settings.pipeline, settings.stack
    if pipeline.kind != "dbt":
        if pipeline.dialect is not None:
            yield ConfigProblem(
                key=("pipeline", "dialect"), message='models of dbt alone are translated: write kind = "dbt"'
            )
        return
    if pipeline.dialect is not None and "postgres" in pipeline.inputs:
        message = "models are translated to DuckDB alone: leave inputs out"
        yield ConfigProblem(key=("pipeline", "dialect"), message=message)
    if pipeline.command is not None:
        message = 'kind = "dbt" calls dbt itself; leave command out, or write kind = "command"'
        yield ConfigProblem(key=("pipeline", "command"), message=message)
    if stack.image == "python" and stack.requirements is None:
        needed = "dbt-postgres and duckdb" if "postgres" in pipeline.inputs else "dbt-duckdb"
        message = f'kind = "dbt" needs dbt: write image = "dbt", or name requirements that hold {needed}'
        yield ConfigProblem(key=("stack", "image"), message=message)


def _check_spark(settings: Settings) -> Iterator[ConfigProblem]:
    source = settings.source
    if source.spark is None:
        return
    if source.engine != "spark":
        yield ConfigProblem(key=("source", "spark"), message='is for engine = "spark"; write that, or leave this out')
    if source.spark.remote is not None and source.spark.master is not None:
        message = "remote (a Connect server) and master exclude each other"
        yield ConfigProblem(key=("source", "spark"), message=message)
    if source.spark.write == "store" and source.store is None:
        message = 'writes the sample into the store, and there is none; add [source] store = "s3://team/samples"'
        yield ConfigProblem(key=("source", "spark", "write"), message=message)
    if "token=" in (source.spark.remote or ""):
        message = "holds a token, which does not belong into a file; leave this out and set SPARK_REMOTE"
        yield ConfigProblem(key=("source", "spark", "remote"), message=message)


def _check_image(settings: Settings) -> Iterator[ConfigProblem]:
    stack = settings.stack
    is_custom = is_custom_image(stack.image)
    if not is_custom and stack.image not in IMAGE_NAMES:
        message = (
            f'there is no image "{stack.image}"{suggest_name(stack.image, IMAGE_NAMES)}; one of your own is a path (./docker), '
            "or has a tag or a digest (team/pipeline:3)"
        )
        yield ConfigProblem(key=("stack", "image"), message=message)
    if is_custom and stack.requirements is not None:
        message = "an image of your own brings its libraries; install them in its Dockerfile, and leave this out"
        yield ConfigProblem(key=("stack", "requirements"), message=message)
    if is_custom and stack.runtime == "local":
        message = "the local runtime has no images; leave runtime out, or use an image of sandbox"
        yield ConfigProblem(key=("stack", "runtime"), message=message)
    if stack.network == "services" and "postgres" not in settings.pipeline.inputs:
        message = 'a run reaches no service but Postgres: leave this out, or write inputs = ["postgres"] in [pipeline]'
        yield ConfigProblem(key=("stack", "network"), message=message)
    if not is_custom and stack.build_network != "none":
        message = "images of sandbox are built with no network; this is for a Dockerfile of your own"
        yield ConfigProblem(key=("stack", "build_network"), message=message)


def _check_unsupported(settings: Settings) -> Iterator[ConfigProblem]:
    """Refuse valid settings that this version does not support: nothing is ignored silently."""
    for key, present, what in _list_unsupported(settings):
        if present:
            yield ConfigProblem(key=key, message=f"{what}: not supported yet")


def _list_unsupported(settings: Settings) -> Iterator[tuple[KeyPath, bool, str]]:
    uri = settings.source.uri
    scheme = uri.partition("://")[0]
    other = "://" in uri and scheme not in {
        *BUCKET_SCHEMES,
        *ICEBERG_SCHEMES,
        *POSTGRES_SCHEMES,
        *MYSQL_SCHEMES,
        *SNOWFLAKE_SCHEMES,
        *COMPILED_DIALECTS,
    }
    what = f"{scheme}://…: sources other than folders, buckets, Iceberg catalogues, database files, Postgres, MySQL and Snowflake"
    yield ("source", "uri"), other, what
