"""Where libraries come from: the settings of pip and uv on this machine, merged and given to both.

uv resolves and pip downloads, and each reads settings of its own. A company's index may be set for either.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from sandbox.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UV_SETTINGS_FILE = "uv/uv.toml"
PIP_SECTIONS = ("global", "download", "install", ":env:")  # a later one wins
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """Where libraries come from.

    Attributes:
        default: The index for everything; None is the public one.
        extra: Further indexes. uv takes a library from the first one with it.
        is_best_match: Whether the best version of all indexes is taken instead, as pip does with its own settings.
        find_links: Folders and pages with files.
        no_index: Whether no index is asked.
        trusted_hosts: Hosts whose certificates are not checked.
        certificates: A file of certificates to trust.
    """

    default: str | None = None
    extra: tuple[str, ...] = ()
    is_best_match: bool = False
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()
    certificates: str | None = None

    def build_uv_variables(self) -> dict[str, str]:
        """Return these settings as uv's environment variables."""
        return {
            **({"UV_DEFAULT_INDEX": self.default} if self.default else {}),
            **({"UV_INDEX": " ".join(self.extra)} if self.extra else {}),
            **({"UV_INDEX_STRATEGY": "unsafe-best-match"} if self.is_best_match else {}),
            **({"UV_FIND_LINKS": ",".join(self.find_links)} if self.find_links else {}),
            **({"UV_NO_INDEX": "1"} if self.no_index else {}),
            **({"UV_INSECURE_HOST": " ".join(self.trusted_hosts)} if self.trusted_hosts else {}),
            **({"SSL_CERT_FILE": self.certificates} if self.certificates else {}),
        }

    def build_pip_variables(self) -> dict[str, str]:
        """Return these settings as pip's environment variables."""
        return {
            **({"PIP_INDEX_URL": self.default} if self.default else {}),
            **({"PIP_EXTRA_INDEX_URL": " ".join(self.extra)} if self.extra else {}),
            **({"PIP_FIND_LINKS": " ".join(self.find_links)} if self.find_links else {}),
            **({"PIP_NO_INDEX": "1"} if self.no_index else {}),
            **({"PIP_TRUSTED_HOST": " ".join(self.trusted_hosts)} if self.trusted_hosts else {}),
            **({"PIP_CERT": self.certificates} if self.certificates else {}),
        }


def read_index_settings(pip_command: list[str], environ: Mapping[str, str] = os.environ) -> IndexSettings:
    """Return the merged settings of uv's variables, ``uv.toml``, pip's variables and pip's files; an earlier one wins.

    Args:
        pip_command: The start of a pip command line.
        environ: The environment.

    Raises:
        ConfigError: A ``uv.toml`` is damaged.
    """
    uv = _read_uv_settings(environ)
    pip = _read_pip_settings(pip_command, environ)
    default = uv.default or pip.default
    return IndexSettings(
        default=default,
        extra=_merge(url for url in (*uv.extra, *pip.extra) if url != default),
        is_best_match=bool(pip.extra) and not uv.extra and "UV_INDEX_STRATEGY" not in environ,
        find_links=_merge(link for link in (*uv.find_links, *pip.find_links) if _may_exist(link)),
        no_index=uv.no_index or pip.no_index,
        trusted_hosts=_merge((*uv.trusted_hosts, *pip.trusted_hosts)),
        certificates=uv.certificates or pip.certificates,
    )


