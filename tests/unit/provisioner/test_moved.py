from __future__ import annotations

from sandbox.manifest.lock import (
    LockDocument,
    LockedImage,
    LockedLibrary,
    LockedPackage,
    LockInputs,
    PlatformLock,
)
from sandbox.provisioner.lock.lock_diff import compare_locks

INPUTS = LockInputs(image="python", python="3.13", requirements=None, libraries=[], pins="p")


def lock_of(versions: dict[str, str], *, packages: dict[str, str] | None = None, base: str = "a") -> LockDocument:
    libraries = [
        LockedLibrary(name=name, version=version, hashes=["sha256:" + version.encode().hex()])
        for name, version in versions.items()
    ]
    debian = [
        LockedPackage(name=name, version=version, hash=f"sha256:{version[-1] * 64}")
        for name, version in (packages or {}).items()
    ]
    entry = PlatformLock(
        python="3.13",
        libraries=libraries,
        packages={"postgres": debian} if debian else {},
        base=LockedImage(reference="sandbox/base:trixie", digest=f"sha256:{base * 64}"),
    )
    other = entry.model_copy(update={"packages": {}, "base": None})
    return LockDocument(inputs=INPUTS, platforms={"linux/amd64": entry, "linux/arm64": other})


def test_what_moved_came_in_and_fell_out_is_told_once_for_all_platforms_that_it_is_on() -> None:
    before = lock_of({"six": "1.16.0", "pytz": "2024.1"}, packages={"libpq5": "17.5"})
    after = lock_of({"six": "1.17.0", "tzdata": "2026.1"}, packages={"libpq5": "17.6"}, base="b")
    both = ("linux/amd64", "linux/arm64")
    found = [(one.kind, one.name, one.before, one.after, one.platforms) for one in compare_locks(before, after)]
    assert found == [
        (
            "base",
            "the base image",
            f"sandbox/base:trixie ({'a' * 16})",
            f"sandbox/base:trixie ({'b' * 16})",
            ("linux/amd64",),
        ),
        ("library", "pytz", "2024.1", None, both),
        ("library", "six", "1.16.0", "1.17.0", both),
        ("library", "tzdata", None, "2026.1", both),
        ("package", "postgres: libpq5", "17.5", "17.6", ("linux/amd64",)),
    ]


def test_the_same_version_of_other_files_has_moved() -> None:
    after = lock_of({"six": "1.16.0"})
    entry = after.platforms["linux/amd64"]
    libraries = [entry.libraries[0].model_copy(update={"hashes": ["others"]})]
    platforms = {**after.platforms, "linux/amd64": entry.model_copy(update={"libraries": libraries})}
    (one,) = compare_locks(lock_of({"six": "1.16.0"}), after.model_copy(update={"platforms": platforms}))
    assert str(one) == "six 1.16.0 has other files"
    assert one.platforms == ("linux/amd64",)


def test_of_equal_locks_nothing_has_moved() -> None:
    assert compare_locks(lock_of({"six": "1.16.0"}), lock_of({"six": "1.16.0"})) == []
