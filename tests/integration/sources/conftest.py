"""One set of tables with keys of every kind, written as each kind of source, and the sampler on it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import duckdb
import pytest
from pyarrow import fs
from pyiceberg.catalog.sql import SqlCatalog

from sandbox.demo import create_demo
from sandbox.model import SilentProgress
from tests.integration.sources.projects import sampled
from tests.integration.sources.server import PASSWORD, Server
from tests.integration.sources.writers import fill_server
from tests.projects import SourceProject, create_source_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from sandbox.manifest.sample import SampleManifest
    from tests.integration.sources.cluster import Cluster
    from tests.integration.sources.mariadb import MariaDB
    from tests.integration.sources.snowflake import Emulator

# Negative and large integers, texts that need quoting and are not ASCII, UUIDs, dates, two columns; children of each.
TABLES = {
    "people": """select (i - 300) * 7919 as id, ['DE', 'FR', null, 'x y/ü=1', '007', ''][i % 6 + 1] as country,
        i % 3 as month, (i * 0.375)::double as spent, i % 2 = 0 as active, timestamp '2020-01-01' + i * interval 7 hour as seen
        from range(600) as r(i)""",
    "visits": """select i as visit, ((hash(i) % 600)::bigint - 300) * 7919 as person, date '2024-01-01' + (i % 90)::int as day
        from range(2000) as r(i)""",
    "words": """select 'k''"' || i || 'ß' as word, i % 4 as class, decode(encode('é' || i)) as note
        from range(500) as r(i)""",
    "tokens": """select md5(i::varchar)::uuid as token, i % 4 as class, (i * 1.25)::decimal(12, 2) as price
        from range(500) as r(i)""",
    "days": "select date '1969-06-01' + i::int as day, i % 4 as class, i::double / 3 as share from range(500) as r(i)",
    "lines": """select 1900 + i // 50 as year, 'n' || i % 50 as number, i % 4 as class, i as amount
        from range(1000) as r(i)""",
    "parts": """select i as id, 1900 + (i // 2) // 50 as year, 'n' || (i // 2) % 50 as number from range(2000) as r(i)""",
}
ICEBERG_URI = "iceberg+sqlite:///catalog.db?namespace=shop"
SECTIONS = """
[sample]
salt = "spring"
unit = "people"
strata = ["country", "month"]
rate = 0.3
min_per_stratum = 3
[sample.also.words]
strata = ["class"]
rate = 0.2
[sample.also.tokens]
strata = ["class"]
rate = 0.2
[sample.also.days]
rate = 0.2
[sample.also.lines]
rate = 0.2
[tables.people]
key = ["id"]
where = "country <> 'FR' or month = 1"
[tables.people.types]
id = "BIGINT"
active = "BOOLEAN"
seen = "TIMESTAMP"
month = "BIGINT"
[tables.visits]
key = ["visit"]
references = { person = "people.id" }
[tables.visits.types]
person = "BIGINT"
day = "DATE"
[tables.visits.mask]
day = { kind = "date_shift", days = 30 }
[tables.words]
key = ["word"]
[tables.tokens]
key = ["token"]
[tables.tokens.types]
token = "UUID"
price = "DECIMAL(12,2)"
[tables.days]
key = ["day"]
[tables.days.types]
day = "DATE"
[tables.lines]
key = ["year", "number"]
[tables.parts]
key = ["id"]
[[tables.parts.reference]]
columns = ["year", "number"]
table = "lines"
key = ["year", "number"]
"""


Contents = Callable[["SampleManifest"], dict[str, tuple[object, ...]]]


Arrow = Callable[["Path"], "pa.Table"]


@pytest.fixture(scope="session")
def arrow() -> Arrow:
    """Give the rows of a Parquet file, with text for what Arrow has only as an extension (UUID)."""

    def of(path: Path) -> pa.Table:
        with duckdb.connect() as connection:
            found = connection.from_parquet(str(path))
            texts = [
                f'"{name}"::varchar as "{name}"'
                for name, kind in zip(found.columns, found.types, strict=True)
                if kind == "UUID"
            ]
            select = f"* replace ({', '.join(texts)})" if texts else "*"
            return found.project(select).to_arrow_table()

    return of


@pytest.fixture
def contents() -> Contents:
    """Give by table what a sample has: the digest of its rows, their number, and the columns."""

    def of(manifest: SampleManifest) -> dict[str, tuple[object, ...]]:
        return {
            name: (one.content, one.rows, sorted((column.name, column.type) for column in one.columns))
            for name, one in manifest.tables.items()
        }

    return of


@pytest.fixture
def lake(tmp_path: Path) -> SourceProject:
    return create_source_project(tmp_path, sections=SECTIONS)


MASK_KEY = "a secret of these tests, long enough for masks"


@pytest.fixture(scope="module", autouse=True)
def mask_key() -> Iterator[None]:
    """All samples of these tests are masked with one secret; those of other folders are not."""
    with use_mask_key():
        yield


