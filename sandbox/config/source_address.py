"""Addresses of databases, and what must not stand in them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

POSTGRES_SCHEMES = ("postgresql", "postgres")


def find_address_problem(uri: str) -> str | None:
    """Say what is wrong with an address, without a word of it that could be a password; None where nothing is.

    >>> find_address_problem("postgresql://me@host/db?sslmode=require"), find_address_problem("warehouse/")
    (None, None)
    >>> find_address_problem("postgresql://me:secret@host/db")
    'postgresql://… holds a password, which does not belong into a file; take it out and set PGPASSWORD, or use ~/.pgpass'
    """
    scheme, there, _ = uri.partition("://")
    if not there:
        return None
    try:
        parts = urlsplit(uri)
        hidden = parts.password is not None or any("password" in name.lower() for name, _ in parse_qsl(parts.query))
    except ValueError:  # whose text may hold all of it
        return f"{scheme}://… is no address that can be read"
    if not hidden:
        return None
    instead = "set PGPASSWORD, or use ~/.pgpass" if scheme in POSTGRES_SCHEMES else "use the environment, or log in"
    return f"{scheme}://… holds a password, which does not belong into a file; take it out and {instead}"
