from __future__ import annotations

import pytest

from sandbox.errors import ConfigError, ContainerEngineError
from sandbox.provisioner.lock import tools


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (
            "error: No solution found when resolving dependencies\n  cause: no version of proxy==99",
            ConfigError,
        ),
        (
            "error: Failed to fetch: `https://index.example/simple/six/`\n  cause: dns error",
            ContainerEngineError,
        ),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", ContainerEngineError),
        ("ERROR: Could not find a version that satisfies six==1.0 (from versions: 1.16.0)", ConfigError),
        (
            "ERROR: Could not find a version that satisfies six==1.0 (from versions: none)",
            ContainerEngineError,
        ),
    ],
)
def test_failures_of_tools_are_told_apart(said: str, kind: type[Exception]) -> None:
    error = tools.explain_failure("it failed", said)
    assert type(error) is kind
    assert error.message.startswith("it failed:\n")
    assert error.hint


def test_only_the_last_lines_of_a_tool_are_shown_and_its_notices_are_not() -> None:
    said = "".join(f"line {number}\n" for number in range(100)) + "\n[notice] A new release of pip\n"
    message = tools.explain_failure("it failed", said).message
    assert message.endswith("line 99")
    assert "line 87" not in message


def test_a_projects_own_settings_do_not_reach_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/elsewhere")
    monkeypatch.setenv("UV_CONSTRAINT", "limits.txt")
    variables = tools.build_uv_variables()
    assert not {"VIRTUAL_ENV", "UV_CONSTRAINT"} & variables.keys()
    assert variables["UV_PYTHON_DOWNLOADS"] == "never"


def test_credentials_of_an_index_are_in_no_message() -> None:
    said = "error: Failed to fetch: `https://me:t0ken@index.example/simple/six/`\n  cause: dns error"
    error = tools.explain_failure("it failed", said, tool="pip")
    assert "t0ken" not in error.message + error.hint
    assert "index.example/simple/six" in error.message
    assert error.hint.startswith("pip failed")
