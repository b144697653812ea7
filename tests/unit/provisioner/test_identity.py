from __future__ import annotations

from typing import Any

import pytest

from sandbox.manifest.lock import LockedImage, LockedLibrary, LockedPackage, PlatformLock
from sandbox.provisioner import environment_id

BASE = LockedImage(reference="sandbox/base:trixie", digest="sha256:" + "a" * 64)
LIBRARIES = [
    LockedLibrary(name="duckdb", version="2.0.0", hashes=["sha256:1", "sha256:2"]),
    LockedLibrary(name="pandas", version="3.1.1", hashes=["sha256:3"]),
]


PACKAGES = {"python": [LockedPackage(name="hello", version="1", hash="sha256:" + "c" * 64)]}


def of_image(*, platform: str = "linux/amd64", base: LockedImage = BASE, **changes: Any) -> str:
    entry = PlatformLock(**{"python": "3.13", "libraries": LIBRARIES, **changes})
    return environment_id.compute_image_id("python", platform, entry, base)


def test_the_same_environment_has_the_same_id_whatever_the_order_and_the_name_of_the_base() -> None:
    renamed = LockedImage(reference="mirror/base:1", digest=BASE.digest)
    turned = [
        LIBRARIES[1],
        LIBRARIES[0].model_copy(update={"hashes": ["sha256:2", "sha256:1"]}),
    ]
    assert of_image() == of_image(libraries=turned, base=renamed)


@pytest.mark.parametrize(
    "changes",
    [
        {"platform": "linux/arm64"},
        {"python": "3.12"},
        {"libraries": LIBRARIES[:1]},
        {"libraries": [LIBRARIES[0].model_copy(update={"version": "2.0.1"}), LIBRARIES[1]]},
        {"libraries": [LIBRARIES[0].model_copy(update={"hashes": ["sha256:1"]}), LIBRARIES[1]]},
        {"packages": PACKAGES},
        {"base": LockedImage(reference=BASE.reference, digest="sha256:" + "b" * 64)},
    ],
)
def test_whatever_determines_an_environment_changes_its_id(changes: dict[str, Any]) -> None:
    assert of_image(**changes) != of_image()


def test_packages_of_a_service_are_not_the_environments() -> None:
    assert of_image(packages={"postgres": PACKAGES["python"]}) == of_image()


def test_another_patch_version_of_the_host_is_another_environment() -> None:
    one, other = (environment_id.compute_host_id("linux/amd64", version, LIBRARIES) for version in ("3.13.0", "3.13.1"))
    assert one != other
    assert one != of_image()
