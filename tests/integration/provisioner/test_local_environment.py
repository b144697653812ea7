from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.errors import FrozenMismatchError
from sandbox.model import SilentProgress
from sandbox.provisioner.environments import ensure_environment, record_environment
from sandbox.provisioner.local import interpreters
from sandbox.provisioner.local.environment import MARKER_FILE
from sandbox.store.environment_check import RECORDS_FOLDER, compute_listing_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.manifest.lock import LockDocument
    from sandbox.model import Environment
    from sandbox.provisioner.lock.request import StackRequest


def make(plain: StackRequest, lock: LockDocument, home: Path, progress: Any = None) -> Environment:
    return ensure_environment(plain, lock, "local", home=home, progress=progress or SilentProgress())


def installed(made: Environment) -> str:
    python = Path(made.reference) / "bin" / "python"
    script = "import sys, importlib.metadata as m; print(sys.prefix, sorted(d.name for d in m.distributions()))"
    return subprocess.run([python, "-I", "-c", script], check=True, capture_output=True, text=True).stdout


def test_an_environment_has_exactly_the_locked_libraries(plain: StackRequest, small: LockDocument, home: Path) -> None:
    made = make(plain, small, home)
    assert installed(made) == f"{made.reference} ['tzdata']\n"
    assert made.runtime == "local"
    assert made.python == interpreters.find_interpreter("3.13").minor_version
    assert interpreters.find_interpreter("3.13").version in made.base
    assert record_environment(small, made) is small


def test_a_second_call_makes_nothing_and_needs_no_network(
    plain: StackRequest, small: LockDocument, home: Path, progress: Any, request: pytest.FixtureRequest
) -> None:
    first = make(plain, small, home)
    request.getfixturevalue("no_index")
    assert make(plain, small, home, progress) == first
    assert progress.steps == []


def test_what_was_begun_and_not_ended_is_made_again_from_kept_wheels_without_network(
    plain: StackRequest, small: LockDocument, home: Path, progress: Any, request: pytest.FixtureRequest
) -> None:
    made = make(plain, small, home)
    request.getfixturevalue("no_index")
    place = Path(made.reference)
    (place / MARKER_FILE).unlink()
    (place / "left over").touch()
    assert make(plain, small, home, progress) == made
    assert [step.partition(" with ")[0] for step in progress.steps] == ["creating an environment"]
    assert not (place / "left over").exists()
    assert installed(made).endswith("['tzdata']\n")


def test_what_was_changed_since_is_made_again(
    plain: StackRequest, small: LockDocument, home: Path, progress: Any
) -> None:
    place = Path(make(plain, small, home).reference)
    (library,) = place.glob("lib/python*/site-packages")
    module, python = library / "tzdata" / "__init__.py", place / "bin" / "python"
    record = home / RECORDS_FOLDER / f"{place.name}.json"

    def rewrite() -> None:
        content, times = module.read_bytes(), module.stat()
        module.write_bytes(content)
        os.utime(module, ns=(times.st_atime_ns, times.st_mtime_ns))

    def point_elsewhere() -> None:
        python.unlink()
        python.symlink_to(sys.executable)

    def forge() -> None:
        (library / "more.pth").write_text("import os")
        fields = json.loads(record.read_text("utf-8"))
        record.write_text(json.dumps(fields | {"listing": compute_listing_digest(place)}), "utf-8")

    changes: list[Callable[[], object]] = [rewrite, point_elsewhere, forge, record.unlink]
    for number, change in enumerate(changes, start=1):
        change()
        make(plain, small, home, progress)
        assert len(progress.steps) == number, change
        assert not (library / "more.pth").exists()
    make(plain, small, home, progress)
    assert len(progress.steps) == len(changes)


def test_calls_at_once_make_it_once(plain: StackRequest, small: LockDocument, home: Path, watched: Any) -> None:
    seen = [watched() for _ in range(3)]
    with ThreadPoolExecutor(max_workers=3) as pool:
        made = list(pool.map(lambda one: make(plain, small, home, one), seen))
    assert len(set(made)) == 1
    assert sum("creating" in step for one in seen for step in one.steps) == 1


def test_a_lock_without_this_machine_is_refused_when_frozen(
    plain: StackRequest, small: LockDocument, home: Path, progress: Any
) -> None:
    foreign = small.model_copy(update={"platforms": {}})
    with pytest.raises(FrozenMismatchError, match="nothing for"):
        ensure_environment(plain, foreign, "local", home=home, progress=progress, frozen=True)
