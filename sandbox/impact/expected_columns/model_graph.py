"""Digest each column of a project's models, from the tables of the sample up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.engine.sql.column_digests import (
    RelationDigest,
    UnknownQueryError,
    compute_digest,
    digest_query,
    parse_query,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MAX_SQL_CHARACTERS = 200_000


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model of one version.

    Attributes:
        sql: Its query; None if it is none, or is not known.
        text: Its code, whatever it is.
        other: A digest of everything else besides its inputs.
        reads: The ids of its inputs, where it has no query.
        columns: The names of its columns in this version's output; None if it has none.
        is_whole: Whether more than its query decides each column, as in snapshots.
        problem: Why not all of its inputs are known.
    """

    sql: str | None
    text: str = ""
    other: str = ""
    reads: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None
    is_whole: bool = False
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class ModelGraph:
    """The models and sources of one version.

    Attributes:
        models: The models, by id.
        outputs: The id of the model of each output.
        sources: The digests of the other tables, by id.
        names: The ids by the names of relations, in lower case; None for a name of several.
        dialect: The dialect of the queries, as sqlglot calls it.
        state: A digest of the whole version, for models with unknown inputs.
    """

    models: Mapping[str, Model]
    outputs: Mapping[str, str]
    sources: Mapping[str, RelationDigest]
    names: Mapping[tuple[str, ...], str | None]
    dialect: str
    state: str


def index_names(places: Iterable[tuple[str, tuple[str, ...]]]) -> dict[tuple[str, ...], str | None]:
    """Return ids by the names of their relations, with and without qualifiers; None where several have one name.

    >>> index_names([("a", ("db", "raw", "Orders"))])
    {('db', 'raw', 'orders'): 'a', ('raw', 'orders'): 'a', ('orders',): 'a'}
    """
    names: dict[tuple[str, ...], str | None] = {}
    for key, place in places:
        lower = tuple(part.lower() for part in place)
        for start in range(len(lower)):
            name = lower[start:]
            names[name] = key if names.get(name, key) == key else None
    return names


@dataclass(kw_only=True)
class GraphDigester:
    """Digests the models of a graph.

    Attributes:
        graph: The graph.
        is_pinned: Whether models with unknown inputs count as equal in every version: then only known code lets a digest
            differ.
        problems: Why a model has unknown inputs, by id.
    """

    graph: ModelGraph
    is_pinned: bool
    problems: dict[str, str] = field(default_factory=dict)
    _known: dict[str, RelationDigest | None] = field(default_factory=dict)
    _reads: dict[str, set[str]] = field(default_factory=dict)

    def digest_model(self, key: str) -> RelationDigest:
        """Return the digests of a model or source.

        Raises:
            UnknownQueryError: It reads itself.
        """
        if key in self.graph.sources:
            return self.graph.sources[key]
        if key not in self._known:
            self._known[key] = None
            self._known[key] = self._digest(key, self.graph.models[key])
        known = self._known[key]
        if known is None:
            raise UnknownQueryError("it reads itself")
        return known

    def find_problem(self, key: str, differs: Callable[[str], bool]) -> str | None:
        """Return why a model, or one of its inputs, is not known; None if no such model differs."""
        self.digest_model(key)
        seen, queue = {key}, [key]
        for model in queue:
            if model in self.problems and differs(model):
                return self.problems[model]
            for read in sorted(self._reads.get(model, set()) - seen):
                seen.add(read)
                queue.append(read)
        return None

    def _digest(self, key: str, model: Model) -> RelationDigest:
        if model.sql is None and model.problem is None:
            return self._digest_program(key, model)
        try:
            found = self._digest_query(key, model)
        except UnknownQueryError as error:
            self.problems[key] = f"{key.rpartition('.')[2]}: {error}"
            return self._build_whole(model, "pinned" if self.is_pinned else (model.text, model.other, self.graph.state))
        if model.is_whole:
            return self._build_whole(model, (found.whole, model.other))
        columns = None
        if found.columns is not None:
            columns = {name: compute_digest(value, model.other) for name, value in found.columns.items()}
        return RelationDigest(rows=compute_digest(found.rows, model.other), columns=columns)

    def _digest_query(self, key: str, model: Model) -> RelationDigest:
        if model.problem is not None or model.sql is None:
            raise UnknownQueryError(str(model.problem))
        if len(model.sql) > MAX_SQL_CHARACTERS:
            raise UnknownQueryError("its SQL is too long")
        query = parse_query(model.sql, self.graph.dialect)
        return digest_query(
            query, self.graph.dialect, lambda names: self._find_relation(key, names), output_columns=model.columns
        )

    def _digest_program(self, key: str, model: Model) -> RelationDigest:
        """Digest a program as a whole: it differs only if its code or one of its inputs does."""
        self._reads[key] = set(model.reads)
        self.problems[key] = f"{key.rpartition('.')[2]}: it is not SQL"
        read = [(name, self.digest_model(name).whole) for name in sorted(model.reads)]
        return self._build_whole(model, "pinned" if self.is_pinned else (model.text, model.other, read))

    def _build_whole(self, model: Model, decided: object) -> RelationDigest:
        whole = compute_digest("whole", decided)
        names = None if model.columns is None else [name.lower() for name in model.columns]
        return RelationDigest(rows=whole, columns=None if names is None else dict.fromkeys(names, whole))

    def _find_relation(self, reader: str, names: tuple[str, ...]) -> RelationDigest:
        key = self.graph.names.get(names)
        if key is None:
            raise UnknownQueryError(f"it reads {'.'.join(names)}, which is no model and no table of the sample")
        self._reads.setdefault(reader, set()).add(key)
        return self.digest_model(key)
