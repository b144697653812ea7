"""``sandbox init`` on a Postgres server: what its catalogue declares, and that no password is written."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from tests.integration.sources.server import PASSWORD
from tests.projects import Shop

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.integration.sources.server import Server


def test_a_database_is_proposed_with_its_keys_references_and_schemas(
    tmp_path: Path, sandbox_home: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Shop(root=tmp_path, home=sandbox_home)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    server = postgres_server.create_database("proposed")
    server.just(
        "create table people (nr bigint primary key, land text, email text)",
        "insert into people select i, 'land ' || i % 3, 'x' || i || '@example.org' from generate_series(1, 2500) i",
        "create schema sales",
        'create table sales."Odd Name" (v bigint primary key, who bigint references people (nr))',
        'insert into sales."Odd Name" select i, 1 + i % 2500 from generate_series(1, 5000) i',
    )
    done = folder.run("init", server.uri)
    assert done.status == 0, done.stderr
    planned = folder.run("plan", "--json")
    assert planned.status == 0, planned.stderr
    written = (tmp_path / "sandbox.toml").read_text("utf-8")
    refused = folder.run("init", "--force", server.uri.replace("postgres@", "postgres:geheim@"))
    found = tomllib.loads(written)
    assert found["source"]["uri"] == server.uri
    assert found["sample"]["unit"] == "people"
    assert found["tables"]["people"]["mask"] == {"email": "email"}
    assert found["tables"]["sales.Odd Name"]["references"] == {"who": "people.nr"}
    assert written.count("declared in the database") == 3
    assert refused.status == 10
    assert "PGPASSWORD" in refused.stderr
    assert "geheim" not in refused.stderr
    assert (tmp_path / "sandbox.toml").read_text("utf-8") == written
