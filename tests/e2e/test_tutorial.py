"""The tutorial's commands give the tutorial's outputs.

It can take over 20 s: the page runs three diffs, two of them with a noise run and half-samples.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def load_tutorial() -> Any:
    spec = importlib.util.spec_from_file_location("tutorial", ROOT / "docs" / "recording" / "tutorial.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_outputs_of_its_commands(tmp_path: Path, sandbox_home: Path) -> None:
    tutorial = load_tutorial()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
    environment |= {"SANDBOX_HOME": str(sandbox_home), "SANDBOX_RUNTIME": "local"}
    page = tutorial.PAGE.read_text("utf-8")
    again = tutorial.run_page(page, tmp_path, environment)
    assert tutorial.normalize(again) == tutorial.normalize(page), "make tutorial"
