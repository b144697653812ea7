"""The secret of the masks is nowhere: no file, no log, no process but the one that was given it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil

from sandbox.manifest.sample import SampleManifest
from sandbox.masking import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.projects import Shop

SECRET = "correct-horse-battery-staple-and-more-of-them"
KEY = Secret.from_text(SECRET).key
FORMS = [SECRET.encode(), KEY, KEY.hex().encode(), repr(KEY).encode()]
SHOW = "\nprint(sorted(os.environ.items()))\n"


def mentions(path: Path) -> bool:
    content = path.read_bytes()
    return any(form in content for form in FORMS)


def watched(shop: Shop, *arguments: str) -> tuple[str, set[str]]:
    """Call the command and give what it printed, and which other processes knew the secret."""
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=shop.root,
        env=shop.environment | {"SANDBOX_MASK_KEY": SECRET},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as running:
        assert running.stdout is not None
        os.set_blocking(running.stdout.fileno(), False)
        known: set[str] = set()
        printed = b""
        while running.poll() is None:
            known |= set(_knowing(psutil.Process(running.pid)))
            printed += running.stdout.read() or b""
            time.sleep(0.05)
        printed += running.stdout.read() or b""
    assert running.returncode == 0, printed.decode()
    return printed.decode(), known


def _knowing(started: psutil.Process) -> Iterator[str]:
    """Give the commands of what a process started that has the secret in its environment, or anybody in the arguments."""
    with contextlib.suppress(psutil.Error, OSError):
        yield from (" ".join(started.cmdline()) for one in started.cmdline() if SECRET in one)
        for below in started.children(recursive=True):
            with contextlib.suppress(psutil.Error, OSError):
                if below.cmdline() == started.cmdline():
                    continue  # a copy of the command for the moment until it becomes another program
                if SECRET in " ".join([*below.cmdline(), *below.environ().values()]):
                    yield " ".join(below.cmdline())


def test_the_secret_is_in_no_file_log_or_other_process(shop: Shop) -> None:
    shop.edit("sandbox.toml", 'email = "none"', 'email = "email"')
    shop.edit("pipeline.py", "import duckdb\n", f"import duckdb\n{SHOW}")
    printed, known = watched(shop, "sample", "-v")
    assert "create" in printed.lower(), "what is done is shown"
    again, more = watched(shop, "run", "-v")
    logs = list(shop.root.glob(".sandbox/runs/*/stdout.log"))
    assert "SANDBOX_SAMPLE" in logs[0].read_text()
    assert "SANDBOX_MASK" not in logs[0].read_text()
    assert SECRET not in printed + again
    assert KEY.hex() not in printed + again
    assert known | more == set()
    manifests = [SampleManifest.read(path) for path in shop.home.glob("samples/*/manifest.json")]
    assert Secret.from_text(SECRET).id in {one.masking_key for one in manifests}
    places = [shop.root, shop.home / "samples"]
    found = [path for place in places for path in place.rglob("*") if path.is_file() and mentions(path)]
    assert found == []


def test_errors_do_not_tell_the_secret(shop: Shop) -> None:
    shop.edit("sandbox.toml", 'email = "none"', 'email = "email"')
    done = shop.run("sample", "-v", env={"SANDBOX_MASK_KEY": SECRET[:20]})
    assert done.status == 10
    assert "too short" in done.stderr
    assert SECRET[:20] not in done.stdout + done.stderr


def test_commands_that_draw_stop_at_a_personal_column(shop: Shop) -> None:
    shop.edit("sandbox.toml", '[tables.customers.mask]\nemail = "none"\n', "")
    for command in ("sample", "create", "diff"):
        done = shop.run(command)
        assert done.status == 10, done.stderr
        assert "customers.email: 100 % of 400 values are or hold e-mail addresses" in done.stderr
        assert 'hint: email = "email"' in done.stderr
        assert done.stderr.count("customers.email") == 1
    planned = shop.run("plan")
    assert planned.status == 0
    assert "customers.email looks personal" in " ".join(planned.stdout.split())


def test_a_stored_sample_is_not_judged_again(shop: Shop) -> None:
    drawn = shop.run("sample", "--json")
    shop.edit("sandbox.toml", '[tables.customers.mask]\nemail = "none"\n', "")
    again = shop.run("sample", "--json")
    assert again.status == 0, again.stderr
    assert again.json["fingerprint"] == drawn.json["fingerprint"]
    assert not again.json["drawn"]
