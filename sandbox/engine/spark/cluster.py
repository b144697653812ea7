"""A session of Spark, and its errors in our words."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

CONNECT_PORT = 15002
PATIENCE_SECONDS = 10.0
OLDEST = (4, 0)  # the first that gives Arrow tables
EXTRA = "pip install 'sandbox[spark]'"
# What decides how values are read; the rest is the cluster's own affair.
SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.parquet.binaryAsString": "false",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
}
QUIET = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.driver.maxResultSize": "0",  # what is drawn is bounded by the plan
}
LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which Spark.

    Attributes:
        remote: The address of a Connect server; None where there is none.
        master: Else that of a master.
        python: The Python of the workers; None takes this one where all takes place here, else what the cluster is set to.
    """

    remote: str | None
    master: str
    python: str | None = None

    @property
    def shown(self) -> str:
        """For messages; what follows the address may be a token."""
        return (self.remote or self.master).partition(";")[0]

    @property
    def here(self) -> bool:
        """Whether everything takes place on this machine, which then need not be reached from outside."""
        return (
            self.master.startswith("local") or re.match(r"spark://(127\.|localhost)", self.master) is not None
        )


class Cluster:
    """A session of Spark that lasts as long as a source is read.

    Args:
        where: Which Spark.

    Raises:
        SourceError: pyspark or Java is not there, Spark does not answer, or it is too old.
    """

    held = False  # its files may change while they are read

    def __init__(self, where: Where) -> None:
        self.where = where
        self._lock = threading.Lock()
        self._closed = False
        try:
            with _no_advice():
                from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra, and slow to import
        except ImportError as error:
            raise SourceError(
                f'engine = "spark" needs pyspark, which is not installed here: {error}', hint=EXTRA
            ) from error
        # Also in other threads, and later: pandas is loaded and not used (see `_no_advice`).
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        _knock(where)
        with self.reported(), _no_advice():
            builder = SparkSession.builder.appName("sandbox")
            if where.remote is not None:
                self.spark: Any = builder.remote(where.remote).getOrCreate()
            else:
                _started(where)
                self.spark = builder.getOrCreate()
            for name, value in {**SETTINGS, **_python(where)}.items():
                self.spark.conf.set(name, value)
            version = str(self.spark.version)
        if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST:
            self.close()
            raise SourceError(
                f"Spark at {where.shown} is {version}; 4.0 is the oldest that works",
                hint='read the source with engine = "duckdb", or upgrade the cluster',
            )
        self.version = version

    def parquet(self, paths: Sequence[str], schema: Any = None) -> Any:
        """Give Parquet files as a data frame; their own names are meant, whatever a pattern would make of them."""
        reader = self.spark.read if schema is None else self.spark.read.schema(schema)
        with self.reported():
            return reader.parquet(*(re.sub(r"([\\*?\[\]{}^,])", r"\\\1", path) for path in paths))

    def arrow(self, frame: Any) -> pa.Table:
        """Give all rows of a data frame.

        Raises:
            SourceError: Spark refuses, or does not answer any more.
        """
        with self.reported():
            return frame.toArrow()

    def ship(self, archive: str) -> None:
        """Let workers import what is in a zip file; a file of one name has one content."""
        with self.reported():
            self.spark.addArtifacts(archive, pyfile=True)

    def cancel(self) -> None:
        """End what Spark is doing for us; may be called at any time."""
        with contextlib.suppress(Exception):
            if self.where.remote is None:
                self.spark.sparkContext.cancelAllJobs()
            else:
                self.spark.interruptAll()

    def close(self) -> None:
        """End the session."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        with contextlib.suppress(Exception):
            self.spark.stop()

    @contextlib.contextmanager
    def reported(self) -> Iterator[None]:
        """Turn Spark's errors into ours."""
        try:
            yield
        except SourceError:
            raise
        except Exception as error:  # py4j, gRPC and Spark each have classes of their own
            raise _ours(error, self.where) from error


_NOWHERE = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def _python(where: Where) -> dict[str, str]:
    own = sys.executable if where.remote is None and where.here else None
    python = where.python or own
    return {} if python is None else {"spark.sql.execution.pyspark.python": python}