@contextlib.contextmanager
def use_mask_key() -> Iterator[None]:
    """Set the secret; for fixtures that are made before a module's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_MASK_KEY", MASK_KEY)
        yield


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SampleManifest]:
    """The tables as one Parquet file each, and the manifest of their sample."""
    root = tmp_path_factory.mktemp("plain")
    (root / "source").mkdir()
    with duckdb.connect() as connection:
        for name, select in TABLES.items():
            connection.execute(f"copy ({select}) to '{root}/source/{name}.parquet' (format parquet)")
    with use_mask_key():
        _, manifest = SourceProject(root=root, sections=SECTIONS).draw()
    return root / "source", manifest


@pytest.fixture(scope="session")
def running_cluster(s3: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of Spark for the whole run, whose workers have the secret of the masks and the buckets' credentials."""
    from tests.integration.sources.cluster import Cluster  # noqa: PLC0415 - an extra, for those that ask for it

    with contextlib.ExitStack() as stack:
        with use_mask_key(), pytest.MonkeyPatch.context() as patch:
            set_bucket_variables(patch, s3)
            running = stack.enter_context(Cluster(tmp_path_factory.mktemp("spark")))
        yield running


@pytest.fixture(scope="module")
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, used by one session of this process: its executors start once."""
    with pytest.MonkeyPatch.context() as patch:
        running_cluster.share_session(patch)
        yield running_cluster


@pytest.fixture(scope="session")
def drawn_demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A small demo, and the fingerprint of its sample as the command draws it without Spark."""
    folder = tmp_path_factory.mktemp("demo")
    project = folder / "shöp"
    create_demo(project, scale=0.02, progress=SilentProgress())
    with use_mask_key():
        fingerprint = sampled(project, folder / "home")["fingerprint"]
    shutil.rmtree(project / ".sandbox")
    return project, fingerprint


@pytest.fixture
def catalog(lake: SourceProject) -> Iterator[SqlCatalog]:
    made = SqlCatalog("prod", uri=iceberg_address(lake), warehouse=str(lake.root.parent / "ware house"))
    made.create_namespace("shop")
    yield made
    made.close()


def iceberg_address(lake: SourceProject) -> str:
    return f"sqlite:///file:{quote(quote(str(lake.root / 'catalog.db')))}?mode=rwc&uri=true"


@pytest.fixture(scope="module")
def server(postgres_server: Server) -> Iterator[Server]:
    """The server of all tests, with its password in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSWORD", PASSWORD)
        yield postgres_server


@pytest.fixture(scope="session")
def filled_database(postgres_server: Server, plain: tuple[Path, SampleManifest], arrow: Arrow) -> Server:
    """The plain tables in a database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSWORD", PASSWORD)
        database = postgres_server.create_database("filled")
        fill_server(database, plain[0], arrow)
    return database


@pytest.fixture(scope="module")
def filled(server: Server, filled_database: Server) -> Server:
    return filled_database


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDB]:
    from tests.integration.sources.mariadb import PASSWORD, started  # noqa: PLC0415 - an extra, for those that ask for it

    # Not pytest's own folder, which only its owner may enter: the server has a user of its own.
    with (
        tempfile.TemporaryDirectory(prefix="sandbox-mariadb-", ignore_cleanup_errors=True) as place,
        pytest.MonkeyPatch.context() as patch,
    ):
        Path(place).chmod(0o755)
        patch.setenv("MYSQL_PWD", PASSWORD)
        with started(Path(place) / "server") as one:
            yield one


@pytest.fixture(scope="module")
def snowflake_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    from tests.integration.sources.snowflake import started  # noqa: PLC0415 - an extra, for those that ask for it

    with pytest.MonkeyPatch.context() as patch, started(tmp_path_factory.mktemp("snowflake") / "server", patch) as one:
        yield one


@pytest.fixture(scope="session")
def readable(plain: tuple[Path, SampleManifest], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plain tables without what Spark has no type for: UUIDs are texts."""
    target = tmp_path_factory.mktemp("readable")
    for file in plain[0].glob("*.parquet"):
        shutil.copy(file, target)
    with duckdb.connect() as connection:
        source, place = (str(one / "tokens.parquet").replace("'", "''") for one in (plain[0], target))
        connection.execute(
            f"copy (select * replace (token::varchar as token) from '{source}') to '{place}' (format parquet)"
        )
    return target


class Bucket:
    """An empty bucket of the test's own."""

    def __init__(self, endpoint: str, name: str) -> None:
        self.name = name
        self.uri = f"s3://{name}/ware house"
        self.system = fs.S3FileSystem(endpoint_override=endpoint, region="us-east-1", allow_bucket_creation=True)
        self.system.create_dir(name)

    def upload(self, folder: Path) -> None:
        """Bring a folder's content there."""
        fs.copy_files(str(folder), f"{self.name}/ware house", fs.LocalFileSystem(), self.system)


@pytest.fixture
def bucket(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    set_bucket_variables(monkeypatch, s3)
    return Bucket(s3, f"source-{abs(hash(tmp_path))}")


def set_bucket_variables(patch: pytest.MonkeyPatch, s3: str) -> None:
    """Set the address and the credentials of the buckets' server."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI", "AWS_ENDPOINT_URL": s3,
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        patch.setenv(name, value)
