"""Templates: values go in escaped, and with their hidden characters shown; what is missing is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jinja2
from markupsafe import Markup

from sandbox import formatting
from sandbox.report import estimates, findings
from sandbox.store.paths import find_packaged_folder

Finalizer = Callable[[Any], Any]
MAX_TEXT_LENGTH = 2000  # characters of one text


def render_template(template: str, *, finish: Finalizer, given: dict[str, object]) -> str:
    """Give a filled template.

    Args:
        template: Its name in ``templates/``; in one that ends in ``.html`` every value is escaped for HTML.
        finish: Applied to every value that the template prints, before that.
        given: The template's names.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(find_packaged_folder("templates")),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(enabled_extensions=("html",)),
        finalize=finish,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        number=formatting.format_number,
        share=formatting.format_share,
        size=formatting.format_size,
        duration=formatting.format_duration,
        change=formatting.format_change,
        shown=formatting.format_value,
        moment=formatting.format_timestamp,
        cut=formatting.truncate_text,
        tied=formatting.bind_percent_signs,
    )
    return environment.get_template(template).render(
        findings=findings, estimating=estimates, many=formatting.format_count, **given
    )


def sanitize_text(found: Any) -> Any:
    """Show the hidden characters of a text that is not markup of ours, and no more of it than anybody reads."""
    if not isinstance(found, str) or isinstance(found, Markup):
        return found
    return formatting.truncate_text(formatting.escape_hidden(found[: MAX_TEXT_LENGTH + 1]), MAX_TEXT_LENGTH)
