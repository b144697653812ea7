"""Buckets as sources, on an S3 server that runs here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from sandbox import storage_errors
from sandbox.engine.duckdb.remote_files import RemoteFile
from sandbox.engine.duckdb.session import Session
from sandbox.errors import SourceError
from sandbox.model import SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.draw.work_items import MIN_BATCHES
from sandbox.sampler.plan.planner import plan_sample
from sandbox.sources.discover import list_source
from sandbox.sources.open_table import open_table
from sandbox.sources.registry import build_select
from tests.integration.sources.writers import write

if TYPE_CHECKING:
    from tests.integration.sources.conftest import Bucket
    from tests.projects import SourceProject

ONE = """
[sample]
unit = "people"
rate = 1.0
min_per_stratum = 0
[tables.people]
key = ["id"]
"""


def test_only_the_columns_and_row_groups_that_are_needed_are_fetched(
    lake: SourceProject, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        lake, "people.parquet", "select i as id, hash(i) as noise, md5(i::varchar) as text from range(200000) r(i)",
        "(row_group_size 20000)",
    )  # fmt: skip
    bucket.upload(lake.source)
    fetched = 0
    read = RemoteFile.read

    def counted(self: RemoteFile, count: int) -> bytes:
        nonlocal fetched
        found = read(self, count)
        fetched += len(found)
        return found

    monkeypatch.setattr(RemoteFile, "read", counted)
    with Session(threads=2) as session:
        table = open_table(session, list_source(bucket.uri, base=lake.root), "people")
        whole = table.bytes
        fetched = 0
        session.fetch_rows(f"select bit_xor(hash(id)) from ({build_select(table)})")
        column, fetched = fetched, 0
        session.fetch_rows(
            f"select bit_xor(hash(noise, text)) from ({build_select(table)}) where id between 70000 and 70100"
        )
        group = fetched
    assert 0 < column < whole / 4
    assert 0 < group < whole / 4


def test_a_file_that_is_replaced_between_counting_and_drawing(lake: SourceProject, bucket: Bucket) -> None:
    """By one of the same size, in the same second: only the etag tells."""
    write(lake, "people.csv", "select i as id from range(10, 99) r(i)")
    bucket.upload(lake.source)
    project = lake.project(ONE, uri=bucket.uri)
    plan = plan_sample(project, threads=1, progress=SilentProgress())
    write(lake, "people.csv", "select i as id from range(10, 99) r(i) order by i desc")
    bucket.upload(lake.source)
    with pytest.raises(SourceError, match=r"changed while it was read: people\.csv"):
        draw_sample(project, plan, home=lake.home, threads=1, progress=SilentProgress())


def test_many_small_files_are_fetched_once_and_make_few_parts(
    lake: SourceProject, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two types and in partitions; the sample is that of the same files in a folder."""
    for number in range(40):
        kind = "integer" if number < 20 else "bigint"
        rows = f"select (i * 40 + {number})::{kind} as id, md5(i::varchar) as text from range(50) r(i)"
        write(lake, f"people/part={number % 3}/{number}.parquet", rows)
    bucket.upload(lake.source)
    _, local = lake.draw(ONE)
    opened_file, from_bucket = RemoteFile.__init__, []

    def count_opened(self: RemoteFile, file: Any, path: str) -> None:
        from_bucket.extend([] if isinstance(file, pa.BufferReader) else [path])
        opened_file(self, file, path)

    monkeypatch.setattr(RemoteFile, "__init__", count_opened)
    project = lake.project(ONE, uri=bucket.uri)
    plan = plan_sample(project, threads=2, progress=SilentProgress())
    sample = draw_sample(project, plan, home=lake.home, threads=2, progress=SilentProgress())
    assert from_bucket == []
    assert sample.fingerprint == local.fingerprint
    assert len(sample.tables["people"].paths) <= 2 * MIN_BATCHES


