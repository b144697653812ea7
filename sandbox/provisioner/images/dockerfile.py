"""External inputs of a Dockerfile: base images and copied files. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE_ARGUMENT = "BASE"  # the build argument for sandbox's own base image
_BASE_REFERENCES = (f"${BASE_ARGUMENT}", f"${{{BASE_ARGUMENT}}}")
_COPY_HINT = "name a file beside the Dockerfile; the code itself is in every run, so it need not be copied"


@dataclass(frozen=True, kw_only=True)
class DockerfileInputs:
    """External inputs of a Dockerfile.

    Attributes:
        images: Images named by ``FROM`` and ``COPY --from``, without the file's own stages, in order.
        uses_sandbox_base: Whether one of them is sandbox's own base image, ``FROM ${BASE}``.
        files: Paths of files beside it, normalised, sorted.
    """

    images: tuple[str, ...]
    uses_sandbox_base: bool
    files: tuple[str, ...]


def parse_dockerfile(name: str, text: str) -> DockerfileInputs:
    r"""Parse a Dockerfile.

    >>> parse_dockerfile("Dockerfile", "FROM python:3.13 AS a\nCOPY b.txt ./\nFROM a\nCOPY --from=a /x /x")
    DockerfileInputs(images=('python:3.13',), uses_sandbox_base=False, files=('b.txt',))

    Raises:
        ConfigError: It copies from a pattern or an address, or an image is named by a variable.
    """
    images: list[str] = []
    stages: set[str] = set()
    files: set[str] = set()
    has_base_argument = False
    for line, instruction, value in _split_instructions(text):
        where = f"{name}, line {line}"
        flags, arguments = _split_flags(value)
        if instruction == "ARG":
            has_base_argument = has_base_argument or value.partition("=")[0] == BASE_ARGUMENT
        elif instruction == "FROM":
            words = arguments.split()
            if not words:
                raise ConfigError(f"{where}: FROM names no image")
            if words[0] in _BASE_REFERENCES and not has_base_argument:
                raise ConfigError(f"{where}: {words[0]} has no value", hint=f"write ARG {BASE_ARGUMENT} before it")
            _add_image(where, words[0], stages, images)
            if len(words) == 3:
                stages.add(words[2].casefold())
        elif instruction in {"COPY", "ADD"}:
            if "from" in flags:
                _add_image(where, flags["from"], stages, images)
            else:
                files.update(_normalize_source(where, entry) for entry in _list_sources(where, arguments))
    if not images and not stages:
        raise ConfigError(
            f"{name} has no FROM", hint="begin with ARG BASE and FROM ${BASE}, which is sandbox's own base"
        )
    ours = any(entry in _BASE_REFERENCES for entry in images)
    return DockerfileInputs(
        images=tuple(dict.fromkeys(entry for entry in images if entry not in _BASE_REFERENCES)),
        uses_sandbox_base=ours,
        files=tuple(sorted(files)),
    )


def _split_instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield each instruction's line number, upper-case name, and value with continued lines joined."""
    gathered, first, document = "", 1, None
    for number, raw in enumerate(text.splitlines(), start=1):
        if document is not None:  # inside a here-document
            document = None if raw.strip() == document else document
            continue
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        first = first if gathered else number
        gathered = f"{gathered} {line.removesuffix(chr(92)).strip()}".strip()
        if line.endswith("\\"):
            continue
        instruction, _, value = gathered.partition(" ")
        heredoc = re.search(r"<<-?[\"']?(\w+)", value)
        document = heredoc[1] if heredoc else None
        yield first, instruction.upper(), value.strip()
        gathered = ""


def _split_flags(value: str) -> tuple[dict[str, str], str]:
    flags = {}
    while match := re.match(r"--([a-z]+)(?:=(\S+))?\s+", value):
        flags[match[1]] = match[2] or ""
        value = value[match.end() :]
    return flags, value


def _add_image(where: str, name: str, stages: set[str], images: list[str]) -> None:
    if name.casefold() in stages or name == "scratch" or name.isdigit():
        return
    if "$" in name and name not in _BASE_REFERENCES:
        raise ConfigError(
            f"{where}: the image is named by a variable",
            hint="write its name, best with its digest; only ${BASE} is known, which is sandbox's own base",
        )
    images.append(name)


def _list_sources(where: str, arguments: str) -> list[str]:
    if arguments.startswith("["):
        try:
            words = [str(word) for word in json.loads(arguments)]
        except ValueError as error:
            raise ConfigError(f"{where}: its arguments are no JSON list") from error
    else:
        words = arguments.split()
    return [word for word in words[:-1] if not word.startswith("<<")]


def _normalize_source(where: str, source: str) -> str:
    parts = [part for part in source.split("/") if part not in {"", "."}]
    if not parts or ".." in parts or "://" in source or re.search(r"[*?\[$]", source):
        raise ConfigError(f"{where}: it copies what is no file beside it", hint=_COPY_HINT)
    return "/".join(parts)
