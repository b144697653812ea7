"""Digest everything that decides the rows and each column of a query: equal digests on equal inputs are equal values.

Filters, joins, grouping and order decide the rows, and with them every column. An expression decides its own column.
A query beyond that (recursion, pivots, a star over unknown columns) is digested as a whole: all of its inputs decide
each of its columns.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlglot import exp, parse
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

ROW_FUNCTIONS = frozenset(
    {
        "generate_subscripts", "json_array_elements", "json_array_elements_text", "json_each", "json_object_keys",
        "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_each", "jsonb_object_keys", "regexp_matches",
        "regexp_split_to_table", "string_to_table",
    }
)  # fmt: skip
"""Functions that make rows where they are selected."""
ROW_EXPRESSIONS = (exp.UDTF, exp.Explode, exp.GenerateSeries)


class UnknownQueryError(Exception):
    """The inputs of a query are unknown; the message says why."""


class _UnresolvedError(Exception):
    """A query cannot be digested column by column."""


@dataclass(frozen=True, kw_only=True)
class RelationDigest:
    """Digests of the inputs and code behind a relation.

    Attributes:
        rows: The digest of its rows.
        columns: The digest of each column, ``rows`` included, by name in lower case; None if the names are unknown.
    """

    rows: str
    columns: Mapping[str, str] | None

    @property
    def whole(self) -> str:
        """The digest of the whole relation."""
        return compute_digest("relation", self.rows, *(self.columns or {}).items())


def compute_digest(*parts: object) -> str:
    """Return a digest of values, by their representation."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def parse_query(sql: str, dialect: str) -> exp.Query:
    """Parse a single query.

    Raises:
        UnknownQueryError: It is none.
    """
    try:
        statements = [statement for statement in parse(sql, read=dialect) if statement is not None]
    except (SqlglotError, RecursionError) as error:
        raise UnknownQueryError("its SQL cannot be parsed") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise UnknownQueryError("its SQL is not one query")
    return statements[0]


def digest_query(
    query: exp.Query,
    dialect: str,
    find_relation: Callable[[tuple[str, ...]], RelationDigest],
    *,
    output_columns: Iterable[str] | None = None,
) -> RelationDigest:
    """Return the digests of a query.

    Args:
        query: The query; it is not changed.
        dialect: Its dialect, as sqlglot calls it.
        find_relation: Returns the digests of a relation by its name, in lower case and with its qualifiers.
        output_columns: The names of the result's columns, for a query digested as a whole.

    Raises:
        UnknownQueryError: Raised by ``find_relation``.
    """
    query = query.copy()
    relations = _name_relations(query, find_relation)
    try:
        return _QueryDigester(_qualify(query, dialect, relations), relations).digest()
    except Exception:  # noqa: BLE001 - sqlglot's resolution raises whatever it meets, and every query has this way out
        read = sorted({table.name for table in query.find_all(exp.Table)} & relations.keys())
        whole = compute_digest("query", query.sql(dialect, comments=False), [relations[name].whole for name in read])
        names = None if output_columns is None else [name.lower() for name in output_columns]
        return RelationDigest(rows=whole, columns=None if names is None else dict.fromkeys(names, whole))


