"""What is installed from the wheel is whole."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).parents[2]


def test_wheel_carries_images_and_templates_and_answers(tmp_path: Path) -> None:
    uv = find_uv_bin()
    subprocess.run([uv, "build", "--wheel", "--quiet", "--out-dir", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for kind in ("images", "templates"):
        files = [path.relative_to(ROOT).as_posix() for path in (ROOT / kind).rglob("*") if path.is_file()]
        assert {f"sandbox/_data/{file}" for file in files if "__pycache__" not in file} <= names

    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", "--python", python, wheel], check=True)
    found = subprocess.run(
        [
            python,
            "-c",
            "from sandbox.store import paths; print(paths.find_packaged_folder('templates') / 'report.html')",
        ],
        env={"PYTHONPATH": ":".join(path for path in sys.path if "site-packages" in path)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert found.startswith(str(tmp_path))
    assert Path(found).is_file()
