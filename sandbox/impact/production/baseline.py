"""Use production's real outputs, restricted to the sample's units, as the baseline of a comparison."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.compare import OutputRules, Tolerance
from sandbox.engine.duckdb.session import Session, quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.errors import ConfigError, PipelineError
from sandbox.impact.artifacts import SideContents, compare_artifacts, list_not_compared
from sandbox.impact.compare_outputs import compute_memory_limit
from sandbox.impact.noise.detection import ROUNDING_TOLERANCES
from sandbox.manifest.canonical_json import hash_file
from sandbox.manifest.diff import NotCompared
from sandbox.manifest.diff_sides import ProductionOutput
from sandbox.manifest.run import RunArtifact
from sandbox.model import TableFiles
from sandbox.runner.outputs import classify_outputs
from sandbox.tables.file_formats import find_database_format
from sandbox.tables.table_opening import open_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sandbox.manifest.diff import ArtifactDiff
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Progress, Sample
    from sandbox.tables.classification import FolderClassification

TEXT_TYPE = "VARCHAR"
ROUNDING_WARNING = (
    "production's own outputs cannot be made again, so noise was not told from change; "
    f"changes of up to {ROUNDING_TOLERANCES['DOUBLE']:g} of a floating-point value do not count"
)


@dataclass(frozen=True, kw_only=True)
class ProductionBaseline:
    """The comparable part of production's outputs.

    Attributes:
        tables: The tables, restricted to the sample's units.
        descriptions: Descriptions of the full tables.
        exclusions: Incomparable outputs, with the reason.
        warnings: Further warnings for the reader.
    """

    tables: dict[str, TableFiles]
    descriptions: dict[str, ProductionOutput]
    exclusions: dict[str, str]
    warnings: list[str]


def open_outputs(path: Path, *, paths: Mapping[str, str], csv: Mapping[str, Mapping[str, Any]]) -> FolderClassification:
    """Read the contents of ``--baseline-output``: a folder laid out like a run's outputs, or a database file.

    Raises:
        ConfigError: It does not exist, or holds no table.
        PipelineError: It cannot be read.
    """
    if not path.exists():
        raise ConfigError(
            f"--baseline-output: {path} is not there",
            hint="name the folder or the .duckdb file that production wrote",
        )
    if path.is_file() and find_database_format(path) is None:
        raise ConfigError(
            f"--baseline-output: {path} is neither a folder nor a database file",
            hint=f"name its folder: {path.parent}",
        )
    contents = classify_outputs(path, paths=paths, csv=csv)
    if not contents.tables:
        raise ConfigError(
            f"--baseline-output: {path} holds no output",
            hint="it should hold <name>.parquet, <name>/*.parquet, <name>.csv, or be a .duckdb file",
        )
    return contents


def describe_contents(contents: FolderClassification, path: Path, *, complete: bool) -> SideContents:
    """Return production's outputs besides tables; digests only if comparable with a sample's."""
    artifacts = {
        artifact.path.relative_to(path).as_posix(): RunArtifact(
            bytes=artifact.path.stat().st_size,
            sha256=hash_file(artifact.path) if complete else "",
            output=artifact.output,
            reason=artifact.reason,
        )
        for artifact in contents.artifacts
    }
    return SideContents(tables=contents.tables.keys(), artifacts=artifacts, not_compared=contents.not_compared)


def compare_artifacts_of_sample(
    baseline: SideContents, candidate: SideContents
) -> tuple[dict[str, ArtifactDiff], list[NotCompared]]:
    """Compare the comparable artifacts: one made from all of production is not comparable with a sample's."""
    artifacts = compare_artifacts(baseline, candidate)
    left_out = list_not_compared(baseline, candidate)
    for path, artifact in baseline.artifacts.items():
        if not artifact.sha256 and path in candidate.artifacts:
            del artifacts[path]
            left_out.append(
                NotCompared(name=path, reason="production made it from all rows, the candidate from a sample")
            )
    return artifacts, left_out