def _read_uv_settings(environ: Mapping[str, str]) -> IndexSettings:
    files: dict[str, Any] = {}
    for path in _list_uv_files(environ):
        files = _read_uv_file(path) | files
    listed = [entry for entry in files.get("index", ()) if isinstance(entry, dict) and "url" in entry]
    urls = {entry["url"]: _add_credentials(str(entry["url"]), str(entry.get("name", "")), environ) for entry in listed}
    defaults = [urls[entry["url"]] for entry in listed if entry.get("default")]
    named = _split(environ.get("UV_INDEX", "")) or _split(environ.get("UV_EXTRA_INDEX_URL", ""))
    default = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL")
    links = [link.strip() for link in environ.get("UV_FIND_LINKS", "").split(",")]
    return IndexSettings(
        default=(_parse_named_index(default, environ) if default else None)
        or next(iter(defaults), None)
        or files.get("index-url"),
        extra=_merge(
            (
                *(_parse_named_index(index, environ) for index in named),
                *(urls[entry["url"]] for entry in listed if not entry.get("default")),
                *files.get("extra-index-url", ()),
            )
        ),
        find_links=_merge((*filter(None, links), *files.get("find-links", ()))),
        no_index=environ.get("UV_NO_INDEX", "").lower() in TRUE_WORDS or bool(files.get("no-index")),
        trusted_hosts=_merge((*_split(environ.get("UV_INSECURE_HOST", "")), *files.get("allow-insecure-host", ()))),
        certificates=environ.get("SSL_CERT_FILE"),
    )


def _list_uv_files(environ: Mapping[str, str]) -> list[Path]:
    """Return uv's settings files that apply outside of projects, the strongest first."""
    if environ.get("UV_NO_CONFIG", "").lower() in TRUE_WORDS:
        return []
    if named := environ.get("UV_CONFIG_FILE"):
        return [Path(named)]
    user = environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    system = environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
    folders = [Path(user), *(Path(folder) for folder in system if folder), Path("/etc")]
    return [path for path in (folder / UV_SETTINGS_FILE for folder in folders) if path.is_file()]


def _read_uv_file(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the settings of uv in {path} cannot be read", hint="correct the file") from error
    pip = content.get("pip", {})
    return {**content, **(pip if isinstance(pip, dict) else {})}


def _parse_named_index(index: str, environ: Mapping[str, str]) -> str:
    """Return the address of ``NAME=URL`` or ``URL`` with the credentials that uv takes from the environment."""
    match = re.fullmatch(r"(?P<name>[A-Za-z0-9_.-]+)=(?P<url>.*)", index)
    return _add_credentials(match["url"], match["name"], environ) if match else index


def _add_credentials(url: str, name: str, environ: Mapping[str, str]) -> str:
    variable = f"UV_INDEX_{re.sub(r'[^A-Z0-9]', '_', name.upper())}"
    user, password = environ.get(f"{variable}_USERNAME"), environ.get(f"{variable}_PASSWORD")
    parts = urlsplit(url)
    if not name or (user is None and password is None) or "@" in parts.netloc:
        return url
    login = f"{quote(user or '', safe='')}:{quote(password or '', safe='')}"
    return parts._replace(netloc=f"{login}@{parts.netloc}").geturl()


def _read_pip_settings(pip_command: list[str], environ: Mapping[str, str]) -> IndexSettings:
    """Return pip's settings, as ``pip config list`` prints them: of its files and of the environment."""
    done = subprocess.run(
        [*pip_command, "config", "list"],
        env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    values: dict[str, str] = {}
    for section in PIP_SECTIONS:
        for line in done.stdout.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(f"{section}."):
                with contextlib.suppress(ValueError, SyntaxError):
                    values[name.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    return IndexSettings(
        default=values.get("index-url"),
        extra=_split(values.get("extra-index-url", "")),
        find_links=_split(values.get("find-links", "")),
        no_index=values.get("no-index", "").lower() in TRUE_WORDS,
        trusted_hosts=_split(values.get("trusted-host", "")),
        certificates=values.get("cert"),
    )


def _may_exist(link: str) -> bool:
    """Return whether a link is an address or an existing folder: uv, unlike pip, fails for a missing one."""
    parts = urlsplit(link)
    return (
        Path(unquote(parts.path) if parts.scheme == "file" else link).exists() if parts.scheme in {"", "file"} else True
    )


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _merge(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
