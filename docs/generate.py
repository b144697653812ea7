"""Write the pages and schemas that are made from the code: ``make docs``.

docs/configuration.md comes from the settings, docs/reference.md from the command line, docs/api.md from docstrings.
"""

from __future__ import annotations

import datetime as dt
import inspect
import re
import textwrap
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from pydantic import BaseModel

from sandbox import api
from sandbox.cli import COMMANDS, sandbox
from sandbox.config.settings import Settings
from sandbox.config.settings_schema import render_settings_schema
from sandbox.config.toml_quoting import quote_key, quote_text
from sandbox.manifest import diff_schema
from sandbox.project.registry import SCHEMA_FILENAME
from sandbox.testing import assertions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parents[1]
CONFIGURATION_HEAD = """\
# sandbox.toml

Every key, with its type, default and an example. Sizes are `"4GB"`, `"512MiB"` or bytes; durations `"30m"`, `"1h30m"` or
seconds; shares `"1%"` or `0.01`. A key that is not listed is an error. Editors complete and check the file with
`.sandbox/sandbox.schema.json`, which `sandbox init` names in its first line.

Scalars of `[project]`, `[source]`, `[sample]`, `[stack]`, `[stack.limits]`, `[pipeline]` and `[gate]` are also read from the
environment: `SANDBOX_STACK_RUNTIME=docker`. Flags win over the environment, and the environment over the file.
"""
REFERENCE_HEAD = """\
# Commands

Every command and its options, as `sandbox COMMAND --help` prints them.
"""
API_HEAD = """\
# Python API

```python
import sandbox

project = sandbox.open(".")  # the sandbox.toml here or above
sample = project.sample()  # drawn or pulled if there is none yet
sample.duckdb().sql("select count(*) from orders")

diff = project.diff(baseline="main")  # candidate: the working tree
diff.verdict, diff.report, diff.estimates
diff.outputs["customer_value"].rows("changed")
```

`import sandbox` takes milliseconds; what a call needs is imported by the call. Errors are those of `sandbox.errors`, with
`message`, `hint` and the exit status of the command. For tests there are [fixtures](testing.md).
"""
# What the page shows, in its order: the name that users write, and what it stands for.
API_OBJECTS: tuple[tuple[str, Any], ...] = (
    ("sandbox.open", api.open_project),
    ("Project", api.Project),
    ("Sample", api.Sample),
    ("Run", api.Run),
    ("Diff", api.Diff),
    ("Output", api.Output),
    ("sandbox.compare_tables", api.compare_tables),
    ("TableComparison", api.TableComparison),
    ("sandbox.testing.assert_same_data", assertions.assert_same_data),
)

# What stands in a key's annotation, and what people call it; the first that fits counts.
TYPE_WORDS = (
    ("CsvSection", "table"),
    ("list[str] | dict", "list or table"),
    ("bool | ", "boolean or list"),
    ("dict[str, Annotated[str", "text or table"),
    ("dict", "table"),
    ("list", "list"),
    ("bool", "boolean"),
    ("parse_size", "size"),
    ("parse_memory", "size, or `auto`"),
    ("parse_duration", "duration"),
    ("parse_share", "share"),
    ("datetime", "number, date or time"),
    ("str", "text"),
    ("float", "number"),
    ("int", "whole number"),
)


def render_pages() -> dict[Path, str]:
    """Return the text of every generated file."""
    return {
        ROOT / "docs" / "configuration.md": render_configuration(),
        ROOT / "docs" / "reference.md": render_reference(),
        ROOT / "docs" / "api.md": render_api(),
        ROOT / "templates" / SCHEMA_FILENAME: render_settings_schema(),
        ROOT / "templates" / diff_schema.SCHEMA_FILENAME: diff_schema.render_diff_schema(),
    }


def render_configuration() -> str:
    """Return docs/configuration.md."""
    parts = [CONFIGURATION_HEAD]
    for title, model in list_sections(Settings, ""):
        rows = [render_key(name, field) for name, field in list_keys(model)]
        head = ["| key | type | default | meaning | example |", "|---|---|---|---|---|"]
        parts += [f"## {title}\n", "\n".join([*head, *rows]) + "\n"]
    return "\n".join(parts)