def list_exclusions(production: ProductionBaseline) -> list[NotCompared]:
    """Return the outputs that could not be restricted to the sample's units."""
    return [NotCompared(name=name, reason=reason, output=name) for name, reason in production.exclusions.items()]


def restrict_outputs(
    tables: Mapping[str, TableFiles],
    *,
    sample: Sample,
    manifest: SampleManifest,
    rules: Mapping[str, OutputRules],
    folder: Path,
    fold_case: bool = False,
    progress: Progress,
) -> ProductionBaseline:
    """Restrict production's outputs to the units of the sample.

    Args:
        tables: Production's tables.
        sample: The candidate's sample.
        manifest: The sample's manifest.
        rules: The declared rules of outputs.
        folder: The folder for the restricted tables, written as Parquet.
        fold_case: Whether columns have their names in lower case: warehouses write them in capitals.
        progress: Shows one step per output.

    Raises:
        ConfigError: No output can be compared, or their unit's key is masked in the sample.
        PipelineError: One cannot be read.
    """
    keys = {unit: draw.key for unit, draw in manifest.units.items()}
    production = ProductionBaseline(tables={}, descriptions={}, exclusions={}, warnings=[])
    with Session(memory=compute_memory_limit(), failure=PipelineError) as session:
        for number, (name, table) in enumerate(tables.items()):
            with progress.step(f"reading production's {name}"):
                source = _ProductionTable.from_files(session, table, number, fold_case=fold_case)
                unit = choose_unit(source.columns, rules.get(name, OutputRules()), keys=keys, masking=manifest.masking)
                if unit is None and not is_complete(manifest):
                    production.exclusions[name] = (
                        "no column names a sampling unit, so it cannot be cut to the sample's units; "
                        f"if one does: [outputs.{name}] unit_key"
                    )
                    continue
                target = folder / f"{number}.parquet"
                chosen = _build_unit_query(source, unit, sample.path, manifest)
                session.execute(
                    f"copy ({chosen}) to {quote_literal(str(target))} (format parquet)",
                    doing=f"cutting {name}",
                )
                production.descriptions[name] = _describe_output(session, table, source, target)
                production.tables[name] = TableFiles(name=name, format="parquet", paths=(target,))
                production.warnings.extend(_find_mask_warnings(name, source.columns, manifest))
    if not production.tables:
        reasons = "\n".join(f"{name}: {reason}" for name, reason in production.exclusions.items())
        raise ConfigError("none of production's outputs can be compared with the sample's", hint=reasons)
    return production


def add_rounding_tolerances(rules: Mapping[str, OutputRules], names: Iterable[str]) -> dict[str, OutputRules]:
    """Add a tolerance for rounding to rules: production added floating-point numbers in another order."""
    rounding = {kind: Tolerance(rel=relative) for kind, relative in ROUNDING_TOLERANCES.items()}
    result = dict(rules)
    for name in names:
        output_rules = rules.get(name, OutputRules())
        result[name] = dataclasses.replace(output_rules, type_tolerance={**rounding, **output_rules.type_tolerance})
    return result


def choose_unit(
    columns: Iterable[str],
    rules: OutputRules,
    *,
    keys: Mapping[str, Sequence[str]],
    masking: Mapping[str, Mapping[str, str]],
) -> tuple[str, tuple[str, ...]] | None:
    """Choose the unit table of an output's rows, and the output's unit columns.

    Args:
        columns: The output's columns.
        rules: The declared rules of the output.
        keys: Each unit table's key, the most important table first.
        masking: The masks by table and column.

    Raises:
        ConfigError: That key is masked in the sample, and no other unit's key is present unmasked.
    """
    known = set(columns)
    fitting: list[tuple[str, tuple[str, ...]]] = []
    for table, key in keys.items():
        names = tuple(key) if rules.unit_key is None else rules.unit_key
        if names and len(names) == len(key) and set(names) <= known:
            fitting.append((table, names))
    fitting.sort(key=lambda candidate: set(candidate[1]) != set(keys[candidate[0]]))
    masked = {table: _list_masked_columns(keys[table], masking.get(table, {})) for table, _ in fitting}
    plain = [candidate for candidate in fitting if not masked[candidate[0]]]
    if fitting and not plain:
        table, names = fitting[0]
        raise ConfigError(
            f"{', '.join(masked[table])} of {table} is masked in the sample, and production's outputs hold it as it is: "
            f"no row of the one can be found in the other by {', '.join(names)}",
            hint="compare with a run of production's code instead: sandbox diff --baseline REF",
        )
    return plain[0] if plain else None


