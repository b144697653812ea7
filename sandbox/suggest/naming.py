"""What names of tables and columns say about each other. Pure."""

from __future__ import annotations

import re

PREFIXES = ("raw", "src", "stg", "dim", "fact", "fct", "tbl", "base", "int")
IRREGULAR = {
    "people": ("person", "people", "player"),
    "children": ("child",),
    "men": ("man",),
    "women": ("woman",),
}
# Words that people use for the same thing, so that `orders.user_id` may mean `customers.id`.
SAME = (
    {"user", "customer", "client", "member", "buyer", "account", "subscriber"},
    {"item", "product", "article", "sku"},
)
ENTITIES = {
    "customer", "user", "client", "member", "person", "people", "player", "patient", "account", "subscriber", "employee",
    "household", "company", "organisation", "organization", "device", "buyer", "student", "visitor",
}  # fmt: skip
KEYS = {"id", "key", "code", "no", "nr", "num", "number", "uuid", "guid", "sku", "pk", "sk"}
PARTS = KEYS | {
    "line", "seq", "sequence", "position", "index", "date", "day", "month", "year", "week", "hour", "version", "round", "stint",
    "type", "kind", "rank", "period", "quarter", "season", "currency", "language", "locale",
}  # fmt: skip
GENERIC = {"id", "key", "code", "name", "uuid", "guid", "number", "no", "nr", "pk"}
STRATA = (
    "segment", "tier", "plan", "country", "region", "market", "channel", "type", "category", "class", "group", "kind", "status",
    "state", "league", "gender", "sex", "level", "language", "currency", "industry", "active",
)  # fmt: skip


def words(name: str) -> tuple[str, ...]:
    """Take a name apart.

    >>> words("yearID"), words("order_items"), words("HTTPServer2")
    (('year', 'id'), ('order', 'items'), ('http', 'server', '2'))
    """
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\dA-Za-z_]+", name)
    return tuple(part.lower() for part in parts)


def bare(name: str) -> str:
    """Give a name as it compares: without case and punctuation.

    >>> bare("Customer_ID")
    'customerid'
    """
    return "".join(words(name))


def stems(table: str) -> tuple[str, ...]:
    """Give what a row of a table may be called: without its schema and prefixes, in the singular.

    >>> stems("raw.raw_categories"), stems("order_items")
    (('categories', 'category'), ('orderitems', 'orderitem', 'items', 'item'))
    """
    parts = list(words(table.rpartition(".")[2]))
    while len(parts) > 1 and parts[0] in PREFIXES:
        parts = parts[1:]
    found = [*_forms("".join(parts))]
    if len(parts) > 1:
        found += _forms(parts[-1])
    return tuple(dict.fromkeys(found))


def alike(stem: str) -> set[str]:
    """Give other words for the same thing."""
    return set().union(*(group for group in SAME if stem in group)) - {stem}


def last(name: str) -> str:
    """Give the last word of a name; a name without one stands for itself.

    >>> last("customer_id"), last("sku")
    ('id', 'sku')
    """
    parts = words(name)
    if len(parts) == 1:
        return next((key for key in ("id", "key") if parts[0].endswith(key)), parts[0])
    return parts[-1] if parts else name


def _forms(word: str) -> tuple[str, ...]:
    if word in IRREGULAR:
        return (word, *IRREGULAR[word])
    if word.endswith("ies"):
        return word, f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word, word[:-2]
    return (word, word[:-1]) if word.endswith("s") and not word.endswith("ss") else (word,)
