"""``sandbox init`` on a Postgres server: what its catalogue declares, and that no password is written."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path

import pytest

from tests.conftest import Shop
from tests.integration.sources.server import PASSWORD, started

ENV = {"PGPASSWORD": PASSWORD}


def test_a_database_is_proposed_with_its_keys_references_and_schemas(tmp_path: Path, sandbox_home: Path) -> None:
    folder = Shop(root=tmp_path, home=sandbox_home)
    # Not pytest's own folder, which only its owner may enter: the server has a user of its own.
    with tempfile.TemporaryDirectory(prefix="sandbox-pg-") as place:
        Path(place).chmod(0o755)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PGPASSWORD", PASSWORD)
            with started(Path(place) / "server") as server:
                server.just(
                    "create table people (nr bigint primary key, land text, email text)",
                    "insert into people select i, 'land ' || i % 3, 'x' || i || '@example.org' from generate_series(1, 2500) i",
                    "create schema sales",
                    'create table sales."Odd Name" (v bigint primary key, who bigint references people (nr))',
                    'insert into sales."Odd Name" select i, 1 + i % 2500 from generate_series(1, 5000) i',
                )
                done = folder.run("init", server.uri, env=ENV)
                assert done.status == 0, done.stderr
                planned = folder.run("plan", "--json", env=ENV)
                assert planned.status == 0, planned.stderr
                written = (tmp_path / "sandbox.toml").read_text("utf-8")
                refused = folder.run("init", "--force", server.uri.replace("postgres@", "postgres:geheim@"), env=ENV)
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
