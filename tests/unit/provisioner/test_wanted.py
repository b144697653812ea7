from __future__ import annotations

import pytest

from sandbox.config.sections.stack import StackSection
from sandbox.errors import ConfigError
from sandbox.provisioner.lock import request as stack_request
from sandbox.provisioner.lock import requirements


def libraries(content: str, name: str = "requirements.txt") -> tuple[str, ...]:
    return requirements.read_requirements(name, lambda _: content.encode(), python="3.13").libraries


def test_without_a_file_nothing_is_asked_for_beside_the_image() -> None:
    def read(path: str) -> bytes:
        raise AssertionError(path)

    request = stack_request.build_request(StackSection(), read)
    assert request == stack_request.StackRequest(image="python", python="3.13")


def test_comments_order_and_spaces_do_not_change_what_is_asked_for() -> None:
    plain = libraries("pandas>=2\nrequests[socks]>=2.32\n")
    assert plain == ("pandas>=2", "requests[socks]>=2.32")
    assert libraries("# ours\n\nrequests[socks] >= 2.32  # http\npandas>=2 \\\n  --hash=sha256:00\n") == plain


def test_an_entry_may_span_lines() -> None:
    assert libraries("pandas \\\n >=2,\\\n<3\n") == ("pandas<3,>=2",)


def test_markers_are_kept() -> None:
    assert libraries('tzdata; sys_platform == "win32"\n') == ('tzdata; sys_platform == "win32"',)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ('six==1.16.0 --hash=sha256:00"--pre', "has a --hash that is none"),
        ("-e .", "not supported yet"),
        ("--index-url https://mirror.example/simple", "not supported yet"),
        ("./library", "a path or an address"),
        ("git+https://example.org/x.git", "a path or an address"),
        ("https://example.org/x-1.0-py3-none-any.whl", "a path or an address"),
        ("x @ https://example.org/x-1.0-py3-none-any.whl", "names an address"),
        ("pandas==", "is not a requirement"),
        ("pandas duckdb", "is not a requirement"),
    ],
)
def test_what_no_index_has_is_refused_with_its_line(entry: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=r"requirements\.txt, line 3") as caught:
        libraries(f"duckdb\n\n{entry}\n")
    assert reason in caught.value.message
    assert caught.value.hint


def test_pyproject_lists_its_dependencies() -> None:
    text = '[project]\nname = "shop"\nrequires-python = ">=3.11"\ndependencies = ["pandas>=2", "duckdb"]\n'
    assert libraries(text, "pyproject.toml") == ("duckdb", "pandas>=2")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[project]\nname = "x"\ndynamic = ["dependencies"]\n', "does not list its libraries"),
        ('[tool.poetry.dependencies]\npandas = "^2"\n', "does not list its libraries"),
        (
            '[project]\ndependencies = ["x"]\n[tool.uv.sources]\nx = { path = "x" }\n',
            "place of its own",
        ),
        ('[project]\nrequires-python = "<3.13"\ndependencies = []\n', "requires Python <3.13"),
        ('[project]\nrequires-python = "three"\ndependencies = []\n', "not a version specifier"),
        ("[project\n", "is not TOML"),
    ],
)
def test_pyproject_that_would_be_misread_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        libraries(text, "pyproject.toml")


def test_files_named_by_a_file_are_read_beside_it() -> None:
    files = {
        "jobs/requirements.txt": "-r ../base.txt\n--constraint=limits.txt\npandas\n",
        "base.txt": "-c jobs/limits.txt\nduckdb>=1.5\n",
        "jobs/limits.txt": "numpy<3\npandas<4 --hash=sha256:00\n",
    }
    found = requirements.read_requirements("jobs/requirements.txt", lambda path: files[path].encode(), python="3.13")
    assert found == requirements.Requirements(libraries=("duckdb>=1.5", "pandas"), constraints=("numpy<3", "pandas<4"))


def test_file_that_includes_itself_is_refused() -> None:
    files = {"a.txt": "-r b.txt\n", "b.txt": "\n-r a.txt\n"}
    with pytest.raises(ConfigError, match=r"b\.txt, line 2 includes the file"):
        requirements.read_requirements("a.txt", lambda path: files[path].encode(), python="3.13")


def test_every_problem_of_a_stack_is_named_at_once() -> None:
    stack = StackSection(image="pyhton", python="3.11", requirements="poetry.lock")
    with pytest.raises(ConfigError) as caught:
        stack_request.check_stack(stack, lambda _: b"", origin="sandbox.toml")
    for problem in ("there is no image 'pyhton'", 'stack.python = "3.11"', "poetry.lock, which is of another tool"):
        assert problem in caught.value.message
    assert "poetry export --output requirements.txt" in caught.value.hint
    assert 'image = "./Dockerfile"' in caught.value.hint


@pytest.mark.parametrize("name", ["environment.yml", "setup.py", "poetry.lock", "Pipfile.lock"])
def test_other_kinds_of_file_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        libraries("", name)


def test_a_file_that_is_not_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="not UTF-8"):
        requirements.read_requirements("requirements.txt", lambda _: b"\xff\xfe\x00", python="3.13")


def test_a_missing_file_is_named() -> None:
    def read(path: str) -> bytes:
        raise FileNotFoundError(2, "No such file or directory", path)

    with pytest.raises(ConfigError, match=r"reqs/base\.txt cannot be read"):
        stack_request.build_request(StackSection(requirements="reqs/base.txt"), read)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("image", "pyhton", "there is no image"), ("python", "3.12", "has Python 3.13 and no other")],
)
def test_what_there_is_not_is_refused(key: str, value: str, said: str) -> None:
    section = StackSection.model_validate({key: value})
    with pytest.raises(ConfigError, match=said):
        stack_request.build_request(section, lambda _: b"")
