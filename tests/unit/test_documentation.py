"""Documentation that cannot drift: what the code has, the documents name."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator, ValidationError, validate
from pydantic import TypeAdapter

from sandbox import errors
from sandbox.cli import COMMANDS
from sandbox.config import Settings
from sandbox.config.settings_schema import build_settings_schema
from sandbox.manifest.lock import LockDocument
from sandbox.manifest.run import RunRecord
from sandbox.manifest.sample import SampleManifest
from sandbox.manifest.sandbox_record import SandboxRecord

if TYPE_CHECKING:
    from sandbox.manifest.document import Document

ROOT = Path(__file__).parents[2]


def load_generator() -> Any:
    """Return docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load_generator()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert re.search(rf"`(sandbox )?{command}\b", (ROOT / "README.md").read_text("utf-8"))


@pytest.mark.parametrize("document", [SampleManifest, LockDocument, RunRecord, SandboxRecord])
def test_every_field_of_a_stored_document_is_described(document: type[Document]) -> None:
    text = (ROOT / "docs" / "formats.md").read_text("utf-8")
    stored = [name for name, field in document.model_fields.items() if not field.exclude]
    missing = [name for name in stored if not re.search(rf"`[^`]*\b{name}\b[^`]*`", text)]
    assert missing == []


def kinds(error: type[errors.SandboxError]) -> list[type[errors.SandboxError]]:
    below = [kind for kind in error.__subclasses__() if not kind.__name__.startswith("_")]
    return [error, *(kind for one in below for kind in kinds(one))]


@pytest.mark.parametrize("error", kinds(errors.SandboxError))
def test_every_error_has_a_status_of_its_own_that_is_described(error: type[errors.SandboxError]) -> None:
    text = (ROOT / "docs" / "exit-status.md").read_text("utf-8")
    assert f"| {error.status} | `{error.kind}` |" in text
    assert error.status not in (0, 1)
    assert [kind.status for kind in kinds(errors.SandboxError)].count(error.status) == 1


def test_settings_of_the_readme_are_valid() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert Settings.model_validate(tomllib.loads(block)).sample.unit == "customers"


def test_the_readme_is_short_and_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) < 100
    assert re.findall(r"^make \w+", text, re.MULTILINE) == ["make demo", "make test"]


def test_the_recording_is_an_animation_without_scripts() -> None:
    text = (ROOT / "docs" / "demo.svg").read_text("utf-8")
    assert {element.tag.rpartition("}")[2] for element in ET.fromstring(text).iter()} <= {
        *("svg", "title", "style", "rect", "text", "defs", "g", "use"),
    }
    assert "prefers-reduced-motion" in text
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_links_of_the_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_paths_named_in_the_design_records_exist() -> None:
    for record in (ROOT / "docs" / "design").glob("*.md"):
        for path in re.findall(r"`((?:sandbox|benchmarks|images|tests|docs)/[\w./-]+)`", record.read_text("utf-8")):
            assert (ROOT / path).exists(), f"{record.name}: {path}"


def test_the_index_lists_every_design_record() -> None:
    folder = ROOT / "docs" / "design"
    index = re.findall(r"\]\((\d{4}-[^)]+)\)", (folder / "README.md").read_text("utf-8"))
    assert index == sorted(path.name for path in folder.glob("[0-9]*.md"))


def test_design_records_have_every_section() -> None:
    for record in (ROOT / "docs" / "design").glob("[0-9]*.md"):
        text = record.read_text("utf-8")
        assert re.match(r"# \d+\. .+\n\nDate: \d{4}-\d\d-\d\d\n\n## Status\n", text), record.name
        assert re.findall("^## (.*)", text, re.MULTILINE) == ["Status", "Context", "Decision", "Consequences"]


@pytest.mark.parametrize("page", sorted(generate.render_pages(), key=str), ids=lambda path: path.name)
def test_generated_pages_are_up_to_date(page: Path) -> None:
    assert page.read_text("utf-8") == generate.render_pages()[page], "make docs"


def test_every_key_of_the_settings_is_described() -> None:
    text = generate.render_configuration()
    for title, model in generate.list_sections(Settings, ""):
        assert f"## {title}\n" in text
        for name, field in model.model_fields.items():
            assert field.description, f"{title} {name}"
            assert field.examples or generate.find_section(field), f"{title} {name}"


def test_examples_of_the_keys_are_valid() -> None:
    for title, model in generate.list_sections(Settings, ""):
        for name, field in model.model_fields.items():
            for example in field.examples or []:
                adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
                assert adapter.validate_python(example) is not None, f"{title} {name}"


def test_the_schema_accepts_what_the_settings_accept() -> None:
    schema = build_settings_schema()
    Draft202012Validator.check_schema(schema)
    for file in (ROOT / "templates" / "demo" / "project" / "sandbox.toml",):
        validate(tomllib.loads(file.read_text("utf-8")), schema)
    wrong = {
        "version": 1,
        "project": {"name": "x"},
        "source": {"uri": "x"},
        "sample": {"unit": "x", "size": "1 XB"},
        "tables": {},
    }
    with pytest.raises(ValidationError, match="1 XB"):
        validate(wrong, schema)
