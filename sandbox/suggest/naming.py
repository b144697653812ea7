"""Relate names of tables and columns by their words. Pure."""

from __future__ import annotations

import functools
import re

MAX_PREFIX_LETTERS = 3
TABLE_PREFIXES = ("raw", "src", "stg", "dim", "fact", "fct", "tbl", "base", "int")
IRREGULAR_PLURALS = {
    "people": ("person", "people", "player"),
    "children": ("child",),
    "men": ("man",),
    "women": ("woman",),
}
# Interchangeable words: `orders.user_id` may refer to `customers.id`.
SYNONYMS = (
    {"user", "customer", "client", "member", "buyer", "account", "subscriber"},
    {"item", "product", "article", "sku"},
)
# What a business counts: people who are its customers, accounts, households, devices.
ENTITY_WORDS = {
    "customer", "user", "client", "member", "person", "people", "player", "patient", "account", "subscriber", "household",
    "company", "organisation", "organization", "device", "buyer", "student", "visitor", "guest", "passenger", "donor",
    "tenant", "subject", "participant", "citizen", "policyholder", "borrower", "rider", "driver", "athlete", "pupil",
}  # fmt: skip
# People and places who serve them.
STAFF_WORDS = {
    "employee", "staff", "salesperson", "agent", "rep", "representative", "worker", "manager", "doctor", "physician",
    "teacher", "instructor", "seller", "merchant", "vendor", "supplier",
}  # fmt: skip
USER_WORDS = {"user", "person", "people", "employee", "staff", "operator"}
COUNT_WORDS = {"total", "count", "quantity", "qty", "sum"}
# Words of columns that hold a person who serves, and words of columns that hold a row of the same table.
ROLE_WORDS = STAFF_WORDS | {
    "supervisor", "boss", "lead", "leader", "mentor", "owner", "assignee", "approver", "reviewer", "author", "creator",
    "editor", "reports", "handler",
}  # fmt: skip
SELF_WORDS = {
    "parent", "reports", "manager", "supervisor", "boss", "mentor", "root", "previous", "predecessor", "successor",
    "original", "replaces", "superior", "reply",
}  # fmt: skip
FILLER_WORDS = {
    "to",
    "via",
    "by",
    "of",
    "at",
    "from",
    "in",
    "on",
    "fk",
    "ref",
    "key",
    "id",
    "no",
    "nr",
    "code",
    "num",
    "number",
}
KEY_WORDS = {"id", "key", "code", "no", "nr", "num", "number", "uuid", "guid", "sku", "pk", "sk"}
JOINED_KEY_WORDS = ("id", "key", "number", "code")  # at the end of a word: orderkey
KEY_PART_WORDS = KEY_WORDS | {
    "line", "seq", "sequence", "position", "index", "date", "day", "month", "year", "week", "hour", "version", "round", "stint",
    "type", "kind", "rank", "period", "quarter", "season", "currency", "language", "locale",
}  # fmt: skip
GENERIC_KEY_NAMES = {"id", "key", "code", "name", "uuid", "guid", "number", "no", "nr", "pk"}
STRATUM_WORDS = (
    "segment", "tier", "plan", "country", "region", "market", "channel", "type", "category", "class", "group", "kind", "status",
    "state", "league", "gender", "sex", "level", "language", "currency", "industry", "active",
)  # fmt: skip


@functools.cache
def split_words(name: str) -> tuple[str, ...]:
    """Split a name into lower-case words.

    >>> split_words("yearID"), split_words("order_items"), split_words("HTTPServer2")
    (('year', 'id'), ('order', 'items'), ('http', 'server', '2'))
    """
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\dA-Za-z_]+", name)
    return tuple(part.lower() for part in parts)


@functools.cache
def normalize_name(name: str) -> str:
    """Return a name without case and punctuation, for comparison.

    >>> normalize_name("Customer_ID")
    'customerid'
    """
    return "".join(split_words(name))


@functools.cache
def list_entity_names(table: str) -> tuple[str, ...]:
    """Return possible names of a table's row: without schema and prefixes, in plural and singular.

    >>> list_entity_names("raw.raw_categories"), list_entity_names("order_items")
    (('categories', 'category'), ('orderitems', 'orderitem', 'items', 'item'))
    """
    parts = list(split_words(table.rpartition(".")[2]))
    while len(parts) > 1 and parts[0] in TABLE_PREFIXES:
        parts = parts[1:]
    names = [*_list_word_forms("".join(parts))]
    if len(parts) > 1:
        names += _list_word_forms(parts[-1])
    return tuple(dict.fromkeys(names))


@functools.cache
def list_entity_words(table: str) -> tuple[tuple[str, ...], ...]:
    """Return possible names of a table's row as words, the whole name first.

    >>> list_entity_words("raw_order_items")
    (('order', 'items'), ('order', 'item'), ('items',), ('item',))
    """
    parts = list(split_words(table.rpartition(".")[2]))
    while len(parts) > 1 and parts[0] in TABLE_PREFIXES:
        parts = parts[1:]
    if not parts:
        return ()
    whole = [(*parts[:-1], form) for form in _list_word_forms(parts[-1])]
    last = [(form,) for form in _list_word_forms(parts[-1])] if len(parts) > 1 else []
    return tuple(dict.fromkeys([*whole, *last]))


@functools.cache
def find_column_prefix(columns: tuple[str, ...]) -> str | None:
    """Return the short first word that all columns of a table have, as in ``c_name`` and ``c_phone``; None without one.

    >>> find_column_prefix(("c_name", "c_phone")), find_column_prefix(("name", "phone"))
    ('c', None)
    """
    words = [split_words(column) for column in columns]
    first = {parts[0] for parts in words if len(parts) > 1}
    shared = len(columns) > 1 and len(first) == 1 and all(len(parts) > 1 for parts in words)
    return first.pop() if shared and len(next(iter(words))[0]) <= MAX_PREFIX_LETTERS else None


@functools.cache
def list_column_words(column: str, prefix: str | None) -> tuple[str, ...]:
    """Return the words of a column without its table's prefix."""
    words = split_words(column)
    return words[1:] if prefix is not None and len(words) > 1 and words[0] == prefix else words


@functools.cache
def list_synonyms(stem: str) -> frozenset[str]:
    """Return the synonyms of a word, without itself."""
    return frozenset().union(*(group for group in SYNONYMS if stem in group)) - {stem}


def find_last_word(name: str) -> str:
    """Return the last word of a name, or the name if it has no words.

    >>> find_last_word("customer_id"), find_last_word("sku")
    ('id', 'sku')
    """
    parts = split_words(name)
    if len(parts) == 1:
        return next((key for key in JOINED_KEY_WORDS if parts[0].endswith(key)), parts[0])
    return parts[-1] if parts else name


def _list_word_forms(word: str) -> tuple[str, ...]:
    if word in IRREGULAR_PLURALS:
        return (word, *IRREGULAR_PLURALS[word])
    if word.endswith("ies"):
        return word, f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word, word[:-2]
    return (word, word[:-1]) if word.endswith("s") and not word.endswith("ss") else (word,)