def list_keys(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the keys of a section; those that are only sections of their own have no example."""
    for name, field in model.model_fields.items():
        if find_section(field) is None or field.examples:
            yield field.alias or name, field


def list_sections(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the sections of the file, depth first, each under the header that TOML gives it."""
    yield (f"`[{path}]`" if path and not path.startswith("[") else f"`{path}`" if path else "Top level"), model
    for name, field in model.model_fields.items():
        found = find_section(field)
        if found is None or found is model:
            continue
        section, form = found, str(field.annotation)
        below = f"{path}.{name}".strip(".").replace("[", "").replace("]", "")
        if form.startswith("list"):
            yield f"`[[{below}]]`", section
        elif name in {"also", "gate"} and path:
            continue  # the keys are those of [sample] and [gate]
        else:
            yield from list_sections(section, f"{below}.NAME" if form.startswith("dict") else below)


def find_section(field: FieldInfo) -> type[BaseModel] | None:
    """Return the section that a key holds, if it holds one and no short form stands for it."""
    pending: list[Any] = [field.annotation]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        pending += get_args(annotation)
    return None


def render_key(name: str, field: FieldInfo) -> str:
    """Return a key's row."""
    example = f"`{name} = {render_value(field.examples[0])}`" if field.examples else ""
    cells = [f"`{name}`", describe_type(field), render_default(field), field.description or "", example]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def describe_type(field: FieldInfo) -> str:
    """Return a key's type in words."""
    text = str(field.annotation) + str(field.metadata)
    choices = re.findall(r"Literal\[(.*?)\]", text)
    if choices and "dict" not in text and "list[sandbox" not in text and "parse" not in text:
        words = ", ".join(f"`{word}`" for word in re.findall(r"'([^']*)'", ", ".join(choices)))
        return f"list of {words}" if text.startswith(("list", "typing.Annotated[list")) else words or "1"
    return next(words for marker, words in TYPE_WORDS if marker in text)


def render_default(field: FieldInfo) -> str:
    """Return a key's default as TOML writes it."""
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None:
        return "–"
    if "duration" in str(field.metadata):
        return f"`{render_value(format_duration(default))}`"
    if isinstance(default, int) and not isinstance(default, bool) and default >= 10**6:
        return f"`{render_value(format_size(default))}`"
    return f"`{render_value(default)}`"


def format_duration(seconds: float) -> str:
    """Return a duration with its unit.

    >>> format_duration(1800.0), format_duration(10.0)
    ('30m', '10s')
    """
    return f"{seconds / 60:g}m" if seconds % 60 == 0 else f"{seconds:g}s"


def format_size(size: int) -> str:
    """Return a size with its unit.

    >>> format_size(2**30), format_size(4 * 10**9)
    ('1GiB', '4GB')
    """
    return f"{size // 2**30}GiB" if size % 2**30 == 0 else f"{size // 10**9}GB"


def render_value(value: Any) -> str:
    """Return a value as TOML writes it.

    >>> print(render_value({"age": {"min": 0}, "on": [True, "x"]}))
    { age = { min = 0 }, on = [true, "x"] }
    """
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quote_text(value)
        case dict():
            pairs = ", ".join(f"{quote_key(key)} = {render_value(inner)}" for key, inner in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case list():
            return "[" + ", ".join(map(render_value, value)) + "]"
        case dt.date():
            return value.isoformat()
        case _:
            return f"{value:_}" if isinstance(value, int) and 10**4 <= value < 10**9 else str(value)


def render_reference() -> str:
    """Return docs/reference.md."""
    context = click.Context(sandbox, info_name="sandbox")
    parts = [REFERENCE_HEAD, *render_command(sandbox, context)]
    for name in COMMANDS:
        command = sandbox.get_command(context, name)
        assert command is not None
        parts += render_command(command, click.Context(command, info_name=name, parent=context))
    return "\n".join(parts)


def render_command(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the sections of a command and of its subcommands."""
    context.max_content_width = context.terminal_width = 100
    yield f"## `{context.command_path}`\n\n```\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group) and context.parent is not None:
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from render_command(inner, click.Context(inner, info_name=name, parent=context))


def render_api() -> str:
    """Return docs/api.md."""
    parts = [API_HEAD]
    for name, target in API_OBJECTS:
        parts += render_object("##", name, target)
        if inspect.isclass(target):
            for member, value in vars(target).items():
                if not member.startswith("_") and is_documented(value):
                    parts += render_object("###", f"{name}.{member}", value)
    return "\n".join(parts)


def is_documented(member: Any) -> bool:
    """Return whether a member of a class has a docstring of its own."""
    return bool(inspect.isfunction(member) or isinstance(member, property | cached_property)) and bool(member.__doc__)


def render_object(level: str, name: str, target: Any) -> Iterator[str]:
    """Yield the heading and the docstring of a class, a function, a method or a property."""
    heading = f"{name}{format_signature(target)}" if inspect.isfunction(target) else name
    yield f"{level} `{heading}`\n"
    yield render_docstring(inspect.getdoc(target) or "")


def format_signature(function: Any) -> str:
    """Return the parameters of a function without their types, which its description tells.

    >>> format_signature(lambda self, path=".", *, key=(): None)
    "(path='.', *, key=())"
    """
    signature = inspect.signature(function)
    kept = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
    return str(
        signature.replace(
            parameters=[one for one in kept if one.name != "self"], return_annotation=inspect.Signature.empty
        )
    )


def render_docstring(text: str) -> str:
    r"""Return a docstring as Markdown: sections of names become lists, and examples code.

    >>> print(render_docstring("Return ``x``.\n\nArgs:\n    a: One,\n        and more."))
    Return `x`.
    <BLANKLINE>
    - `a`: One, and more.
    <BLANKLINE>
    """
    blocks = []
    for block in text.replace("``", "`").split("\n\n"):
        title, _, below = block.partition("\n")
        if block.startswith(">>>"):
            blocks.append(f"```python\n{block}\n```")
        elif title in {"Args:", "Attributes:", "Raises:"}:
            lead = "Raises" if title == "Raises:" else ""
            blocks.append("\n".join(render_items(lead, below)))
        else:
            blocks.append(" ".join(block.split()))
    return "\n\n".join(blocks) + "\n"


def render_items(lead: str, text: str) -> Iterator[str]:
    """Yield the items of a section, each with its name as code."""
    for item in re.split(r"\n(?=\S)", textwrap.dedent(text)):
        names, _, meaning = " ".join(item.split()).partition(": ")
        words = ", ".join(f"`{name}`" for name in names.split(", "))
        yield f"- {lead} {words}: {meaning}" if lead else f"- {words}: {meaning}"


if __name__ == "__main__":
    for path, text in render_pages().items():
        path.write_text(text, "utf-8")