def _name_relations(
    query: exp.Query, find_relation: Callable[[tuple[str, ...]], RelationDigest]
) -> dict[str, RelationDigest]:
    """Rename each relation outside the query to one without qualifiers, and return the digests by these names."""
    try:
        scopes = traverse_scope(query)
    except (SqlglotError, RecursionError) as error:
        raise UnknownQueryError("its SQL cannot be resolved") from error
    outside = {
        id(source): source for scope in scopes for source in scope.sources.values() if isinstance(source, exp.Table)
    }
    common = {common_table.alias_or_name.lower() for common_table in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        # A scope knows one source of each name; another of the same name, or one beyond the scopes, is outside too.
        if isinstance(table.this, exp.Identifier) and (table.args.get("db") or table.name.lower() not in common):
            outside[id(table)] = table
    relations: dict[str, RelationDigest] = {}
    names: dict[tuple[str, ...], str] = {}
    for table in outside.values():
        if not isinstance(table.this, exp.Identifier):
            continue  # a function
        parts = tuple(part.name.lower() for part in table.parts)
        if parts not in names:
            names[parts] = f"relation_{len(names)}"
            relations[names[parts]] = find_relation(parts)
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
        table.set("this", exp.to_identifier(names[parts]))
        table.set("db", None)
        table.set("catalog", None)
    for column in query.find_all(exp.Column):
        column.set("db", None)
        column.set("catalog", None)
    return relations


def _qualify(query: exp.Query, dialect: str, relations: Mapping[str, RelationDigest]) -> exp.Query:
    if any(part.args.get("recursive") for part in query.find_all(exp.With)) or query.find(exp.Pivot):
        raise _UnresolvedError
    if any(join.args.get("method") == "NATURAL" for join in query.find_all(exp.Join)):
        raise _UnresolvedError
    schema: dict[str, object] = {
        name: dict.fromkeys(relation.columns, "unknown") for name, relation in relations.items() if relation.columns
    }
    return qualify(
        query.copy(),
        dialect=dialect,
        schema=schema,
        expand_alias_refs=False,  # expansion doubles with each alias that is used twice
        validate_qualify_columns=False,
        quote_identifiers=False,
        identify=False,
    )


@dataclass(frozen=True, kw_only=True)
class _Place:
    """The scope of a part of a query, and the projections of its query.

    ``hashes`` has those known so far, and None for one that is being hashed.
    """

    scope: Scope
    projections: Mapping[str, exp.Expr]
    hashes: dict[str, str | None] = field(default_factory=dict)


class _QueryDigester:
    """Digests a qualified query."""

    def __init__(self, query: exp.Query, relations: Mapping[str, RelationDigest]) -> None:
        self.query = query
        self.relations = relations
        self.scopes = {id(scope.expression): scope for scope in traverse_scope(query)}
        self.known: dict[int, RelationDigest] = {}

    def digest(self) -> RelationDigest:
        return self._digest_query(self.query)

    def _digest_query(self, query: exp.Expr) -> RelationDigest:
        while isinstance(query, exp.Subquery):
            if any(query.args.get(key) for key in ("order", "limit", "offset", "with_", "with")):
                raise _UnresolvedError
            query = query.this
        if id(query) not in self.known:
            match query:
                case exp.Select():
                    self.known[id(query)] = self._digest_select(query)
                case exp.SetOperation():
                    self.known[id(query)] = self._digest_set_operation(query)
                case _:
                    raise _UnresolvedError
        return self.known[id(query)]

    def _digest_select(self, select: exp.Select) -> RelationDigest:
        projections = {projection.alias_or_name.lower(): projection.unalias() for projection in select.expressions}
        if len(projections) != len(select.expressions) or any(
            name in {"", "*"} or isinstance(projection, exp.Star) for name, projection in projections.items()
        ):
            raise _UnresolvedError
        place = _Place(scope=self._find_scope(select), projections=projections)
        hashes = {name: self._hash_projection(name, place) for name in projections}
        passed = self._find_passed_source(select, place.scope)
        if passed is not None:
            rows = passed.rows
        else:
            clauses = [
                (key, self._hash(select.args[key], place))
                for key in sorted(_list_used(select))
                if key not in {"expressions", "with", "with_"}
            ]
            rows = compute_digest("select", clauses, *self._list_row_projections(select, projections, hashes))
        columns = {
            name: hashes[name]
            if passed is not None and isinstance(projection, exp.Column)
            else compute_digest("column", rows, hashes[name])
            for name, projection in projections.items()
        }
        return RelationDigest(rows=rows, columns=columns)

    def _hash_projection(self, name: str, place: _Place) -> str:
        if name not in place.hashes:
            place.hashes[name] = None
            place.hashes[name] = self._hash(place.projections[name], place)
        known = place.hashes[name]
        if known is None:
            raise _UnresolvedError
        return known

    def _find_scope(self, query: exp.Expr) -> Scope:
        scope = self.scopes.get(id(query))
        if scope is None:
            raise _UnresolvedError
        return scope

    def _find_passed_source(self, select: exp.Select, scope: Scope) -> RelationDigest | None:
        """Return the source of a query with exactly its rows, in no other order."""
        used = {key for key, value in select.args.items() if value} - {"expressions", "with", "with_"}
        if used not in ({"from"}, {"from_"}) or len(scope.selected_sources) != 1:
            return None
        plain = (exp.AggFunc, exp.Anonymous, exp.Window, exp.Query, *ROW_EXPRESSIONS)
        if any(projection.find(*plain) for projection in select.expressions):
            return None
        [(table, source)] = scope.selected_sources.values()
        if isinstance(table, exp.Table) and set(_list_used(table)) - {"this", "alias", "db", "catalog"}:
            return None
        return self._digest_source(source)

    def _list_row_projections(
        self, select: exp.Select, projections: Mapping[str, exp.Expr], hashes: Mapping[str, str]
    ) -> Sequence[object]:
        """Return the parts of projections that decide rows."""
        grouping = select.args.get("group")
        takes_all = (
            bool(select.args.get("distinct"))
            or (grouping is not None and (grouping.args.get("all") or not grouping.expressions))
            or any(_is_position(part) for part in _list_clause_parts(select))
        )
        if takes_all:
            return sorted(hashes.values())
        found: list[object] = []
        is_aggregated = False
        for name, projection in projections.items():
            parts = list(projection.walk(prune=lambda part: isinstance(part, exp.Query)))
            functions = {part.name.lower() for part in parts if isinstance(part, exp.Anonymous)}
            if any(isinstance(part, ROW_EXPRESSIONS) for part in parts) or functions & ROW_FUNCTIONS:
                found.append(hashes[name])
            elif grouping is None and functions:
                found.append(sorted(functions))  # one of them may be an aggregate
            is_aggregated |= any(isinstance(part, exp.AggFunc) and not _is_windowed(part) for part in parts)
        return [*sorted(map(repr, found)), is_aggregated]

    def _digest_set_operation(self, query: exp.SetOperation) -> RelationDigest:
        sides = [self._digest_query(side) for side in (query.left, query.right)]
        if sides[0].columns is None or sides[1].columns is None:
            raise _UnresolvedError
        first, second = list(sides[0].columns.items()), list(sides[1].columns.items())
        if query.args.get("by_name"):
            pairs = [
                (name, sides[0].columns.get(name), sides[1].columns.get(name))
                for name in {**sides[0].columns, **sides[1].columns}
            ]
        elif len(first) == len(second):
            pairs = [(name, left, right) for (name, left), (_, right) in zip(first, second, strict=True)]
        else:
            raise _UnresolvedError
        names = {name: compute_digest(left, right) for name, left, right in pairs}
        keys = set(_list_used(query)) - {
            "this",
            "expression",
            "with",
            "with_",
            "distinct",
            "by_name",
            "side",
            "kind",
            "on",
        }
        clauses = [(key, self._hash_output_clause(query.args[key], names)) for key in sorted(keys)]
        options = [(key, repr(query.args.get(key))) for key in ("by_name", "side", "kind", "on")]
        is_all = isinstance(query, exp.Union) and not query.args.get("distinct")
        decided = None if is_all else sorted(names.values())
        rows = compute_digest(type(query).__name__, is_all, options, clauses, sides[0].rows, sides[1].rows, decided)
        return RelationDigest(
            rows=rows, columns={name: compute_digest("column", rows, value) for name, value in names.items()}
        )

    def _hash_output_clause(self, clause: Any, names: Mapping[str, str]) -> str:
        """Hash the order or limit of a set operation, whose columns are those of the result."""
        if isinstance(clause, exp.Column):
            if clause.name.lower() not in names:
                raise _UnresolvedError
            return names[clause.name.lower()]
        if isinstance(clause, exp.Query):
            raise _UnresolvedError
        return self._hash_parts(clause, lambda part: self._hash_output_clause(part, names))

    def _hash(self, part: Any, place: _Place) -> str:
        """Hash a part of a query by its structure: names of tables and formats do not count, columns count by their digests."""
        match part:
            case exp.Column():
                return self._hash_column(part, place)
            case exp.Table() if isinstance(part.this, exp.Identifier):
                return self._hash_table(part, place)
            case exp.Subquery() | exp.Query():
                options = []
                if isinstance(part, exp.Subquery):
                    keys = set(_list_used(part)) - {"this", "alias"}
                    options = [(key, self._hash(part.args[key], place)) for key in sorted(keys)]
                digest = self._digest_query(part)
                is_source = isinstance(part.parent, exp.From | exp.Join)
                return compute_digest("query", digest.rows if is_source else digest.whole, options)
            case exp.TableAlias():
                return ""
            case exp.Star() if not isinstance(part.parent, exp.Count):
                raise _UnresolvedError
            case _:
                return self._hash_parts(part, lambda inner: self._hash(inner, place))

    def _hash_parts(self, part: Any, hash_inner: Callable[[Any], str]) -> str:
        if isinstance(part, list):
            return compute_digest([hash_inner(inner) for inner in part])
        if isinstance(part, exp.Identifier):
            return compute_digest("name", part.name.lower())
        if isinstance(part, exp.Expr):
            arguments = [
                (key, hash_inner(value)) for key, value in sorted(part.args.items()) if value not in (None, False, [])
            ]
            return compute_digest(type(part).__name__, arguments)
        return repr(part)

    def _hash_column(self, column: exp.Column, place: _Place) -> str:
        name = column.name.lower()
        if not column.table:
            if name not in place.projections:
                raise _UnresolvedError
            return self._hash_projection(name, place)
        around: Scope | None = place.scope
        while around is not None:
            source = around.sources.get(column.table)
            if source is not None:
                found = self._find_column(source, name)
                if self._digest_source(source).columns is None and place.hashes.get(name, "") is not None:
                    # The columns there are unknown, so this may be the projection of that name.
                    named = self._hash_projection(name, place) if name in place.projections else None
                    return compute_digest(found, named)
                return found
            around = around.parent
        raise _UnresolvedError

    def _find_column(self, source: exp.Expr | Scope, name: str) -> str:
        digest = self._digest_source(source)
        if digest.columns is None:
            return compute_digest(digest.rows, name)
        if name not in digest.columns:
            raise _UnresolvedError
        return digest.columns[name]

    def _digest_source(self, source: exp.Expr | Scope) -> RelationDigest:
        if isinstance(source, exp.Table):
            if not isinstance(source.this, exp.Identifier):
                return RelationDigest(rows=self._hash_parts(source.this, _hash_constant), columns=None)
            found = self.relations.get(source.name)
            if found is None:
                raise _UnresolvedError
            if source.args.get("joins") or source.args.get("pivots"):
                raise _UnresolvedError
            return found
        if isinstance(source, Scope) and isinstance(source.expression, exp.Query):
            digest = self._digest_query(source.expression)
            names = source.outer_columns
            if names and digest.columns is not None:
                if len(names) != len(digest.columns):
                    raise _UnresolvedError
                renamed = dict(zip((name.lower() for name in names), digest.columns.values(), strict=True))
                return RelationDigest(rows=digest.rows, columns=renamed)
            return digest
        if isinstance(source, Scope) and source.parent is not None:
            place = _Place(scope=source.parent, projections={})
            return RelationDigest(rows=self._hash(source.expression, place), columns=None)
        raise _UnresolvedError

    def _hash_table(self, table: exp.Table, place: _Place) -> str:
        source = place.scope.sources.get(table.alias_or_name)
        if source is None:
            raise _UnresolvedError
        keys = set(_list_used(table)) - {"this", "alias", "db", "catalog"}
        options = [(key, self._hash(table.args[key], place)) for key in sorted(keys)]
        return compute_digest("table", self._digest_source(source).rows, options)


def _hash_constant(part: Any) -> str:
    """Hash an argument of a table function; it may not depend on a column."""
    if isinstance(part, exp.Column | exp.Query | exp.Table):
        raise _UnresolvedError
    if isinstance(part, exp.Expr):
        return part.sql("duckdb", comments=False)
    return repr(part)


def _is_windowed(call: exp.Expr) -> bool:
    """Return whether an aggregate is computed over a window: it makes no groups."""
    around = call.parent
    while isinstance(around, exp.Filter | exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup):
        around = around.parent
    return isinstance(around, exp.Window)


def _list_used(part: exp.Expr) -> list[str]:
    return [key for key, value in part.args.items() if value]


def _list_clause_parts(select: exp.Select) -> list[exp.Expr]:
    """Return the expressions by which rows are grouped and sorted."""
    clauses = [select.args[key] for key in ("group", "order") if isinstance(select.args.get(key), exp.Expr)]
    parts = [part for clause in clauses for part in clause.expressions]
    return [part.this if isinstance(part, exp.Ordered) else part for part in parts]


def _is_position(part: exp.Expr) -> bool:
    """Return whether a part of a clause stands for projections: ``1``, or ``all``."""
    return isinstance(part, exp.Literal) or (
        isinstance(part, exp.Column) and part.name.lower() == "all" and not part.table
    )