def is_complete(manifest: SampleManifest) -> bool:
    """Check whether the sample holds every row of every table, so that no restriction is necessary."""
    return all(table.rows == table.source_rows for table in manifest.tables.values())


@dataclass(frozen=True, kw_only=True)
class _ProductionTable:
    """One of production's outputs in a session: SQL for a ``from`` clause, and its columns' types."""

    sql: str
    columns: dict[str, str]

    @classmethod
    def from_files(
        cls, session: Session, table: TableFiles, number: int, *, fold_case: bool = False
    ) -> _ProductionTable:
        doing = f"production's {table.name} cannot be read"
        sql = open_table(session, table, f"made {number}", doing=doing)
        described = session.fetch_rows(f"describe select * from {sql}", doing=doing)
        if fold_case:
            listed = ", ".join(
                f"{quote_identifier(name)} as {quote_identifier(name.lower())}" for name, *_ in described
            )
            sql, described = f"(select {listed} from {sql})", [(name.lower(), *rest) for name, *rest in described]
        return cls(sql=sql, columns={name: kind for name, kind, *_ in described})


def _build_unit_query(
    source: _ProductionTable, unit: tuple[str, Sequence[str]] | None, sample: Path, manifest: SampleManifest
) -> str:
    """Build the SQL of the rows whose unit is in the sample; of all rows if it holds every unit."""
    if unit is None:
        return f"select * from {source.sql}"
    table, columns = unit
    weights = build_parquet_reader([sample / manifest.weights[table].path])
    kinds = {column.name: column.type for column in manifest.tables[table].columns}
    pairs = []
    for column, key in zip(columns, _align_key(columns, manifest.units[table].key), strict=True):
        text = (source.columns[column] == TEXT_TYPE) != (kinds[key] == TEXT_TYPE)
        cast = f"::{TEXT_TYPE}" if text else ""
        pairs.append(f"o.{quote_identifier(column)}{cast} = u.{quote_identifier(key)}{cast}")
    return f"select o.* from {source.sql} o semi join {weights} u on {' and '.join(pairs)}"


def _align_key(columns: Sequence[str], key: Sequence[str]) -> Sequence[str]:
    """Return the key in the order of the output's columns if both have the same names."""
    return columns if set(columns) == set(key) else key


def _describe_output(session: Session, table: TableFiles, source: _ProductionTable, target: Path) -> ProductionOutput:
    stats = [path.stat() for path in table.paths]
    youngest = dt.datetime.fromtimestamp(max(stat.st_mtime for stat in stats), dt.UTC)
    doing = f"production's {table.name} cannot be read"
    [(rows,)] = session.fetch_rows(f"select count(*) from {source.sql}", doing=doing)
    [(left,)] = session.fetch_rows(f"select count(*) from {build_parquet_reader([target])}", doing=doing)
    return ProductionOutput(
        files=len(stats),
        bytes=sum(stat.st_size for stat in stats),
        modified=youngest.isoformat(timespec="seconds"),
        rows=rows,
        compared=left,
    )


def _list_masked_columns(columns: Iterable[str], masks: Mapping[str, str]) -> list[str]:
    return [column for column in columns if masks.get(column, "none") != "none"]


def _find_mask_warnings(name: str, columns: Iterable[str], manifest: SampleManifest) -> list[str]:
    """Return warnings about columns named like a masked one: the mask alone would make them differ."""
    masked = {column for masks in manifest.masking.values() for column, mask in masks.items() if mask != "none"}
    names = sorted(masked & set(columns))
    if not names:
        return []
    return [
        f"{name}: {', '.join(names)} may differ by the sample's masks alone; to leave it out: [outputs.{name}] ignore"
    ]
