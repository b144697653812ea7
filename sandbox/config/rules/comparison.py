"""Comparison of the rules in two versions of ``sandbox.toml``. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.config.rules.loosening import CODE_KEYS, GATE_CHECKS, PLACEMENT_KEYS, RULE_CHECKS
from sandbox.config.rules.mask_strength import is_weaker_mask
from sandbox.config.sections.base import Section
from sandbox.config.sections.csv import PLAIN_CSV
from sandbox.config.sections.outputs import GATE_DEFAULTS, GateSection, OutputSection, ToleranceEntry
from sandbox.config.sections.source import MySQLSection, PostgresSection, SparkSection
from sandbox.config.toml_quoting import quote_key, quote_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.config.sections.sample import MaskEntry, TableSection
    from sandbox.config.settings import Settings

_OPTIONAL_SECTIONS: dict[str, Section] = {
    "source.spark": SparkSection(), "source.postgres": PostgresSection(), "source.mysql": MySQLSection(),
    "tables.*.csv": PLAIN_CSV, "outputs.*.csv": PLAIN_CSV,
}  # fmt: skip
# Masks that merge different values: with a new one, a change of the data read may become invisible.
_MERGING_MASKS = frozenset({"null", "redact", "noise", "bucket"})


@dataclass(frozen=True, kw_only=True)
class SettingChange:
    """A changed rule.

    Attributes:
        path: The key's steps.
        baseline: The value in the baseline's file as TOML; None if the key is absent.
        working: The value in the other file.
        loosens: Whether the gate could pass a difference that it failed before, or the comparison has another subject.
        reason: Additional information, or empty.
    """

    path: tuple[str, ...]
    baseline: str | None
    working: str | None
    loosens: bool
    reason: str = ""

    @property
    def key(self) -> str:
        """The key in TOML notation: ``outputs.value.ignore``."""
        return ".".join(quote_key(step) for step in self.path)

    @property
    def output(self) -> str | None:
        """The output of the rule; None for a rule of all outputs."""
        return self.path[1] if self.path[0] == "outputs" else None


def compare_rules(baseline: Settings, working: Settings) -> list[SettingChange]:
    """Return all differences between the rules of two files, in the file's order.

    Code is excluded: each side uses its own commit's. An output without a section has the defaults.
    """
    return [
        *_compare_sections(baseline, working, (), ()),
        *_compare_tables(baseline.tables, working.tables),
        *_compare_outputs(baseline, working),
        *_compare_tests(baseline, working),
        *_compare_gates(baseline.gate, working.gate, GateSection(), GateSection(), ("gate",)),
    ]


def _compare_sections(
    before: Section, after: Section, path: tuple[str, ...], pattern: tuple[str, ...]
) -> Iterator[SettingChange]:
    """Compare two sections key by key, except sections with comparison functions of their own."""
    for name, field in type(after).model_fields.items():
        step = field.alias or name
        key = ".".join((*pattern, step))
        if key in CODE_KEYS or key in _SPECIAL_SECTIONS:
            continue
        absent = _OPTIONAL_SECTIONS.get(key)
        values: list[Any] = [
            absent if value is None else value for value in (getattr(before, name), getattr(after, name))
        ]
        if isinstance(values[0], Section):
            yield from _compare_sections(values[0], values[1], (*path, step), (*pattern, step))
        elif key == "sample.also":
            yield from _compare_draws(values[0], values[1])
        elif values[0] != values[1]:
            yield _build_change((*path, step), values[0], values[1], key=key)


_SPECIAL_SECTIONS = frozenset(
    {"tables", "tests", "gate", "outputs", "tables.*.mask", "outputs.*.gate", "outputs.*.tolerance"}
    | {"outputs.*.type_tolerance"}
)


def _build_change(path: tuple[str, ...], before: Any, after: Any, *, key: str) -> SettingChange:
    """Return the change of one key; an unclassified key counts as loosened."""
    placed = key in PLACEMENT_KEYS
    check = RULE_CHECKS.get(key)
    return SettingChange(
        path=path,
        baseline=render_setting(before),
        working=render_setting(after),
        loosens=not placed and (check is None or check(before, after)),
        reason="where the code runs" if placed else "",
    )


def _compare_draws(before: Mapping[str, Section], after: Mapping[str, Section]) -> Iterator[SettingChange]:
    for name in _merge_names(before, after):
        path = ("sample", "also", name)
        if name in before and name in after:
            yield from _compare_sections(before[name], after[name], path, ("sample", "also", "*"))
        else:
            yield SettingChange(
                path=path,
                baseline=render_setting(before.get(name)),
                working=render_setting(after.get(name)),
                loosens=True,
            )


def _compare_tables(before: Mapping[str, TableSection], after: Mapping[str, TableSection]) -> Iterator[SettingChange]:
    for name in _merge_names(before, after):
        path = ("tables", name)
        if name in before and name in after:
            yield from _compare_sections(before[name], after[name], path, ("tables", "*"))
            yield from _compare_masks(before[name].mask, after[name].mask, (*path, "mask"))
        elif name in after:
            yield SettingChange(path=path, baseline=None, working="{…}", loosens=False, reason="a new table")
        else:
            yield SettingChange(path=path, baseline="{…}", working=None, loosens=True, reason="no longer sampled")


def _compare_masks(
    before: Mapping[str, MaskEntry], after: Mapping[str, MaskEntry], path: tuple[str, ...]
) -> Iterator[SettingChange]:
    for column in _merge_names(before, after):
        masks = before.get(column), after.get(column)
        if masks[0] == masks[1]:
            continue
        is_new = masks[0] is None and masks[1] is not None
        yield SettingChange(
            path=(*path, column),
            baseline=render_setting(masks[0]),
            working=render_setting(masks[1]),
            loosens=not is_new or (masks[1] is not None and masks[1].kind in _MERGING_MASKS),
            reason="a weaker mask" if is_weaker_mask(*masks) else "",
        )


def _compare_outputs(baseline: Settings, working: Settings) -> Iterator[SettingChange]:
    for name in _merge_names(baseline.outputs, working.outputs):
        before, after = (side.outputs.get(name, OutputSection()) for side in (baseline, working))
        path = ("outputs", name)
        yield from _compare_sections(before, after, path, ("outputs", "*"))
        yield from _compare_gates(before.gate, after.gate, baseline.gate, working.gate, (*path, "gate"))
        # A column without an entry has the tolerance of its type, which may be wider.
        widened = bool(after.type_tolerance)
        yield from _compare_tolerances(before.tolerance, after.tolerance, (*path, "tolerance"), widened=widened)
        types = [{str(name): entry for name, entry in side.type_tolerance.items()} for side in (before, after)]
        yield from _compare_tolerances(types[0], types[1], (*path, "type_tolerance"))


def _compare_tolerances(
    before: Mapping[str, ToleranceEntry],
    after: Mapping[str, ToleranceEntry],
    path: tuple[str, ...],
    *,
    widened: bool = False,
) -> Iterator[SettingChange]:
    exact = ToleranceEntry()
    for name in _merge_names(before, after):
        pattern = ("outputs", "*", path[-1], "*")
        if name not in after and widened:
            yield SettingChange(
                path=(*path, name), baseline=render_setting(before[name]), working=None, loosens=True, reason="removed"
            )
        else:
            yield from _compare_sections(before.get(name, exact), after.get(name, exact), (*path, name), pattern)


def _compare_tests(baseline: Settings, working: Settings) -> Iterator[SettingChange]:
    sides = [{test.name: test for test in side.tests} for side in (baseline, working)]
    for name in _merge_names(*sides):
        before, after = (side.get(name) for side in sides)
        if (before and before.sql) != (after and after.sql):
            yield SettingChange(
                path=("tests", name),
                baseline=render_setting(before and before.sql),
                working=render_setting(after and after.sql),
                loosens=before is not None,
                reason="" if before is not None else "a new test",
            )
        elif before and after and set(before.on) != set(after.on):
            yield SettingChange(
                path=("tests", name, "on"),
                baseline=render_setting(list(before.on)),
                working=render_setting(list(after.on)),
                loosens=not set(before.on) <= set(after.on),
            )


def _compare_gates(
    before: GateSection,
    after: GateSection,
    overall_before: GateSection,
    overall_after: GateSection,
    path: tuple[str, ...],
) -> Iterator[SettingChange]:
    """Compare two gates by their effective limits: a gate's own, else the overall gate's, else the default."""
    for key, check in GATE_CHECKS.items():
        name = "schema_" if key == "schema" else key
        if getattr(before, name) == getattr(after, name):
            continue
        limits = [
            next((limit for limit in (getattr(gate_limit, name), getattr(overall, name)) if limit is not None), default)
            for gate_limit, overall, default in (
                (before, overall_before, GATE_DEFAULTS[key]),
                (after, overall_after, GATE_DEFAULTS[key]),
            )
        ]
        if limits[0] != limits[1]:
            yield SettingChange(
                path=(*path, key),
                baseline=_render_limit(limits[0]),
                working=_render_limit(limits[1]),
                loosens=check(*limits),
            )
    yield from _compare_totals(before.total_change, after.total_change, (*path, "total_change"))


def _compare_totals(
    before: Mapping[str, float], after: Mapping[str, float], path: tuple[str, ...]
) -> Iterator[SettingChange]:
    for name in _merge_names(before, after):
        limits = before.get(name), after.get(name)
        if limits[0] != limits[1]:
            yield SettingChange(
                path=(*path, name),
                baseline=_render_limit(limits[0]),
                working=_render_limit(limits[1]),
                loosens=limits[1] is None or (limits[0] is not None and limits[1] > limits[0]),
            )


def _merge_names(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys([*before, *after]))


def _render_limit(limit: float | str | None) -> str | None:
    return quote_text(f"{limit * 100:.12g}%") if isinstance(limit, float) else render_setting(limit)


def render_setting(value: Any) -> str | None:
    """Return a value as TOML in one line; None for None.

    >>> render_setting(["a", "b"]), render_setting({"rate": 0.5, "on": True}), render_setting(None)
    ('["a", "b"]', '{ rate = 0.5, on = true }', None)
    """
    if value is None:
        return None
    if isinstance(value, Section):
        return render_setting(value.model_dump(exclude_unset=True, by_alias=True))
    if isinstance(value, dict):
        entries = ", ".join(f"{quote_key(key)} = {render_setting(entry)}" for key, entry in value.items())
        return f"{{ {entries} }}" if entries else "{}"
    if isinstance(value, list):
        return f"[{', '.join(str(render_setting(entry)) for entry in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return quote_text(value) if isinstance(value, str) else str(value)