def test_a_connection_that_is_lost_ends_the_draw_and_the_next_goes_on(
    lake: SourceProject, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        write(
            lake,
            f"people/{number}.parquet",
            f"select i * 4 + {number} as id, md5(i::varchar) as text from range(20000) r(i)",
        )
    bucket.upload(lake.source)
    project = lake.project(ONE, uri=bucket.uri)
    plan = plan_sample(project, threads=1, progress=SilentProgress())
    with monkeypatch.context() as patch:
        patch.setattr(storage_errors, "RETRY_SECONDS", ())
        opened_file, reads = RemoteFile.__init__, 0

        class Losing:
            """A file of pyarrow's whose connection breaks after some reads."""

            def __init__(self, file: Any) -> None:
                self.file = file

            def __getattr__(self, name: str) -> Any:
                return getattr(self.file, name)

            def read_at(self, count: int, place: int) -> bytes:
                nonlocal reads
                reads += 1
                if reads > 9:
                    raise OSError("AWS Error NETWORK_CONNECTION during GetObject operation: curlCode: 7")
                return bytes(self.file.read_at(count, place))

        patch.setattr(RemoteFile, "__init__", lambda self, file, path: opened_file(self, Losing(file), path))
        with pytest.raises(
            SourceError,
            match=r"^s3://[^,]*\.parquet cannot be read: it cannot be reached \(AWS Error NETWORK_CONNECTION",
        ) as caught:
            draw_sample(project, plan, home=lake.home, threads=1, progress=SilentProgress())
    assert "goes on where this one was" in caught.value.hint
    [unfinished] = [path for path in (lake.home / "samples").iterdir() if (path / "journal.jsonl").is_file()]
    done = len((unfinished / "journal.jsonl").read_text().splitlines()) - 1
    assert 0 < done < 4
    said: list[str] = []

    class Told(SilentProgress):
        def print_message(self, message: str) -> None:
            said.append(message)

    again = plan_sample(project, threads=1, progress=SilentProgress())
    sample = draw_sample(project, again, home=lake.home, threads=1, progress=Told())
    assert said[0].startswith(f"resuming: {done} of 4 parts")
    fresh = draw_sample(project, again, home=lake.root / "home 2", threads=1, progress=SilentProgress())
    assert sample.fingerprint == fresh.fingerprint
    assert [path.read_bytes() for path in sample.tables["people"].paths] == [
        path.read_bytes() for path in fresh.tables["people"].paths
    ]


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("s3://there-is-no-such-bucket/x", "there is no bucket"),
        ("{bucket}/typo", "there is nothing in s3://"),
        ("s3://key@bucket/x", "credentials belong in the environment"),
        ("s3://bucket/x?endpoint_override=127.0.0.1:1&scheme=http", "cannot be reached"),
    ],
)
def test_buckets_that_cannot_be_read(lake: SourceProject, bucket: Bucket, uri: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        plan_sample(lake.project(ONE, uri=uri.format(bucket=bucket.uri)), threads=1, progress=SilentProgress())
    assert caught.value.status == 11


def test_a_truncated_file_in_a_bucket_is_named(lake: SourceProject, bucket: Bucket) -> None:
    write(lake, "people/1.parquet", "select range as id from range(1000)")
    write(lake, "people/2.parquet", "select range as id from range(1000)")
    broken = lake.source / "people" / "2.parquet"
    broken.write_bytes(broken.read_bytes()[:-50])
    bucket.upload(lake.source)
    with pytest.raises(SourceError, match=r"s3://.*/people/2\.parquet is not a complete Parquet file"):
        plan_sample(lake.project(ONE, uri=bucket.uri), threads=1, progress=SilentProgress())


def test_what_is_hidden_or_nested_in_a_bucket_is_as_in_a_folder(lake: SourceProject, bucket: Bucket) -> None:
    for name in ("people/_temporary/0/x.parquet", "people/.hidden.parquet", "people/a=1/_d=2/x.parquet", "_old/x.parquet",
                 "nested/2024/x.parquet", "top.parquet"):  # fmt: skip
        write(lake, name, "select 1 as id")
    bucket.upload(lake.source)
    there = list_source(bucket.uri, base=lake.root)
    here = list_source("source", base=lake.root)
    assert {name: [file.name for file in files] for name, (_, files) in there.files.items()} == {
        name: [file.name for file in files] for name, (_, files) in here.files.items()
    }
    assert there.problems.keys() == here.problems.keys() == {"nested"}
    assert dict(there.files["people"][1][0].constants) == {"a": "1", "_d": "2"}
    assert urlsplit(there.display_name).scheme == "s3"
