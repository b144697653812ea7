from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.containers.docker.runtime import DockerRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.projects import Shop


@pytest.fixture(autouse=True)
def converges(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each fault the next `create` works, and when its sandbox is removed nothing with our label remains."""
    shop: Shop | None = request.getfixturevalue("shop") if "shop" in request.fixturenames else None
    yield
    if shop is None:
        return
    in_docker = request.node.get_closest_marker("docker") is not None
    env = {"SANDBOX_RUNTIME": "docker" if in_docker else "local"}
    made = shop.run("create", env=env)
    assert made.status == 0, made.stderr
    assert shop.run("rm", "--yes", env=env).status == 0
    if in_docker:
        assert DockerRuntime().list_objects({"path": str(shop.root)}) == []
