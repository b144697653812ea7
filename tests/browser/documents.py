"""Comparisons with something to say in every section of a page, whose values would like to be code."""

from __future__ import annotations

from sandbox.manifest.diff import DiffDocument, OutputDiff

HOSTILE = "</td></style><script>alert(1)</script><img src=x onerror=alert(2)> \u202eevil\u2066 \x1b[31m \x07 & \"'"


def everything(name: str, value: str) -> OutputDiff:
    """An output about which there is something to say in every section."""
    figure = {"status": "estimated", "estimate": 2800.0, "low": 2400.0, "high": 3300.0}
    moved = {"status": "estimated", "estimate": -1.2e6, "low": -1.5e6, "high": -9e5}
    spread = {
        "rows": 20,
        "nulls": 3,
        "distinct": 7,
        "min": value,
        "max": value,
        "mean": 12.25,
        "quantiles": [value] * 5,
    }
    both = {"baseline": spread, "candidate": spread, "one_in": 4, "exact": False}
    histogram = {"edges": [value, 1, value], "baseline": [0.75, 0.25], "candidate": [0.5, 0.5]}
    top = [
        {"value": value, "baseline": 0.4, "candidate": 0.1},
        {"value": None, "baseline": 0.2, "candidate": 0.3},
    ]
    changed = {
        "changed": 412,
        "match_rate": 0.98,
        "mean_change": -1.5,
        "max_change": -3.0,
        "total_change": -618.0,
    }
    example = {"key": {name: value}, "baseline": {name: value}, "candidate": {name: None}}
    return OutputDiff.model_validate(
        {
            "status": "compared",
            "identical": False,
            "key": {"columns": [name], "source": "inferred"},
            "schema": {
                "added": [name],
                "type_changed": {name: {"baseline": "INTEGER", "candidate": value, "compared": True}},
            },
            "rows": {
                "baseline": 500,
                "candidate": 488,
                "added": 0,
                "removed": 12,
                "changed": 412,
                "unchanged": 76,
                "noise": 5,
            },
            "columns": {name: changed, "loaded_at": changed, "b": changed | {"change_in": "seconds"}},
            "tainted": ["loaded_at"],
            "noise_tolerances": {name: 1e-12},
            "flickering": 2,
            "examples": [{"kind": "changed", **example}, {"kind": "removed", **example, "candidate": None}],
            "profiles": {
                name: {**both, "histogram": histogram},
                f"{name} top": {**both, "top": top},
                "b": {**both, "histogram": histogram},
                "c": {**both, "top": top},
            },
            "segments": [
                {
                    "slices": [{"column": name, "values": [value, None]}],
                    "covered": 0.98,
                    "rows": 0.31,
                    "differing": 0.4,
                    "score": 0.7,
                }
            ],
            "estimate": {
                "status": "estimated",
                "reason": None,
                "unit": "customers",
                "population": 120_000,
                "units_affected": {**figure, "sample": 171},
                "rows_changed": figure,
                "totals": {f"{name}{place}": {"change": moved, "relative": moved} for place in range(9)},
            },
        }
    )


def build_document(outputs: dict[str, OutputDiff], *, text: str = "a test") -> DiffDocument:
    """A comparison that found all this."""
    side = {"run": "r1", "ref": "main", "commit": "4f2a9c1be07d5533", "tree": "aa" * 20, "cached": True}
    side |= {"seconds": 4.1, "cpu_seconds": 5.0, "peak_memory_bytes": 412_000_000}
    made = {"files": 2, "bytes": 9, "modified": "2026-11-20T08:00:00+00:00", "rows": 9, "compared": 3}
    failing = {"name": text, "baseline_failures": None, "candidate_failures": 3, "outcome": "newly_failing"}
    gate = {"rule": "changed_rows", "limit": "0 %", "found": "84.8 %"}
    document = {
        "id": "d1",
        "created": "2026-11-22T19:03:00+00:00",
        "project": text,
        "verdict": "outside_gate",
        "baseline": side | {"ref": text, "made": {text: made}},
        "candidate": side | {"stack": text},
        "sample": {
            "fingerprint": "c0ffee" * 10,
            "drawn": "2026-11-20T08:00:00+00:00",
            "units": {"customers": 6894},
            "population": {"customers": 120_000},
        },
        "environment": {
            "id": "ab" * 32,
            "runtime": "docker",
            "base": text,
            "candidate_id": "cd" * 32,
            "isolated": True,
        },
        "outputs": outputs,
        "tests": [
            failing | {"problems": {"baseline": text}},
            failing | {"outcome": "passed", "candidate_failures": 0},
        ],
        "gate": [gate | {"output": name, "held": bool(place % 2)} for place, name in enumerate(outputs)],
        "warnings": [text],
        "report": None,
        "repeat": {
            "run": "r2",
            "cached": False,
            "seconds": 1.0,
            "variation": {"threads": 1, "file_order": "reversed"},
        },
    }
    return DiffDocument.model_validate(document)
