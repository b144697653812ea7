from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.config.sections.stack import StackSection
from sandbox.errors import ConfigError
from sandbox.manifest.lock import LockedLibrary
from sandbox.model import SilentProgress
from sandbox.provisioner.lock import request, resolver

if TYPE_CHECKING:
    from collections.abc import Callable

SIX = (
    "sha256:1e61c37477a1626458e36f7b1d82aa5c9b094fa4802892072e49de9c60c4c926",
    "sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254",
)
PROJECT = """\
[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = ["six", "colorama; sys_platform == 'win32'"]

[dependency-groups]
dev = ["iniconfig"]
"""
LOCK = f"""\
version = 1
revision = 5
requires-python = ">=3.11"

[[package]]
name = "colorama"
version = "0.4.6"
source = {{ registry = "https://index.example/simple" }}
wheels = [{{ url = "https://files.example/colorama-0.4.6-py2.py3-none-any.whl", hash = "sha256:{"4" * 64}" }}]

[[package]]
name = "iniconfig"
version = "2.0.0"
source = {{ registry = "https://index.example/simple" }}
wheels = [{{ url = "https://files.example/iniconfig-2.0.0-py3-none-any.whl", hash = "sha256:{"5" * 64}" }}]

[[package]]
name = "shop"
version = "1"
source = {{ virtual = "." }}
dependencies = [{{ name = "colorama", marker = "sys_platform == 'win32'" }}, {{ name = "six" }}]

[package.dev-dependencies]
dev = [{{ name = "iniconfig" }}]

[package.metadata]
requires-dist = [{{ name = "colorama", marker = "sys_platform == 'win32'" }}, {{ name = "six" }}]

[package.metadata.requires-dev]
dev = [{{ name = "iniconfig" }}]

[[package]]
name = "six"
version = "1.16.0"
source = {{ registry = "https://index.example/simple" }}
sdist = {{ url = "https://files.example/six-1.16.0.tar.gz", hash = "{SIX[0]}" }}
wheels = [{{ url = "https://files.example/six-1.16.0-py2.py3-none-any.whl", hash = "{SIX[1]}" }}]
"""


def files(**changed: str) -> Callable[[str], bytes]:
    found = {"code/uv.lock": LOCK, "code/pyproject.toml": PROJECT} | changed

    def read(path: str) -> bytes:
        if path not in found:
            raise FileNotFoundError(2, "No such file or directory", path)
        return found[path].encode()

    return read


def asked(**changed: str) -> request.StackRequest:
    return request.build_request(StackSection(requirements="code/uv.lock"), files(**changed))


def test_a_uv_lock_is_taken_with_its_versions_markers_and_hashes_without_groups_and_the_project() -> None:
    found = asked()
    assert found.libraries == ('colorama==0.4.6; sys_platform == "win32"', "six==1.16.0")
    assert found.pinned_libraries[1] == LockedLibrary(name="six", version="1.16.0", hashes=sorted(SIX))


def test_only_the_files_that_a_uv_lock_names_may_be_installed() -> None:
    """The index has more files of a version than somebody's lock: what was not locked then is not trusted now."""
    wheel = LOCK.replace(f'sdist = {{ url = "https://files.example/six-1.16.0.tar.gz", hash = "{SIX[0]}" }}\n', "")
    lock = resolver.resolve_lock(
        asked(**{"code/uv.lock": wheel}), previous=None, upgrade=False, progress=SilentProgress()
    )
    for entry in lock.platforms.values():
        libraries = {one.name: one for one in entry.libraries}
        assert libraries["six"].hashes == [SIX[1]]
        assert "colorama" not in libraries
        assert {"duckdb", "pandas"} <= libraries.keys()


def test_a_requirements_file_that_has_hashes_keeps_them() -> None:
    text = f"six==1.16.0 \\\n    --hash={SIX[1]}\n"
    found = request.build_request(StackSection(requirements="requirements.txt"), lambda _: text.encode())
    assert found.libraries == ("six==1.16.0",)
    assert found.pinned_libraries == (LockedLibrary(name="six", version="1.16.0", hashes=[SIX[1]]),)


def test_other_hashes_are_another_request() -> None:
    other = asked(**{"code/uv.lock": LOCK.replace(SIX[1], f"sha256:{'6' * 64}")})
    assert other.libraries == asked().libraries
    assert resolver.compute_inputs(other) != resolver.compute_inputs(asked())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('git = "https://git.example/six?rev=1.16#0123456789abcdef0123456789abcdef01234567"', "git.example"),
        ('directory = "libraries/six"', "libraries/six"),
        ('editable = "libraries/six"', "libraries/six"),
        ('path = "wheels/six-1.16.0-py2.py3-none-any.whl"', "wheels/six"),
        ('url = "https://files.example/six-1.16.0-py2.py3-none-any.whl"', "files.example"),
    ],
)
def test_what_no_index_has_is_refused_by_name_with_where_it_is_from(source: str, said: str) -> None:
    head, _, _ = LOCK.rpartition('source = { registry = "https://index.example/simple" }')
    wheel = f'wheels = [{{ url = "https://files.example/six-1.16.0-py2.py3-none-any.whl", hash = "{SIX[1]}" }}]\n'
    kept = wheel if source.startswith("url") else ""
    if source.startswith("path"):
        kept = f'wheels = [{{ filename = "six-1.16.0-py2.py3-none-any.whl", hash = "{SIX[1]}" }}]\n'
    with pytest.raises(ConfigError, match=r"(?s)no index has.*\n  six from .*" + said) as caught:
        asked(**{"code/uv.lock": f"{head}source = {{ {source} }}\n{kept}"})
    assert "--no-emit-package six" in (caught.value.hint or "")


def test_a_lock_that_somebody_forgot_to_make_again_is_refused() -> None:
    newer = PROJECT.replace('["six",', '["six", "humanize",')
    with pytest.raises(ConfigError, match=r"not up to date.*differ in humanize") as caught:
        asked(**{"code/pyproject.toml": newer})
    assert "uv lock" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"code/uv.lock": "[[package"}, "not TOML"),
        ({"code/uv.lock": "version = 1\n"}, "not the lock of the pyproject.toml beside it"),
        ({"code/uv.lock": LOCK.replace("version = 1\n", "version = 9\n", 1)}, "uv cannot read code/uv.lock"),
        ({"code/pyproject.toml": PROJECT.replace(">=3.11", "<3.12")}, "requires Python <3.12"),
    ],
)
def test_a_uv_lock_that_cannot_be_used_is_refused(changed: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        asked(**changed)


def test_a_uv_lock_without_its_project_is_refused() -> None:
    def read(path: str) -> bytes:
        return files()(path if path.endswith("lock") else "nowhere")

    with pytest.raises(ConfigError, match=r"code/pyproject\.toml cannot be read"):
        request.build_request(StackSection(requirements="code/uv.lock"), read)
