"""One session of pytest: its owner, and the folder in which its processes share a server."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SESSION_VARIABLE = "SANDBOX_PYTEST_SESSION"


@dataclass(frozen=True, kw_only=True)
class TestSession:
    """A session of pytest, with all its workers.

    Attributes:
        id: Names its folder and its containers.
        owner: Labels of the process that started it, which outlives its workers.
    """

    __test__ = False  # it is no test

    id: str
    owner: Mapping[str, str]

    @property
    def sandbox_name(self) -> str:
        """The sandbox named in the labels of its containers; no project has one of this name."""
        return f"pytest-{self.id}"

    @property
    def folder(self) -> Path:
        """Its private folder; it exists once a server was started."""
        from sandbox.scratch import STAGED_PREFIX, make_user_temp_folder  # noqa: PLC0415 - every pytest starts fast

        return make_user_temp_folder() / f"{STAGED_PREFIX}pytest-{self.id}"

    @contextlib.contextmanager
    def open_folder(self) -> Iterator[Path]:
        """Yield the session's folder, which no other command removes within the block."""
        folder = self.folder
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield folder
        finally:
            os.close(handle)

    def close(self) -> None:
        """Remove the session's container, and its folder."""
        if not self.folder.is_dir():
            return
        from sandbox.containers.docker import inventory  # noqa: PLC0415 - only a session with a server needs it
        from sandbox.containers.docker.client import open_client  # noqa: PLC0415
        from sandbox.errors import ContainerEngineError  # noqa: PLC0415

        with contextlib.suppress(ContainerEngineError), contextlib.closing(open_client()) as client:
            for held in inventory.list_containers(client, {"sandbox": self.sandbox_name}):
                inventory.remove_object(client, held)
        shutil.rmtree(self.folder, ignore_errors=True)


def begin_session() -> TestSession:
    """Begin a session in the process that starts it, and name it to the workers in the environment."""
    from sandbox.containers.ownership import identify_owner  # noqa: PLC0415 - every pytest starts fast

    session = TestSession(id=secrets.token_hex(4), owner=identify_owner().labels)
    os.environ[SESSION_VARIABLE] = json.dumps({"id": session.id, "owner": dict(session.owner)})
    return session


def join_session() -> TestSession:
    """Return the session that this worker belongs to."""
    return TestSession(**json.loads(os.environ[SESSION_VARIABLE]))
