"""Whatever file of a run or of a sample is deleted or damaged, it is named before there is a verdict."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.projects import Shop


def delete(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def flip(path: Path) -> None:
    """Change one bit in the middle; the size stays, and so does the time that programs may set."""
    content, times = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def recount(path: Path) -> None:
    """Let a manifest tell another story in figures that no file holds."""
    before = path.read_text("utf-8")
    path.write_text(re.sub(r'("population": \d+)', r"\g<1>0", before, count=1), "utf-8")
    assert path.read_text("utf-8") != before


RUN = ["output/value.parquet", "run.json", "stderr.log", "stdout.log"]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def judged(shop: Shop, request: pytest.FixtureRequest) -> Shop:
    """Give a project that was compared, with a sample that no other test has."""
    shop.edit("sandbox.toml", 'salt = "test"', f'salt = "{request.node.name}"')
    shop.edit("pipeline.py", "import os\n", "import os, sys\n\nprint('out')\nprint('err', file=sys.stderr)\n")
    shop.edit("pipeline.py", "count(order_id)", "count(*)")
    assert shop.run("diff").status == 1
    return shop


@pytest.mark.slow
def test_each_file_of_a_sample(judged: Shop, tmp_path: Path) -> None:
    sample = Path(judged.run("sample", "--json").json["path"])
    whole = tmp_path / "whole"
    shutil.copytree(sample, whole)
    assert {name.partition("/")[0] for name in files(sample)} == {
        "manifest.json", "tables", "weights", "profile.json",
    }  # fmt: skip
    for name in files(sample):
        for damage in (delete, cut, recount if name == "manifest.json" else flip):
            damage(sample / name)
            done = judged.run("diff")
            assert (done.status, done.stdout) == (13, ""), (name, damage)
            assert name in done.stderr, (name, damage, done.stderr)
            shutil.copyfile(whole / name, sample / name)
    assert judged.run("diff").status == 1


@pytest.mark.slow
@pytest.mark.parametrize("damage", [delete, flip])
def test_each_file_of_a_run(judged: Shop, damage: Callable[[Path], None]) -> None:
    """A run can be made again from what is there, so the verdict comes; before it, what is damaged is named."""
    runs = judged.root / ".sandbox" / "runs"
    found = judged.run("diff", "--json").json
    for name in RUN:
        folder = runs / found["candidate"]["run"]
        assert files(folder) == RUN
        damage(folder / name)
        verified = judged.run("verify")
        assert (verified.status, str(folder / name) in verified.stderr) == (13, True), verified.stderr
        done = judged.run("diff", "--json")
        assert any(str(folder / name) in one for one in done.json["warnings"]), done.json["warnings"]
        assert done.json["candidate"]["run"] != folder.name
        assert done.json["outputs"]["value"]["rows"] == found["outputs"]["value"]["rows"]
        shutil.rmtree(folder)
        found = done.json
