"""Render a proposal as the text of a ``sandbox.toml``, and summarize it for the terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jinja2

from sandbox.config import toml_quoting
from sandbox.formatting import format_count, format_share, format_size
from sandbox.store.paths import find_packaged_folder

if TYPE_CHECKING:
    from sandbox.suggest import Proposal


@dataclass(frozen=True, kw_only=True)
class OutputLines:
    """An output: its name, and its known key and unit columns."""

    name: str
    key: tuple[str, ...] | None
    unit_key: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class DbtLines:
    """The contents of the file for a dbt project.

    Attributes:
        adapters: The databases in its profile, except DuckDB and production's database if that is Postgres.
        targets: The names of the targets in its profile.
        postgres: Whether production's database is Postgres.
        include: Folders ignored by git and needed by the project.
        outputs: Its models with known keys.
        absent: The sources it reads without a table in the source.
        seeded: Whether its seeds are the source.
    """

    adapters: tuple[str, ...]
    targets: tuple[str, ...]
    postgres: bool
    include: tuple[str, ...]
    outputs: tuple[OutputLines, ...]
    absent: tuple[str, ...]
    seeded: bool


@dataclass(frozen=True, kw_only=True)
class ProjectContext:
    """The contents of the file besides its source.

    Attributes:
        project: The project's name.
        salt: The salt of the draw.
        production: The git ref of production.
        requirements: The project's requirements file, if any.
        command: The pipeline's command, if known.
        dbt: The contents for a dbt project; None for another.
    """

    project: str
    salt: str
    production: str
    requirements: str | None = None
    command: str | None = None
    dbt: DbtLines | None = None


def render_settings(proposal: Proposal, around: ProjectContext) -> str:
    """Render the text of the file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(find_packaged_folder("templates")),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - TOML; every value is written as a key, a text or a comment
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "key": toml_quoting.quote_key,
        "text": toml_quoting.quote_text,
        "comment": format_comment,
        "percent": format_share,
        "size": format_size,
    }
    return environment.get_template("sandbox.toml").render(proposal=proposal, many=format_count, **vars(around))


def format_comment(text: str) -> str:
    r"""Return a text as the content of a comment: on one line, without control characters.

    >>> format_comment("a\nb")
    'a b'
    """
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029\x85]+", " ", text)


def summarize_proposal(proposal: Proposal) -> list[str]:
    """Return the important points of a proposal, one line each."""
    keyed = sum(item.key is not None for item in proposal.tables.values())
    references = sum(len(item.references) for item in proposal.tables.values())
    masked = sum(len(item) for item in proposal.masks.values())
    counts = (
        format_count(len(proposal.tables), "table"),
        f"{keyed} with a key",
        format_count(references, "reference"),
        format_count(masked, "personal column"),
    )
    lines = [
        ", ".join(counts),
        f"unit: {proposal.unit.table}; {proposal.unit.expected_sample}",
    ]
    if (size := proposal.size) is not None:
        lines.append(
            f"strata by size: {size.label} is known to within ± {format_share(size.half_width_95_by_size)}, "
            f"at one rate to within ± {format_share(size.half_width_95)}"
        )
    lines += [f"left out: {name}: {reason}" for name, reason in proposal.skipped_tables.items()]
    return lines
