"""A proposal as the text of a ``sandbox.toml``, and in a few lines for the terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jinja2

from sandbox.config import toml_quoting
from sandbox.formatting import format_share, format_size
from sandbox.store.paths import find_packaged_folder

if TYPE_CHECKING:
    from sandbox.suggest import Proposal


@dataclass(frozen=True, kw_only=True)
class OutputLines:
    """An output: its name, and what is known of its key and of the columns that name a unit."""

    name: str
    key: tuple[str, ...] | None
    unit_key: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class DbtLines:
    """What the file says of a dbt project.

    Attributes:
        adapters: The databases that its profile names, but for DuckDB and what production runs it on if that is Postgres.
        postgres: Whether that is Postgres.
        include: Folders that git ignores and the project needs.
        outputs: Its models as far as something is known of their keys.
        absent: Sources that it reads and the source has no table for.
        seeded: Whether its seeds are the source.
    """

    adapters: tuple[str, ...]
    postgres: bool
    include: tuple[str, ...]
    outputs: tuple[OutputLines, ...]
    absent: tuple[str, ...]
    seeded: bool


@dataclass(frozen=True, kw_only=True)
class ProjectContext:
    """What the file says beside its source.

    Attributes:
        project: The project's name.
        salt: Of the draw.
        production: The git ref that production runs.
        requirements: The project's requirements file, if it has one.
        command: The pipeline's command, if it is known.
        dbt: What is to be said of a dbt project; None for another.
    """

    project: str
    salt: str
    production: str
    requirements: str | None = None
    command: str | None = None
    dbt: DbtLines | None = None


def render_settings(proposal: Proposal, around: ProjectContext) -> str:
    """Give the text of the file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(find_packaged_folder("templates")),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - TOML; what goes in is written as a key, a text or a comment
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
    return environment.get_template("sandbox.toml").render(proposal=proposal, **vars(around))


def format_comment(text: str) -> str:
    r"""Give a text as a comment can hold it: on one line, without control characters.

    >>> format_comment("a\nb")
    'a b'
    """
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029\x85]+", " ", text)


def summarize_proposal(proposal: Proposal) -> list[str]:
    """Give what a person should know of it, a line each."""
    keyed = sum(one.key is not None for one in proposal.tables.values())
    references = sum(len(one.references) for one in proposal.tables.values())
    masked = sum(len(one) for one in proposal.masks.values())
    found = [
        f"{len(proposal.tables)} tables, {keyed} with a key, {references} references, {masked} personal columns",
        f"unit: {proposal.unit.table}; {proposal.unit.expected_sample}",
    ]
    found += [f"left out: {name}: {reason}" for name, reason in proposal.skipped_tables.items()]
    return found
