"""Relate names of tables and columns by their words. Pure."""

from __future__ import annotations

import functools
import re

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
ENTITY_WORDS = {
    "customer", "user", "client", "member", "person", "people", "player", "patient", "account", "subscriber", "employee",
    "household", "company", "organisation", "organization", "device", "buyer", "student", "visitor",
}  # fmt: skip
KEY_WORDS = {"id", "key", "code", "no", "nr", "num", "number", "uuid", "guid", "sku", "pk", "sk"}
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
        return next((key for key in ("id", "key") if parts[0].endswith(key)), parts[0])
    return parts[-1] if parts else name


def _list_word_forms(word: str) -> tuple[str, ...]:
    if word in IRREGULAR_PLURALS:
        return (word, *IRREGULAR_PLURALS[word])
    if word.endswith("ies"):
        return word, f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word, word[:-2]
    return (word, word[:-1]) if word.endswith("s") and not word.endswith("ss") else (word,)
