from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox.config.sections.stack import StackSection
from sandbox.errors import ConfigError, ContainerEngineError
from sandbox.model import SilentProgress
from sandbox.provisioner.local import interpreters
from sandbox.provisioner.lock import pins
from sandbox.provisioner.lock.request import StackRequest, build_request
from sandbox.provisioner.lock.resolver import resolve_lock

if TYPE_CHECKING:
    from sandbox.manifest.lock import LockDocument


def asking(content: str, name: str = "requirements.txt") -> StackRequest:
    return build_request(StackSection(requirements=name), lambda _: content.encode())


def resolved(wanted: StackRequest, *, previous: LockDocument | None = None, upgrade: bool = False) -> LockDocument:
    return resolve_lock(wanted, previous=previous, upgrade=upgrade, progress=SilentProgress())


def versions(lock: LockDocument, platform: str = "linux/amd64") -> dict[str, str]:
    return {one.name: one.version for one in lock.platforms[platform].libraries}


@pytest.mark.usefixtures("no_index")
def test_without_requirements_the_images_own_pins_need_no_network(plain: StackRequest, progress: Any) -> None:
    lock = resolve_lock(plain, previous=None, upgrade=True, progress=progress, runtime="local")
    assert {"duckdb", "pandas", "pyarrow"} <= versions(lock).keys()
    assert progress.steps == []
    assert pins.format_platform_key(interpreters.build_host_target("3.13"), "3.13") in lock.platforms


def test_a_lock_from_a_machine_with_another_python_is_completed_and_keeps_the_rest(
    plain: StackRequest, progress: Any
) -> None:
    both = resolved(plain)
    key = pins.format_platform_key(interpreters.build_host_target("3.13"), "3.13")
    foreign = both.model_copy(update={"platforms": {one: entry for one, entry in both.platforms.items() if one != key}})
    completed = resolve_lock(plain, previous=foreign, upgrade=False, progress=progress, runtime="local")
    assert completed.platforms.keys() == both.platforms.keys() | {key}
    assert completed.platforms["linux/arm64"] is both.platforms["linux/arm64"]


def test_requirements_come_on_top_of_the_images_and_keep_its_versions() -> None:
    lock = resolved(asking("six==1.16.0\n"))
    plain = versions(resolved(StackRequest(image="python", python="3.13")))
    for platform in ("linux/amd64", "linux/arm64"):
        assert versions(lock, platform) == plain | {"six": "1.16.0"}
    assert all(one.hashes for entry in lock.platforms.values() for one in entry.libraries)


def test_a_requirement_may_ask_for_an_older_version_than_the_image_has() -> None:
    assert versions(resolved(asking("python-dateutil<2.9\n")))["python-dateutil"] == "2.8.2"


def test_versions_stay_where_they_still_fit_and_move_with_upgrade() -> None:
    first = resolved(asking("six==1.16.0\n"))
    loosened = asking("six\n")
    assert versions(resolved(loosened, previous=first))["six"] == "1.16.0"
    assert versions(resolved(loosened, previous=first, upgrade=True))["six"] != "1.16.0"


def test_a_pyproject_is_resolved_like_a_requirements_file() -> None:
    lock = resolved(asking('[project]\nname = "x"\ndependencies = ["six==1.16.0"]\n', "pyproject.toml"))
    assert versions(lock)["six"] == "1.16.0"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("six==99\n", "there is no version of six==99"),
        ("six<1.16\nsix>1.16\n", "you require six<1.16 and six>1.16"),
        ("pandas<3\nduckdb\npandas>=3.1\n", "pandas"),
        ("sandbox-no-such-library-0b1c\n", "sandbox-no-such-library-0b1c was not found"),
    ],
)
def test_requirements_that_cannot_be_met_say_why(content: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolved(asking(content))
    assert reason in " ".join(caught.value.message.split())
    assert "requirements.txt" in caught.value.message


@pytest.mark.usefixtures("no_index")
def test_an_index_out_of_reach_is_not_taken_for_a_wrong_requirement() -> None:
    with pytest.raises(ContainerEngineError) as caught:
        resolved(asking("six\n"))
    assert "127.0.0.1:9" in caught.value.message
