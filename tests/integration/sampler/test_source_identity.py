"""Which source a sample came from is never mixed up."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sandbox.errors import FrozenMismatchError
from sandbox.model import SilentProgress
from sandbox.project.sample import ensure_sample
from sandbox.project.sharing import pull, push

if TYPE_CHECKING:
    from sandbox.config.settings import Project
    from sandbox.project.sample import SampleResult
    from tests.projects import SourceProject


@pytest.fixture
def project(place: SourceProject, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a drawn sample of ``source``, and the same data in ``mirror``, other data in ``elsewhere``."""
    monkeypatch.setenv("SANDBOX_HOME", str(place.home))
    rows = "select i as id, i % 3 as x from range(200) as r(i)"
    place.copy("customers.parquet", rows)
    place.copy("../elsewhere/customers.parquet", f"{rows} where i > 100")
    place.copy("../narrow/customers.parquet", "select i as id from range(200) as r(i)")
    place.copy("../retyped/customers.parquet", "select i as id, i::varchar as x from range(200) as r(i)")
    shutil.copytree(place.source, place.root / "mirror")
    project = place.project()
    assert ensure(project).drawn
    return project


def point_to(project: Project, uri: str) -> Project:
    source = project.settings.source.model_copy(update={"uri": uri})
    return replace(project, settings=project.settings.model_copy(update={"source": source}))


def ensure(project: Project, *, refresh: bool = False, same_source: bool = False) -> SampleResult:
    return ensure_sample(project, refresh=refresh, same_source=same_source, progress=SilentProgress())


def test_another_address_stops_until_it_is_accepted_or_drawn_from(project: Project) -> None:
    first = ensure(project).sample.fingerprint
    with pytest.raises(FrozenMismatchError, match=r"was drawn from source, and uri in .source. is elsewhere") as caught:
        ensure(point_to(project, "elsewhere"))
    assert caught.value.status == 18
    assert "sandbox sample --same-source" in caught.value.hint
    assert "sandbox sample --refresh" in caught.value.hint

    assert ensure(point_to(project, "mirror"), same_source=True).sample.fingerprint == first
    assert not ensure(point_to(project, "mirror")).drawn
    with pytest.raises(FrozenMismatchError, match=r"was drawn from mirror, and uri in .source. is source"):
        ensure(project)

    other = ensure(point_to(project, "elsewhere"), refresh=True)
    assert other.drawn
    assert other.sample.fingerprint != first
    with pytest.raises(FrozenMismatchError, match="was drawn from elsewhere"):
        ensure(project)


@pytest.mark.parametrize("spelling", ["source", "./source/", "source/../source", "{root}/source"])
def test_other_spellings_of_a_path_are_the_same_source(project: Project, spelling: str) -> None:
    assert not ensure(point_to(project, spelling.format(root=project.root))).drawn


@pytest.mark.parametrize(
    ("uri", "said"), [("narrow", "customers has no column x"), ("retyped", "customers has x as VARCHAR, not as BIGINT")]
)
def test_tables_of_other_columns_are_not_the_same_source(project: Project, uri: str, said: str) -> None:
    with pytest.raises(FrozenMismatchError, match=said):
        ensure(point_to(project, uri), same_source=True)
    assert not ensure(project).drawn


@pytest.mark.parametrize("by_fingerprint", [True, False])
def test_a_sample_from_a_store_may_have_been_drawn_anywhere(
    project: Project, place: SourceProject, *, by_fingerprint: bool
) -> None:
    store = str(place.root / "store")
    (place.root / "store").mkdir()
    push(project, uri=store, progress=SilentProgress())
    other = point_to(project, "elsewhere")
    fingerprint = ensure(project).sample.fingerprint if by_fingerprint else None
    pull(other, fingerprint=fingerprint, uri=store, progress=SilentProgress())
    assert not ensure(other).drawn
