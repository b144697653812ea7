"""Services while they are waited for."""

from __future__ import annotations

import dataclasses
import threading
import time
import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest

from sandbox.containers.docker import inventory, services
from sandbox.containers.docker.client import open_client
from sandbox.containers.docker.runtime import DockerRuntime
from sandbox.errors import ContainerEngineError
from sandbox.model import POSTGRES_SERVICE, SilentProgress
from sandbox.provisioner.images import service
from sandbox.provisioner.services import postgres
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.containers.docker.client import EngineClient

pytestmark = pytest.mark.docker
BASE = "sandbox/base:trixie"


@pytest.fixture
def client(engine: str) -> Iterator[EngineClient]:
    made = open_client()
    yield made
    made.close()


@pytest.fixture
def wanted(tmp_path: Path) -> Iterator[postgres.PostgresRequest]:
    """A service whose image has no server in it: it is waited for in vain; nothing of it remains."""
    path = f"/test/{uuid.uuid4().hex[:12]}"
    labels = {"project": "test", "path": path, "sandbox": "default"}
    yield postgres.PostgresRequest(
        name=f"sbx-test-{uuid.uuid4().hex[:8]}-default",
        labels=labels,
        state=tmp_path,
        sample="0" * 64,
        tables=[],
        belongs_to_sandbox=True,
        cpus=1,
        password_file=tmp_path / "pgpass",
        loading_memory_bytes=10**9,
        image=BASE,
    )
    assert DockerRuntime().list_objects({"path": path}) == []


def ended(client: EngineClient, wanted: postgres.PostgresRequest, how: Callable[[str], None]) -> None:
    """End the service as soon as it runs."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        for one in inventory.list_containers(client, {"path": wanted.labels["path"]}):
            if one.running:
                how(one.id)
                return
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("how", "said"),
    [("kill", "ended with status 137"), ("remove", r"was removed while it was waited for|not published")],
)
def test_a_service_that_ends_while_it_is_waited_for_is_told_at_once_and_nothing_remains(
    client: EngineClient,
    wanted: postgres.PostgresRequest,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    said: str,
) -> None:
    body = services.build_service_body
    command = {"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["mkdir -p /var/lib/sandbox; sleep 3600"]}
    monkeypatch.setattr(services, "build_service_body", lambda service: {**body(service), **command})
    act = (
        client.api.kill
        if how == "kill"
        else lambda container: client.api.remove_container(container, force=True, v=True)
    )
    other = threading.Thread(target=ended, args=(client, wanted, act))
    other.start()
    with pytest.raises(ContainerEngineError, match=said) as caught:
        postgres.start_postgres(wanted, progress=SilentProgress())
    other.join()
    assert caught.value.status == 14


def test_a_service_that_ends_by_itself_shows_its_last_lines(
    client: EngineClient, wanted: postgres.PostgresRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = services.build_service_body
    command = {"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["echo no space left; exit 3"]}
    monkeypatch.setattr(services, "build_service_body", lambda service: {**body(service), **command})
    with pytest.raises(ContainerEngineError, match=r"(?s)ended with status 3; its last lines:.*no space left"):
        postgres.start_postgres(wanted, progress=SilentProgress())


def test_one_without_a_client_ends_by_itself_and_the_next_command_starts_the_same_again(
    client: EngineClient, wanted: postgres.PostgresRequest, home: Path
) -> None:
    image = service.ensure_service_image(POSTGRES_SERVICE, home=home, progress=SilentProgress()).reference
    asked = dataclasses.replace(wanted, image=image, idle_seconds=4)  # time to connect, on a busy machine too
    first = postgres.start_postgres(asked, progress=SilentProgress())
    [container] = inventory.list_containers(client, {"path": wanted.labels["path"]})
    try:
        with psycopg.connect(first.url, password=first.server.password, autocommit=True) as connection:
            connection.execute("create table kept as select 7 as value")
            time.sleep(asked.idle_seconds + 1)  # idle is who has no client, whatever that does
            connection.execute("select 1")
        assert client.api.wait(container.id, timeout=PATIENCE_SECONDS)["StatusCode"] == 0
        said = client.api.logs(container.id).decode()
        assert "no client for" in said
        again = postgres.start_postgres(asked, progress=SilentProgress())
        assert [one.id for one in inventory.list_containers(client, {"path": wanted.labels["path"]})] == [container.id]
        with psycopg.connect(again.url, password=again.server.password) as connection:
            assert connection.execute("select value from kept").fetchall() == [(7,)]
    finally:
        services.remove_service(client, container.id, [f"{wanted.name}-postgres-{one}" for one in ("data", "socket")])
