"""Templates: values go in escaped, and with their hidden characters shown; what is missing is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jinja2
from markupsafe import Markup

from sandbox import formatting
from sandbox.report import estimates, findings
from sandbox.store.paths import packaged

Finish = Callable[[Any], Any]
LONGEST = 2000  # characters of one text


def page(template: str, *, finish: Finish, given: dict[str, object]) -> str:
    """Give a filled template.

    Args:
        template: Its name in ``templates/``; in one that ends in ``.html`` every value is escaped for HTML.
        finish: Applied to every value that the template prints, before that.
        given: The template's names.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(packaged("templates")),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(enabled_extensions=("html",)),
        finalize=finish,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        number=formatting.number,
        share=formatting.share,
        size=formatting.size,
        duration=formatting.duration,
        change=formatting.change,
        shown=formatting.value,
        moment=formatting.moment,
        cut=formatting.cut,
        tied=formatting.tied,
    )
    return environment.get_template(template).render(
        findings=findings, estimating=estimates, many=formatting.many, **given
    )


def shown(found: Any) -> Any:
    """Show the hidden characters of a text that is not markup of ours, and no more of it than anybody reads."""
    if not isinstance(found, str) or isinstance(found, Markup):
        return found
    return formatting.cut(formatting.visible(found[: LONGEST + 1]), LONGEST)
