"""Render templates: values are escaped, hidden characters are made visible, and missing names are errors."""

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


def render_template(template: str, *, finish: Finalizer, values: dict[str, object]) -> str:
    """Render a template with values.

    Args:
        template: Its name in ``templates/``; every value is escaped for HTML if the name ends in ``.html``.
        finish: Applied to every printed value before escaping.
        values: The template's names.
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
        findings=findings, estimating=estimates, many=formatting.format_count, **values
    )


def sanitize_text(value: Any) -> Any:
    """Make hidden characters of a text visible and limit its length; markup of sandbox itself is unchanged."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return formatting.truncate_text(formatting.escape_hidden(value[: MAX_TEXT_LENGTH + 1]), MAX_TEXT_LENGTH)
