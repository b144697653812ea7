"""Reproducible, stratified, referentially complete samples of a source, in Parquet.

Three steps: `survey` looks at the source and gives a `Plan`; `draw` carries it out into the store; `drawn`, `load`,
`samples` and `verify` find what is stored and check it. `request_id` names what a project asks for without a source.
"""

from __future__ import annotations

from sandbox.sampler.draw import draw
from sandbox.sampler.kept import drawn, load, samples
from sandbox.sampler.plan import Plan
from sandbox.sampler.specification import request_id, specification
from sandbox.sampler.survey import survey
from sandbox.sampler.verify import verify

__all__ = ["Plan", "draw", "drawn", "load", "request_id", "samples", "specification", "survey", "verify"]
