"""Addresses of databases, and their check for passwords."""

from __future__ import annotations

from urllib.parse import urlsplit

from sandbox.error_text import hide_credentials

POSTGRES_SCHEMES = ("postgresql", "postgres")
MYSQL_SCHEMES = ("mysql", "mariadb")
SNOWFLAKE_SCHEMES = ("snowflake",)
_PASSWORD_PLACES = {
    **dict.fromkeys(POSTGRES_SCHEMES, "set PGPASSWORD, or use ~/.pgpass"),
    **dict.fromkeys(MYSQL_SCHEMES, "set MYSQL_PWD, or use ~/.my.cnf"),
    **dict.fromkeys(SNOWFLAKE_SCHEMES, "use the driver's ~/.snowflake/connections.toml"),
}


def find_address_problem(uri: str) -> str | None:
    """Return the problem of an address, without any part that could be a password; None if there is none.

    >>> find_address_problem("postgresql://me@host/db?sslmode=require"), find_address_problem("warehouse/")
    (None, None)
    >>> find_address_problem("postgresql://me:secret@host/db")
    'postgresql://… holds a password, which does not belong into a file; take it out and set PGPASSWORD, or use ~/.pgpass'
    """
    scheme, separator, _ = uri.partition("://")
    if not separator:
        return None
    try:
        hidden = urlsplit(uri).password is not None or hide_credentials(uri) != uri
    except ValueError:  # the error's text may contain the address
        return f"{scheme}://… is no address that can be read"
    if not hidden:
        return None
    instead = _PASSWORD_PLACES.get(scheme, "use the environment, or log in")
    return f"{scheme}://… holds a password, which does not belong into a file; take it out and {instead}"
