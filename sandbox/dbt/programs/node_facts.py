"""Compute the facts of each node of a dbt project: digests of everything that decides its output. Pure.

`node_reuse` compares them; see docs/design/0057-dbt-nodes-are-reused-by-their-facts.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

INTERNAL_PACKAGES = frozenset({"dbt", "dbt_duckdb", "dbt_postgres"})
"""Packages that come with dbt and its adapters: their macros follow from the versions of these."""
KNOWN_MATERIALIZATIONS = frozenset({"table", "view", "incremental", "ephemeral", "snapshot", "seed", "test", "unit"})
"""Materializations with no other effect than the node's own relation."""
UNSTABLE_NAMES = frozenset(
    {
        "context", "dbt_metadata_envs", "flags", "graph", "invocation_args_dict", "results", "schemas", "database_schemas",
        "selected_resources", "thread_id",
    }
)  # fmt: skip
"""Names of a template whose values depend on dbt's command, or on what else is built."""
STATE_WORDS = UNSTABLE_NAMES | {
    "adapter", "attach", "copy", "dblink", "export", "get_relation", "getenv", "glob", "import", "information_schema",
    "load_cached_relation", "load_relation", "pg_catalog",
}  # fmt: skip
"""Words of a hook or macro that may read more than the relations that it names."""
STATE_WORD = re.compile(
    r"(read|scan|sniff)_\w+|\w+_scan|(duckdb|sqlite|pg)_(?!_)\w+|\w*get_(columns|relations|tables|column_values)\w*"
)
DEFINITION_WORDS = frozenset({"create"})
"""Words of a node's hook that may define something for other nodes."""
SESSION_STATEMENT = re.compile(r"(?:^|;|%\})\s*((?:set|reset|use|load|install|call|execute|pragma)\b)", re.IGNORECASE)
"""The beginning of a statement that may change how other nodes are built."""
HARMLESS_PHRASE = re.compile(
    r"\bcreate\s+(unique\s+)?index\b|\badapter\.(quote|quote_as_configured)\b|\badapter\.dispatch\(\s*(['\"])\w+\3\s*[,)]",
    re.IGNORECASE,
)
"""A phrase with such a word and no such effect."""
FUNCTION_DEFINITION = re.compile(r"\bcreate\b[^;]*?\b(function|macro|procedure|trigger|aggregate)\b", re.IGNORECASE)
PATH_LITERAL = re.compile(
    r"'[^'\n]*(/|\.(csv|tsv|json|jsonl|ndjson|parquet|txt|xlsx|db|duckdb)\b)[^'\n]*'", re.IGNORECASE
)
WORD = re.compile(r"\w+")
COMPUTED_MACRO = re.compile(r"(.*__)?(get_incremental_\w+_sql|snapshot_\w+_strategy)")
"""Macros that materializations call by a computed name."""
CLOCK_WORDS = frozenset(
    {
        "age", "ago", "clock_timestamp", "current_date", "current_localtime", "current_localtimestamp", "current_time",
        "current_timestamp", "get_current_time", "get_current_timestamp", "getdate", "localtime", "localtimestamp", "now",
        "statement_timestamp", "sysdate", "timeofday", "today", "tomorrow", "transaction_timestamp", "txid_current",
        "uuidv7", "yesterday",
    }
)  # fmt: skip
"""Words of DuckDB's SQL that may stand for the time of the query."""
VARIABLE = re.compile(r"\b(?:env_)?var\b")
NAMED_VARIABLE = re.compile(r"\b(?:env_)?var(?:\.has_var)?\(\s*(['\"])(\w+)\1\s*[,)]")