def _knock(where: Where) -> None:
    """Connect and hang up: Spark itself tries for minutes.

    Raises:
        SourceError: Nobody answers at the address.
    """
    address = urlsplit(where.shown)
    if address.scheme not in {"sc", "spark"} or address.hostname is None or "," in address.netloc:
        return
    try:
        port = address.port or CONNECT_PORT
        with socket.create_connection((address.hostname, port), PATIENCE_SECONDS):
            pass
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise SourceError(
            f"Spark at {where.shown} cannot be reached: {reason}",
            hint='look at [source.spark]: remote = "sc://host:15002" or master = "spark://host:7077"; is it running?',
        ) from error


def _started(where: Where) -> None:
    """Start the JVM and its context; what it logs goes to nobody's terminal."""
    from pyspark import SparkConf, SparkContext  # noqa: PLC0415 - see above
    from pyspark.java_gateway import launch_gateway  # noqa: PLC0415

    conf = SparkConf().setMaster(where.master).setAppName("sandbox")
    for name, value in {**QUIET, **SETTINGS, **(LOOPBACK if where.here else {})}.items():
        conf.set(name, value)
    gateway: Any = SparkContext._gateway  # noqa: SLF001 - one JVM serves all that this process does
    if gateway is None:
        gateway = launch_gateway(conf=conf, popen_kwargs=_NOWHERE)  # type: ignore[no-untyped-call]
    SparkContext(conf=conf, gateway=gateway)


@contextlib.contextmanager
def _no_advice() -> Iterator[None]:
    """Keep what pyspark says of pandas, which is not used here, from those who cannot do anything about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# What a message holds: what is said of it, and what to do.
KNOWN = (
    (
        r"PYTHON_VERSION_MISMATCH|ModuleNotFoundError|Cannot run program|(?<!PySpark)ImportError",
        "the workers of Spark at {where} cannot carry out what is to be done there: {python}",
        'they need the Python of here, and what sandbox needs (pip install sandbox); which one: [source.spark] python = "/opt/…/bin/python"',
    ),
    (
        r"JAVA_GATEWAY_EXITED|JAVA_HOME is not set|No such file or directory: .*java",
        "Spark cannot be started: there is no Java of 17 or later here",
        'install one (Debian: apt-get install openjdk-17-jre-headless), or use a Connect server: remote = "sc://host:15002" in [source.spark]',
    ),
    (
        r"UNAVAILABLE|Connection refused|failed to connect|All masters are unresponsive|DNS resolution failed|UnknownHostException",
        "Spark at {where} cannot be reached: {said}",
        'look at [source.spark]: remote = "sc://host:15002" or master = "spark://host:7077"; is it running?',
    ),
    (r"UNAUTHENTICATED|PERMISSION_DENIED|AccessControlException|AccessDenied",
     "Spark at {where} refuses: {said}", "give the user or token that it runs as the right to read the source"),
    (
        r"PATH_NOT_FOUND|FileNotFoundException|FILE_NOT_EXIST",
        "Spark at {where} does not see a file of the source: {said}",
        "its workers have to reach the folder or bucket under the same name as this machine",
    ),
    (r"PARQUET_TYPE|Illegal Parquet type|ParquetDecodingException|CONVERT_FILE_TYPE|CANNOT_MERGE_INCOMPATIBLE",
     "Spark cannot read a column of the source: {said}", 'leave it out with a view, or read the source with engine = "duckdb"'),
)  # fmt: skip


def _ours(error: Exception, where: Where) -> SourceError:
    text = str(error)
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    said = re.sub(r"^.*?(\[[A-Z_.]+\] )", r"\1", first)[:400]
    for pattern, message, hint in KNOWN:
        if re.search(pattern, text):
            raised = re.search(rf"^.*?({pattern}.*)$", text, re.MULTILINE)
            python = raised[1][:400] if raised else said
            return SourceError(message.format(where=where.shown, said=said, python=python), hint=hint)
    return SourceError(
        f"Spark at {where.shown} failed: {said}", hint="its own log says more; look at the cluster's web page"
    )
