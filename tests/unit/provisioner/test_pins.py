from __future__ import annotations

import pytest
from packaging.utils import parse_wheel_filename

from sandbox.errors import ConfigError, FrozenMismatchError
from sandbox.manifest.lock import LockDocument, LockedLibrary, LockInputs
from sandbox.provisioner.lock import pins

AMD64 = pins.InstallTarget(platform="linux/amd64", python="3.13", in_container=True)
ARM64 = pins.InstallTarget(platform="linux/arm64", python="3.13", in_container=True)
HASHES = ["sha256:" + "0" * 64, "sha256:" + "1" * 64]


def test_pins_written_are_read_back() -> None:
    libraries = [
        LockedLibrary(name="numpy", version="2.5.5", hashes=HASHES),
        LockedLibrary(name="six", version="1.17.0", hashes=HASHES[:1]),
    ]
    assert pins.parse_pins(pins.format_pins(libraries), AMD64, origin="test") == libraries


def test_the_same_pins_are_the_same_bytes_in_any_order() -> None:
    one, other = (LockedLibrary(name=name, version="1", hashes=HASHES) for name in "ab")
    assert pins.format_pins([one, other]) == pins.format_pins([other, one])


def test_markers_choose_what_a_target_needs() -> None:
    text = (
        f"numpy==2.4.6 ; python_full_version < '3.12' --hash={HASHES[0]}\n"
        f"numpy==2.5.5 ; python_full_version >= '3.12' --hash={HASHES[1]}\n"
        f"pywin32==1 ; sys_platform == 'win32' --hash={HASHES[0]}\n"
        f"fast==1 ; platform_machine == 'aarch64' --hash={HASHES[0]}\n"
    )
    older = pins.InstallTarget(platform="linux/amd64", python="3.11", in_container=True)
    found = {
        target: [(one.name, one.version) for one in pins.parse_pins(text, target, origin="test")]
        for target in (AMD64, ARM64, older)
    }
    assert found[AMD64] == [("numpy", "2.5.5")]
    assert found[ARM64] == [("fast", "1"), ("numpy", "2.5.5")]
    assert found[older] == [("numpy", "2.4.6")]


@pytest.mark.parametrize("line", ["six==1.17.0", f"six>=1 --hash={HASHES[0]}", f"./six --hash={HASHES[0]}"])
def test_what_is_no_exact_version_with_hashes_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match="no exact version"):
        pins.parse_pins(f"{line}\n", AMD64, origin="test")


@pytest.mark.parametrize(
    ("wheel", "amd64", "arm64"),
    [
        ("numpy-2.5.5-cp313-cp313-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl", True, False),
        ("numpy-2.5.5-cp313-cp313-manylinux_2_28_aarch64.whl", False, True),
        ("numpy-2.5.5-cp312-cp312-manylinux_2_28_x86_64.whl", False, False),
        ("numpy-2.5.5-cp313-cp313t-manylinux_2_28_x86_64.whl", False, False),
        ("numpy-2.5.5-cp313-cp313-musllinux_1_2_x86_64.whl", False, False),
        ("numpy-2.5.5-cp313-cp313-macosx_14_0_arm64.whl", False, False),
        ("x-1-cp39-abi3-manylinux2014_x86_64.whl", True, False),
        ("x-1-cp39-abi3-manylinux1_x86_64.whl", True, False),
        ("six-1.17.0-py2.py3-none-any.whl", True, True),
    ],
)
def test_a_container_takes_the_wheels_of_its_own_platform(wheel: str, amd64: bool, arm64: bool) -> None:
    tags = parse_wheel_filename(wheel)[3]
    assert (not tags.isdisjoint(AMD64.wheel_tags), not tags.isdisjoint(ARM64.wheel_tags)) == (amd64, arm64)


def test_the_image_pins_the_same_libraries_for_both_platforms() -> None:
    found = pins.read_image_pins("python", AMD64)
    assert {"duckdb", "pandas", "pyarrow", "numpy"} <= {one.name for one in found}
    assert found == pins.read_image_pins("python", ARM64)
    assert all(value.startswith("sha256:") and len(value) == 71 for one in found for value in one.hashes)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_the_image_pins_hold_for_hosts_with_another_python(python: str) -> None:
    names = [
        one.name
        for one in pins.read_image_pins(
            "python", pins.InstallTarget(platform="linux/amd64", python=python, in_container=False)
        )
    ]
    assert len(names) == len(set(names))
    assert {"duckdb", "pandas", "pyarrow", "numpy"} <= set(names)


def test_a_host_with_another_python_has_a_name_of_its_own() -> None:
    other = pins.InstallTarget(platform="linux/amd64", python="3.11", in_container=False)
    assert pins.format_platform_key(AMD64, "3.13") == "linux/amd64"
    assert pins.format_platform_key(other, "3.13") == "linux/amd64-python3.11"


def test_a_platform_that_is_not_in_the_lock_is_named() -> None:
    inputs = LockInputs(image="python", python="3.13", requirements=None, libraries=[], pins="0")
    with pytest.raises(FrozenMismatchError, match="nothing for darwin/arm64"):
        pins.find_platform_entry(LockDocument(inputs=inputs, platforms={}), "darwin/arm64")