@dataclass(frozen=True, kw_only=True)
class MacroDescription:
    """A macro of the project, one of its packages, or dbt itself.

    Attributes:
        name: Its name.
        package: The package that defines it.
        text: Its template.
        names: The names used in its template's expressions.
        words: These, and the literals there that can be names: whatever may name another macro.
    """

    name: str
    package: str
    text: str
    names: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class NodeDescription:
    """A model, seed, snapshot, test or source of one side.

    Attributes:
        name: Its name for people.
        kind: dbt's resource type.
        materialized: Its materialization.
        parents: The ids of the nodes and sources named by ``ref`` and ``source``.
        place: Database, schema and identifier.
        parts: Contents that decide its output, by the keys of `node_reuse.PART_TEXTS`.
        relations: The relations read by its compiled code, in lower case, with their qualifiers.
        template_names: The names used in its template.
        called: The ids of the macros called by its template.
        hooks: Its hooks, uncompiled.
        problem: Why its output cannot be predicted; None if everything it reads is known.
    """

    name: str
    kind: str
    materialized: str = ""
    parents: tuple[str, ...] = ()
    place: tuple[str, str, str] = ("", "", "")
    parts: Mapping[str, Any] = field(default_factory=dict)
    relations: tuple[tuple[str, ...], ...] = ()
    template_names: frozenset[str] = frozenset()
    called: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class ProjectDescription:
    """One side's project.

    Attributes:
        nodes: Its nodes and sources, by id.
        macros: Its macros, by id, with those of packages and of dbt itself.
        adapter: The type of the adapter.
        hooks: The hooks around every build, uncompiled.
        project: Contents that decide every output: versions, target, settings of the whole project.
        givens: The values of variables of dbt and of the environment, by name.
    """

    nodes: Mapping[str, NodeDescription]
    macros: Mapping[str, MacroDescription]
    adapter: str
    hooks: tuple[str, ...] = ()
    project: Any = None
    givens: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NodeFacts:
    """Everything that decides a node's output, besides the rows of the nodes it reads.

    Attributes:
        name: Its name for people.
        parts: Digests, by the keys of `node_reuse.PART_TEXTS`.
        reads: The ids of the nodes whose rows it reads.
        linked: The ids of nodes that its hooks may read or write: these are built together.
        problem: Why its output cannot be predicted; None if the parts and `reads` are all.
    """

    name: str
    parts: Mapping[str, str]
    reads: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return its JSON."""
        return {
            "name": self.name,
            "parts": dict(self.parts),
            "reads": list(self.reads),
            "linked": list(self.linked),
            "problem": self.problem,
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> NodeFacts:
        """Parse its JSON.

        Raises:
            KeyError, TypeError: A field is missing or of another type.
        """
        return cls(
            name=str(entry["name"]),
            parts={str(key): str(value) for key, value in dict(entry["parts"]).items()},
            reads=tuple(map(str, entry["reads"])),
            linked=tuple(map(str, entry["linked"])),
            problem=None if entry["problem"] is None else str(entry["problem"]),
        )


def build_facts(project: ProjectDescription) -> dict[str, NodeFacts]:
    """Return the facts of every node and source of one side."""
    return _FactsBuilder(project).build()


def list_clock_readers(project: ProjectDescription) -> list[str]:
    """Return the ids of models and snapshots whose rows may depend on the time at which they are built.

    Code other than queries may, and so may nodes not proven to follow from their code.
    """
    builder = _FactsBuilder(project)
    facts = builder.build()
    return sorted(
        key
        for key, node in project.nodes.items()
        if node.kind in {"model", "snapshot"} and builder.may_read_clock(node, facts[key])
    )


class _FactsBuilder:
    """Builds the facts of one project, with indexes of its macros and relations."""

    def __init__(self, project: ProjectDescription) -> None:
        self.project = project
        self.macros_by_name = _index_macros(project.macros)
        self.reached: dict[frozenset[str], tuple[str, ...]] = {}
        self.places = _index_places(project.nodes)
        self.mentions = self._index_mentions()
        self.run_macros = self._find_own_macros(project.hooks)
        self.shared_parts = {
            "project": compute_digest([project.project, project.adapter]),
            "run_hooks": self._hash_hooks(project.hooks, self.run_macros),
        }
        self.shared_problem = self._find_shared_problem()

    def build(self) -> dict[str, NodeFacts]:
        """Return the facts by id."""
        return {key: self._build_node(key, node) for key, node in self.project.nodes.items()}

    def may_read_clock(self, node: NodeDescription, facts: NodeFacts) -> bool:
        """Return whether a node's rows may depend on the time."""
        macros = [self.project.macros[key] for key in node.called if key in self.project.macros]
        names = node.template_names.union(*(one.names for one in macros if one.package not in INTERNAL_PACKAGES))
        if facts.problem or "modules" in names or self.project.adapter != "duckdb" or self.project.hooks:
            return True
        if node.materialized == "ephemeral":  # its code is part of its readers' code
            return False
        code = node.parts.get("code")
        return (
            not isinstance(code, str)
            or "def model" in code
            or bool(node.hooks or self._find_building_macros(node.materialized))
            or not CLOCK_WORDS.isdisjoint(word.lower() for word in WORD.findall(code))
        )

    def _build_node(self, key: str, node: NodeDescription) -> NodeFacts:
        if node.kind == "source" or node.materialized == "ephemeral":
            return NodeFacts(
                name=node.name,
                parts={part: compute_digest(content) for part, content in node.parts.items()},
                reads=node.parents,
                problem=node.problem or self._find_template_problem(node),
            )
        hook_macros = self._find_own_macros(node.hooks)
        builders = self._find_building_macros(node.materialized)
        texts = [*node.hooks, *(self.project.macros[macro].text for macro in {*hook_macros, *builders})]
        reads = {*node.parents, *(other for names in node.relations for other in self._find_read_nodes(names, node))}
        return NodeFacts(
            name=node.name,
            parts={
                **{part: compute_digest(content) for part, content in node.parts.items()},
                **self.shared_parts,
                "relation": compute_digest(node.place),
                "hooks": self._hash_hooks(node.hooks, hook_macros),
                "macros": self._hash_hooks((), builders),
            },
            reads=tuple(sorted(reads - {key})),
            linked=tuple(sorted(self._find_mentioned(texts) - {key})),
            problem=self._find_problem(node, hook_macros, builders),
        )

    def _find_read_nodes(self, names: tuple[str, ...], node: NodeDescription) -> set[str]:
        """Return the nodes that may be at a place; of several sources there, those named by the reader."""
        found = self.places.get(names, set())
        named = found & set(node.parents)
        return {key for key in found if key in named or not named or self.project.nodes[key].kind != "source"}

    def _find_problem(self, node: NodeDescription, hook_macros: Iterable[str], builders: Iterable[str]) -> str | None:
        if node.problem or self.shared_problem:
            return node.problem or self.shared_problem
        if node.materialized not in KNOWN_MATERIALIZATIONS:
            return f"it is materialized as {node.materialized}"
        unknown = next((names for names in node.relations if names not in self.places), None)
        if unknown is not None:
            return f"it reads {'.'.join(unknown)}, which is no model, seed or source"
        return self._find_template_problem(node) or self._find_hook_problem(node, hook_macros, builders)

    def _find_hook_problem(
        self, node: NodeDescription, hook_macros: Iterable[str], builders: Iterable[str]
    ) -> str | None:
        """Return a problem if a hook, or a macro that takes part in building the node, may reach beyond its relation."""
        own = {"its hooks": node.hooks, **{f"the macro {macro}": [self._get_text(macro)] for macro in hook_macros}}
        for owner, texts in own.items():
            statement = next((found.group(1) for text in texts if (found := SESSION_STATEMENT.search(text))), None)
            if word := statement or _find_word(texts, STATE_WORDS | DEFINITION_WORDS):
                return f"{owner} may reach beyond it ({word})"
        for macro in builders:
            if word := _find_word([self._get_text(macro)], STATE_WORDS):
                return f"the macro {macro}, which may build it, may reach beyond it ({word})"
        return None

    def _find_template_problem(self, node: NodeDescription) -> str | None:
        """Return a problem if the template may compile differently in another command or build."""
        names = dict.fromkeys(node.template_names, "its template")
        for key in node.called:
            macro = self.project.macros.get(key)
            if macro is not None and macro.package not in INTERNAL_PACKAGES:
                names.update((name, f"the macro {key}") for name in macro.names)
        return next((f"{names[name]} uses {name}" for name in sorted(names) if name in UNSTABLE_NAMES), None)

    def _find_shared_problem(self) -> str | None:
        """Return a problem of every node: hooks that read or write more than can be determined."""
        texts = [*self.project.hooks, *map(self._get_text, self.run_macros)]
        if word := _find_word(texts, STATE_WORDS):
            return f"the hooks around every build may read anything ({word})"
        if mentioned := self._find_mentioned(texts):
            return f"the hooks around every build name {self.project.nodes[min(mentioned)].name}"
        for node in self.project.nodes.values():
            texts = [*node.hooks, *map(self._get_text, self._find_own_macros(node.hooks))]
            if any(FUNCTION_DEFINITION.search(text) for text in texts):
                return f"the hooks of {node.name} may define functions"
        return None

    def _hash_hooks(self, hooks: Iterable[str], macros: Iterable[str]) -> str:
        """Return a digest of hooks and macros, with everything that they may be given."""
        texts = {macro: self._get_text(macro) for macro in macros}
        lines = [*hooks, *texts.values()]
        return compute_digest([list(hooks), texts, self._find_givens(lines), self.project.project] if lines else None)

    def _find_givens(self, texts: Collection[str]) -> Mapping[str, Any]:
        """Return the variables that templates may ask for: all of them if a name is computed."""
        uses = sum(len(VARIABLE.findall(text)) for text in texts)
        names = [name for text in texts for _, name in NAMED_VARIABLE.findall(text)]
        if len(names) < uses:
            return self.project.givens
        return {name: self.project.givens.get(name) for name in sorted(set(names))}

    def _get_text(self, macro: str) -> str:
        return self.project.macros[macro].text

    def _find_own_macros(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Return the macros, except dbt's own, that templates may call, directly or not: those whose names they contain."""
        words = frozenset(word for text in texts for word in WORD.findall(text))
        return self._follow_macros(words) if words else ()

    def _find_building_macros(self, materialized: str) -> tuple[str, ...]:
        """Return the macros, except dbt's own, that a materialization may call."""
        starts = {f"materialization_{materialized}_{adapter}" for adapter in (self.project.adapter, "default")}
        if materialized in {"incremental", "snapshot"}:
            starts |= {name for name in self.macros_by_name if COMPUTED_MACRO.fullmatch(name)}
        return self._follow_macros(frozenset(starts))

    def _follow_macros(self, words: frozenset[str]) -> tuple[str, ...]:
        if words not in self.reached:
            seen: set[str] = set()
            queue = [macro for word in words for macro in self.macros_by_name.get(word, ())]
            while queue:
                macro = queue.pop()
                if macro not in seen:
                    seen.add(macro)
                    queue += [
                        other
                        for word in self.project.macros[macro].words
                        for other in self.macros_by_name.get(word, ())
                    ]
            own = (macro for macro in seen if self.project.macros[macro].package not in INTERNAL_PACKAGES)
            self.reached[words] = tuple(sorted(own))
        return self.reached[words]

    def _index_mentions(self) -> dict[str, set[str]]:
        """Return the nodes by the words that stand for them in SQL: their identifiers, or those that only they read."""
        index: dict[str, set[str]] = {}
        for key, node in self.project.nodes.items():
            if node.kind in {"model", "seed", "snapshot"}:
                index.setdefault(node.place[2].lower(), set()).add(key)
            for names in node.relations:
                if names not in self.places:
                    index.setdefault(names[-1], set()).add(key)
        return index

    def _find_mentioned(self, texts: Collection[str]) -> set[str]:
        """Return the nodes whose relations are named by hooks or macros, or by the variables given to them."""
        given = json.dumps(self._find_givens(texts), default=str)
        words = {word.lower() for text in [*texts, given] for word in WORD.findall(text)}
        return {key for word in words for key in self.mentions.get(word, ())}


def _index_macros(macros: Mapping[str, MacroDescription]) -> dict[str, set[str]]:
    """Return macros by name, and by each part of it after a double underscore, as dispatch finds them."""
    index: dict[str, set[str]] = {}
    for key, macro in macros.items():
        parts = macro.name.split("__")
        for start in range(len(parts)):
            index.setdefault("__".join(parts[start:]), set()).add(key)
    return index


def _index_places(nodes: Mapping[str, NodeDescription]) -> dict[tuple[str, ...], set[str]]:
    """Return nodes and sources by the names of their relations, with and without qualifiers, in lower case."""
    index: dict[tuple[str, ...], set[str]] = {}
    for key, node in nodes.items():
        if node.kind in {"model", "seed", "snapshot", "source"} and node.materialized != "ephemeral":
            names = tuple(part.lower() for part in node.place)
            for start in range(len(names)):
                index.setdefault(names[start:], set()).add(key)
    return index


def _find_word(texts: Iterable[str], words: frozenset[str]) -> str | None:
    """Return the first word of texts that is one of some words, a pattern of reading functions, or a path."""
    for text in texts:
        plain = HARMLESS_PHRASE.sub(" ", text)
        if path := PATH_LITERAL.search(plain):
            return path.group()
        for word in map(str.lower, WORD.findall(plain)):
            if word in words or STATE_WORD.fullmatch(word):
                return word
    return None


def compute_digest(content: Any) -> str:
    """Return the SHA-256 of a JSON value; keys of mappings are sorted."""
    text = json.dumps(content, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
