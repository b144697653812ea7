"""Write values, library messages and addresses into errors without leaking row values or credentials.

Every text that could hold a value of a row passes through here on its way into an error, a log line or a report:
`format_row_value` for values read by sandbox itself, `describe_foreign_error` for messages of libraries, which may
quote values. A library's message is shown only if its kind is known: everything else is omitted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUOTED_SQL = re.compile(r"""\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'""")
MAX_SHAPE_LENGTH = 40  # characters of a value's shape
MAX_MESSAGE_LENGTH = 400  # characters of a library's message
UNSHOWN_REASON = "its message is not shown, because it may hold values of rows"

# Errors with a first line about SQL, names, files or the machine, never about a value: by the module of their class,
# the name of the class or of a base class.
_HARMLESS_ERRORS = {
    "_duckdb": {
        "BinderException", "CatalogException", "ParserException", "SyntaxException", "PermissionException",
        "NotImplementedException", "OutOfMemoryException", "IOException", "HTTPException", "ConnectionException",
    },
    "builtins": {"OSError", "EOFError", "ImportError", "UnicodeDecodeError", "MemoryError", "TimeoutError"},
    "json": {"JSONDecodeError"},
    "_csv": {"Error"},
    "zlib": {"error"},
    "psycopg": {"OperationalError"},
    "sqlglot": {"SqlglotError"},
    "_internal": {"TableNotFoundError"},  # of deltalake
    "pyiceberg": {
        "NoSuchTableError", "NoSuchNamespaceError", "NoSuchIcebergTableError", "UnauthorizedError", "ForbiddenError",
        "ServerError", "OAuthError", "NotInstalledError", "AuthorizationExpiredError",
    },
    "sqlalchemy": {"DBAPIError", "NoSuchModuleError", "ArgumentError"},
}  # fmt: skip
# The same for Postgres, by the state's first two characters: connections, transactions, names and rights, resources.
_HARMLESS_STATES = {"08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "72"}
_TYPE = r"[A-Z][A-Z0-9_ ]*(?:\(\d+(?:, ?\d+)?\))?(?:\[\d*\])*"
_SOURCE_COLUMN = r"(?: when casting from source column (?P<column>\w+))?"
_FORMAT = r"(?P<format>\(\[?YYYY-MM-DD[^\"]*\))"
# Further known messages: the pattern of the whole message, and the text shown. Values are shown as their shape.
_KNOWN_MESSAGES = tuple(
    (re.compile(pattern, re.DOTALL), shown)
    for pattern, shown in (
        (rf"Could not convert string ['\"](?P<value>.*)['\"] to '?(?P<type>{_TYPE})'?{_SOURCE_COLUMN}\.?",
         "a text like {value} cannot be converted to {type}{column}"),
        (r"Could not convert string '(?P<value>.*)' to ENUM\(.*", "a text like {value} is not one of the type's values"),
        ((rf"Type (?P<old>{_TYPE}) with value (?P<value>.*) can't be cast (?:because .* for|to) the destination type "
          rf"(?P<type>{_TYPE}){_SOURCE_COLUMN}"), "a value of type {old} cannot be converted to {type}{column}"),
        (rf"Could not cast value (?P<value>.*) to (?P<type>{_TYPE}){_SOURCE_COLUMN}",
         "a value cannot be converted to {type}{column}"),
        ((rf"(?P<what>invalid (?:date|time|timestamp) field format|(?:date|time|timestamp) field value out of range): "
          rf"\"(?P<value>.*)\", expected format is {_FORMAT}{_SOURCE_COLUMN}"),
         "{what}: a text like {value}, expected format is {format}{column}"),
        (r"Malformed JSON at byte \d+ of input: (?P<what>[a-z ]+)\..*", "malformed JSON: {what}"),
        ((r"Malformed JSON in file \"(?P<file>.*)\", at byte (?P<byte>\d+) in (?P<where>line|record/value) (?P<line>\d+): "
          r"(?P<what>[A-Za-z0-9 -]+)\. ?"), "malformed JSON in file {file}, at byte {byte} in {where} {line}: {what}"),
        (r"JSON transform error in file \"(?P<file>.*)\", in line (?P<line>\d+): .*",
         "in file {file}, line {line} does not fit the columns' types"),
        (rf"Overflow in (?P<what>[a-z]+) of (?P<type>{_TYPE}) \(.*", "overflow in {what} of {type}"),
        (r"Overflow in (?P<type>\w+) (?P<what>[a-z]+): .*", "overflow in {what} of {type}"),
        (r"PRIMARY KEY or UNIQUE constraint violation: .*", "a key repeats"),
        (r"More than one row returned by a subquery used as an expression.*",
         "more than one row returned by a subquery used as an expression"),
        (r"Invalid string encoding found in Parquet file.*", "a text of the Parquet file is not UTF-8"),
        (r"Could not parse string \".*", "a text does not have the format that is expected of it"),
        (r"Invalid unicode \(.*", "a text is not UTF-8"),
        (r"Could not decode to UTF-8 column '(?P<name>[^']*)' with text .*", "a text of column {name} is not UTF-8"),
        (r"(?P<said>Map keys must be unique\.|(?:Date|Timestamp) out of range|malformed JSON)", "{said}"),
        # Files of another format than expected, and unreachable addresses.
        (r"(?P<said>No magic bytes found at end of file '.*'|File '.*' too small to be a Parquet file)", "{said}"),
        (r"(?P<said>TProtocolException: Invalid data|don't know what type: .|(?:Snappy|ZSTD|GZIP|LZ4|Brotli)[\w ]+)",
         "{said}"),
        ((r"(?:Could not open Parquet input source '.*': )?(?P<said>Parquet magic bytes not found[\w .]*|"
          r"Parquet file size is \d+ bytes, smaller than [\w ]+ \(\d+ bytes\))"), "{said}"),
        ((r"(?P<said>file is not a database|database is locked|database disk image is malformed|disk I/O error|"
          r"unable to open database file|attempt to write a readonly database|no such (?:table|column): [\w.]+)"),
         "{said}"),
        ((r"(?:Kernel error: )?(?P<said>Generic delta kernel error: [\w ]+|No table metadata or protocol found[\w .]*|"
          r"Unsupported: Feature '\w+' is not supported|Json error|Not a Delta table[\w: ]*|Invalid table version: \d+).*"), "{said}"),
        # Postgres; the first is raised by SQL of `sandbox.engine.postgres.columns` for unreadable values.
        (r".* (?P<said>sandbox: (?:infinite|late|nan|nested) \d+)\"", "{said}"),
        (r"invalid input syntax for type (?P<type>[\w ]+)(?:: \"(?P<value>.*)\")?",
         "a text like {value} cannot be converted to {type}"),
        (r"value \"(?P<value>.*)\" is out of range for type (?P<type>[\w ]+)",
         "a value is out of range for type {type}"),
        (r"date/time field value out of range: .*", "a date or time is out of range"),
        (r"invalid byte sequence for encoding \"(?P<name>\w+)\": .*", "a text is not valid in the encoding {name}"),
        (r"duplicate key value violates unique constraint (?P<name>\"[^\"]+\")",
         "a key repeats, against the constraint {name}"),
        (r"(?P<said>(?:\w+ |numeric field )?(?:out of range|overflow)|division by zero)", "{said}"),
        (r"(?P<said>null value in column \"[^\"]+\" of relation \"[^\"]+\" violates not-null constraint)", "{said}"),
        ((r"(?P<said>canceling statement due to [a-z ]+|terminating connection due to [a-z ]+|"
         r"server closed the connection unexpectedly|no connection to the server|"
         r"SSL connection has been closed unexpectedly|permission denied for \w+ [\w.\"]+|"
         r"could not obtain lock on relation \"[^\"]+\"|snapshot too old|"
         r"query would be affected by row-level security policy for table \"[^\"]+\"|"
         r"materialized view \"[^\"]+\" has not been populated|"
         r"(?:relation|column|schema|table|function) \"[^\"]+\" does not exist).*"), "{said}"),
        (r"(?P<said>(?:\w+://\S+: |When [a-z ]+(?:key|bucket) [^:]*: )?AWS Error \w+(?: during \w+ operation)?.*)",
         "{said}"),
    )
)  # fmt: skip
_CSV_PROBLEMS = (
    (r"Expected Number of Columns: (\d+) Found: (\d+)", "has {1} fields where the header has {0}"),
    (r"unterminated quote", "has a quote that does not end"),
    (r"not utf-8|Invalid unicode", "is not UTF-8"),
    (rf"Could not convert string \".*\" to '({_TYPE})'", "has a value that cannot be converted to {0}"),
)
_PASSWORD = re.compile(r"(\w[\w+.-]*:/{2,3})[^\s/@:'\"]*:[^\s'\"]*@")
_SECRET_OPTION = re.compile(
    r"([?&; ][\w.-]*(?:password|passwd|pwd|secret|token|signature|credential|access_?key)[\w.-]*=)[^&;\s'\"]+",
    re.IGNORECASE,
)


def format_row_value(value: object, *, hidden: bool = True) -> str:
    """Return a value of a row for an error: the value, or its shape if the value must not be shown.

    The shape shows how a value is written: letters are ``a`` and ``A``, digits ``9``, and all characters outside ASCII
    ``?``.

    >>> format_row_value("Jane-12"), format_row_value("Jane-12", hidden=False), format_row_value(None)
    ("'Aaaa-99'", 'Jane-12', 'NULL')
    """
    if value is None:
        return "NULL"
    text = str(value)
    if not hidden:
        return text
    start = text[:MAX_SHAPE_LENGTH]
    shape = re.sub(r"[^ -~]", "?", re.sub(r"[0-9]", "9", re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", start))))
    return f"'{shape}{'…' if len(text) > MAX_SHAPE_LENGTH else ''}'"


def hide_literals(sql: str) -> str:
    r"""Return SQL for a log without its text literals: values of partitions, also in paths, may be among them.

    >>> hide_literals('select "its" from t where c = \'Jane\' or d = 3')
    'select "its" from t where c = \'…\' or d = 3'
    """
    return _QUOTED_SQL.sub(lambda match: match[0] if match[0].startswith('"') else "'…'", sql)


def describe_foreign_error(error: BaseException, text: str | None = None) -> str:
    """Return a library's error message in one line, without any value of a row.

    The message is shown if the class of the error or the form of the message is known to hold no value; else only the
    class is named.

    Args:
        error: The error.
        text: Its message, if the library adds words of its own to it. The class is then ignored.

    >>> describe_foreign_error(ValueError("Could not convert string 'Jane' to INT32"))
    "a text like 'Aaaa' cannot be converted to INT32"
    >>> describe_foreign_error(ValueError("Jane"))
    'ValueError; its message is not shown, because it may hold values of rows'
    """
    message = _strip_prefix(str(error) if text is None else text)
    if _has_harmless_state(error) or (text is None and is_harmless(error)):
        lines = message.strip().splitlines()
        shown = _find_traceback_error(lines) or lines[0] if lines else type(error).__name__
    else:
        shown = _match_known_message(message) or f"{type(error).__name__}; {UNSHOWN_REASON}"
    return hide_credentials(shown)[:MAX_MESSAGE_LENGTH]


def is_harmless(error: BaseException) -> bool:
    """Return whether the whole message of a library's error is known to hold no value of a row."""
    named = ((class_.__module__.partition(".")[0], class_.__name__) for class_ in type(error).__mro__)
    return _has_harmless_state(error) or any(name in _HARMLESS_ERRORS.get(module, ()) for module, name in named)


def _has_harmless_state(error: BaseException) -> bool:
    return (getattr(error, "sqlstate", None) or "")[:2] in _HARMLESS_STATES


def describe_csv_error(text: str) -> tuple[int, str] | None:
    """Return the line number and kind of DuckDB's error about a CSV file, without the line's text."""
    match = re.search(r"CSV Error on Line: (\d+)", text)
    if match is None:
        return None
    for pattern, shown in _CSV_PROBLEMS:
        if problems := list(re.finditer(pattern, text)):
            return int(match[1]), shown.format(*problems[-1].groups())
    return int(match[1]), "cannot be read"


def hide_credentials(text: str) -> str:
    """Return a text without the passwords and tokens of its addresses.

    >>> hide_credentials("at postgres://me:secret@host/db?sslpassword=x&a=1, sqlite:///me:secret@x, s3://bucket/a")
    'at postgres://…@host/db?sslpassword=…&a=1, sqlite:///…@x, s3://bucket/a'
    """
    return _SECRET_OPTION.sub(r"\1…", _PASSWORD.sub(r"\1…@", text))


def _strip_prefix(text: str) -> str:
    """Return a message without DuckDB's error kind and without the quoted query."""
    return re.sub(r"^[A-Z][A-Za-z ]{0,40} Error: |^OSError: ", "", text.strip().partition("\n\nLINE ")[0].strip())


def _find_traceback_error(lines: list[str]) -> str | None:
    """Return the error of a Python function that DuckDB called, from the lines of its traceback."""
    if not lines or not lines[0].startswith("Traceback "):
        return None
    named = [line for line in lines[1:] if re.match(r"OSError: |FileNotFoundError: |PermissionError: ", line)]
    return _strip_prefix(named[-1]) if named else UNSHOWN_REASON


def _match_known_message(text: str) -> str | None:
    if message := describe_csv_error(text):
        return f"line {message[0]} {message[1]}"
    if text.startswith("Traceback "):
        return _find_traceback_error(text.splitlines())
    for pattern, shown in _KNOWN_MESSAGES:
        if match := pattern.fullmatch(text):
            return shown.format_map(_build_message_parts(match.groupdict()))
    return None


def _build_message_parts(groups: Mapping[str, Any]) -> dict[str, str]:
    column = groups.get("column")
    texts = {name: text for name, text in groups.items() if text is not None}
    return {
        **texts,
        "value": format_row_value(groups.get("value")),
        "column": f", in column {column}" if column else "",
    }
