"""Carries a Python program out again and again, each time killed at another of its steps, then once more to its end.

A step is one of `tests.kill_points`. Everything is imported once; each turn is a fork of this process, so that it costs no
start-up.

Called with one JSON document on stdin: ``modules`` to import first, ``program``, ``reset`` (a program that restores the
beginning), ``check`` (a program that fails if something was left behind), ``most`` (how many steps to be killed at) and ``every`` (which of the requests to the engine: 1 is each).
Prints one JSON document: ``steps`` (of the whole program), ``killed`` (at which), ``wrong`` (step -> what was wrong).
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import signal
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from tests.kill_points import REQUESTS, watch_steps


def turn(program: str, *, at: int | None = None, tell: int | None = None) -> int:
    """Fork, carry a program out, and give its wait status; with ``at`` it is killed before that step."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    os.setsid()
    said = io.StringIO()
    list_steps = watch_steps(at)
    status = 99
    try:
        with redirect_stdout(said), redirect_stderr(said):
            names: dict[str, Any] = {}
            exec(program, names)
            status = names.get("status", 0)
    except BaseException:  # noqa: BLE001 - it is told, and the turn has failed
        said.write(traceback.format_exc())
    if tell is not None:
        os.write(tell, json.dumps(list_steps()).encode() + b"\n")
    if status:
        os.write(2, said.getvalue().encode())
    os._exit(status)


def main() -> None:
    asked = json.load(sys.stdin)
    for name in asked["modules"]:
        importlib.import_module(name)
    gc.freeze()
    reader, writer = os.pipe()
    assert turn(asked["reset"]) == 0
    assert turn(asked["program"], tell=writer) == 0, "it does not even succeed undisturbed"
    steps = json.loads(os.fdopen(reader).readline())
    always = [number for number, event in enumerate(steps, 1) if event in REQUESTS][:: asked["every"]]
    others = [number for number, event in enumerate(steps, 1) if event not in REQUESTS]
    stride = max(1, -(-len(others) // max(1, asked["most"] - len(always))))
    points = sorted({*always, *others[::stride]})
    spared = []
    wrong = {}
    for point in points:
        assert turn(asked["reset"]) == 0
        killed = turn(asked["program"], at=point)
        again = turn(asked["program"])
        checked = turn(asked["check"])
        if killed == 0:  # the first turn had a step more
            spared.append(point)
        if killed not in {0, signal.SIGKILL} or again or checked:
            wrong[point] = [steps[point - 1], f"killed: {killed}, again: {again}, check: {checked}"]
    json.dump({"steps": steps, "killed": [one for one in points if one not in spared], "wrong": wrong}, sys.stdout)


if __name__ == "__main__":
    main()
