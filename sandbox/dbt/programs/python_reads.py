"""Find every file that a dbt model in Python reads. Pure: the input is its source."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPUTING_MODULES = frozenset(
    {
        "__future__", "calendar", "collections", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools",
        "hashlib", "itertools", "json", "math", "numbers", "numpy", "operator", "pandas", "random", "re", "statistics",
        "string", "textwrap", "typing", "unicodedata", "uuid", "zoneinfo",
    }
)  # fmt: skip
"""Modules that read nothing by themselves, apart from functions with a name of `READING_NAME`."""
READING_NAME = re.compile(
    r"_.*|(read|scan|load|open|from_?file|fromregex|genfromtxt|memmap|exec|eval|compile|globals|locals|vars|getattr|setattr|"
    r"sql|query|execute|cursor|io|lib|ctypeslib|f2py|testing|core|util|compat|plotting|conftest|show_config|"
    r"ExcelFile|HDFStore|DataSource|input|breakpoint|attrgetter|methodcaller|reset_tzpath|TZPATH|session)(_.*|s?$|txt$|z$)",
    re.ASCII,
)
"""Names of functions and modules that reach beyond their arguments."""


@dataclass(frozen=True, kw_only=True)
class PythonReads:
    """The files read by a model.

    Attributes:
        files: Their paths.
        problem: The first expression whose reads cannot be determined; None if the list is complete.
    """

    files: tuple[str, ...] = ()
    problem: str | None = None


class UnknownPythonReadError(Exception):
    """The reads of an expression cannot be determined; the message names it."""


def find_python_reads(source: str) -> PythonReads:
    """Return every file read by a model's source.

    The list is complete only for a model that imports `COMPUTING_MODULES` alone, calls no function of `READING_NAME`
    except on a literal path, turns each relation into a data frame at once (``dbt.ref("a").df()``), and leaves its second
    argument, the database session, unused.
    """
    try:
        tree = ast.parse(source)
        context = _ModelContext.from_tree(tree)
        files = {file for node in ast.walk(tree) for file in _list_files(node, context)}
    except UnknownPythonReadError as error:
        return PythonReads(problem=str(error))
    except (SyntaxError, ValueError, RecursionError):
        return PythonReads(problem="its Python cannot be parsed")
    return PythonReads(files=tuple(sorted(files)))


@dataclass(frozen=True, kw_only=True)
class _ModelContext:
    """The context of the expressions of a model.

    Attributes:
        checked: The identities of names that are checked as part of a larger expression.
        sessions: The names of the database session.
    """

    checked: frozenset[int]
    sessions: frozenset[str]

    @classmethod
    def from_tree(cls, tree: ast.Module) -> _ModelContext:
        """Return the context of a parsed source."""
        checked: set[int] = set()
        sessions: set[str] = set()
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name) as function) if _names_file(name):
                    checked.add(id(function))
                case ast.Attribute(attr="df" | "to_df" | "fetchdf", value=ast.Call(func=ast.Attribute() as function)):
                    checked.add(id(function))
                case ast.FunctionDef(name="model", args=ast.arguments(args=[_, session, *_])):
                    sessions.add(session.arg)
                case _:
                    pass
        return cls(checked=frozenset(checked), sessions=frozenset(sessions))


def _list_files(node: ast.AST, context: _ModelContext) -> Iterator[str]:
    """Yield the files read by one expression, without the expressions inside.

    Raises:
        UnknownPythonReadError: They cannot be determined.
    """
    match node:
        case ast.Import(names=names):
            _check_modules([name.name for name in names])
        case ast.ImportFrom(module=module, names=names, level=level):
            _check_modules([f"{'.' * level}{module or ''}"])
            for name in names:
                _check_name(name.name)
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if _names_file(name):
            yield _get_literal_path(node, name)
        case ast.Attribute(attr="ref" | "source" as name) if id(node) not in context.checked:
            raise UnknownPythonReadError(f"it uses the relation of {name}() for more than its data frame")
        case ast.Name(id=name) if name in context.sessions:
            raise UnknownPythonReadError(f"it queries the database by {name}")
        case ast.Attribute(attr=name) | ast.Name(id=name) if id(node) not in context.checked or not _names_file(name):
            _check_name(name)
        case _:
            pass


def _names_file(function: str) -> bool:
    """Whether the first argument of a function is the path of a file."""
    return function.startswith("read_") or function == "open"


def _check_modules(names: list[str]) -> None:
    for name in names:
        if name not in COMPUTING_MODULES:
            raise UnknownPythonReadError(f"it imports {name}")


def _check_name(name: str) -> None:
    if READING_NAME.fullmatch(name) or name == "*":
        raise UnknownPythonReadError(f"it uses {name}")


def _get_literal_path(call: ast.Call, name: str) -> str:
    """Return the only positional argument of a call, a literal path."""
    match call.args:
        case [ast.Constant(value=str(path))] if all(_is_plain_keyword(keyword, name) for keyword in call.keywords):
            return path
        case [ast.Constant(value=str(path)), ast.Constant(value="r" | "rb" | "rt")] if name == "open":
            return path
        case _:
            raise UnknownPythonReadError(f"it calls {name}() on a path that is not written out")


def _is_plain_keyword(keyword: ast.keyword, function: str) -> bool:
    if keyword.arg is None or (function == "open" and keyword.arg not in {"encoding", "errors", "newline"}):
        return False
    return all(
        isinstance(part, ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Load) for part in ast.walk(keyword.value)
    )
