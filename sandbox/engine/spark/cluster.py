"""Spark sessions, with translated errors."""

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

from sandbox.error_text import UNSHOWN_REASON, describe_foreign_error, hide_credentials
from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

CONNECT_PORT = 15002
CONNECT_TIMEOUT_SECONDS = 10.0
MIN_SPARK_VERSION = (4, 0)  # the first with Arrow tables
INSTALL_COMMAND = "pip install 'pyspark[connect]>=4.1'"
# Settings that affect how values are read; all others are left to the cluster.
READ_SETTINGS = {
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
DRIVER_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.driver.maxResultSize": "0",  # the draw is bounded by the plan
}
LOOPBACK_SETTINGS = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


@dataclass(frozen=True, kw_only=True)
class SparkEndpoint:
    """Address of Spark.

    Attributes:
        remote: The address of a Connect server, if any.
        master: The address of a master, used without ``remote``.
        python: The executors' Python; None takes this interpreter with a local master, else the cluster's setting.
    """

    remote: str | None
    master: str
    python: str | None = None

    @property
    def address(self) -> str:
        """The address in messages, without parameters: one may be a token."""
        return (self.remote or self.master).partition(";")[0]

    @property
    def is_local(self) -> bool:
        """Whether all processes run on this machine, so that it need not be reachable from outside."""
        return self.master.startswith("local") or re.match(r"spark://(127\.|localhost)", self.master) is not None


class SparkCluster:
    """A Spark session, open while a source is read.

    Raises:
        SourceError: pyspark or Java is missing, Spark does not answer, or it is too old.
    """

    is_consistent = False  # its files may change while they are read

    def __init__(self, where: SparkEndpoint) -> None:
        self.endpoint = where
        self._lock = threading.Lock()
        self._is_closed = False
        try:
            with _ignore_pandas_warning():
                from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra, and slow to import
        except ImportError as error:
            raise SourceError(
                f'engine = "spark" needs pyspark, which is not installed here: {error}', hint=INSTALL_COMMAND
            ) from error
        # Also in other threads, and later: pandas is imported and not used (see `_ignore_pandas_warning`).
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        _check_reachable(where)
        with self.translate_errors(), _ignore_pandas_warning():
            builder = SparkSession.builder.appName("sandbox")
            if where.remote is not None:
                self.spark: Any = builder.remote(where.remote).getOrCreate()
            else:
                _start_context(where)
                self.spark = builder.getOrCreate()
            for name, value in {**READ_SETTINGS, **_choose_python(where)}.items():
                self.spark.conf.set(name, value)
            version = str(self.spark.version)
        if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < MIN_SPARK_VERSION:
            self.close()
            raise SourceError(
                f"Spark at {where.address} is {version}; 4.0 is the oldest that works",
                hint='read the source with engine = "duckdb", or upgrade the cluster',
            )
        self.version = version

    def read_parquet(self, paths: Sequence[str], schema: Any = None) -> Any:
        """Return Parquet files as a data frame, with glob characters in paths escaped."""
        reader = self.spark.read if schema is None else self.spark.read.schema(schema)
        with self.translate_errors():
            return reader.parquet(*(re.sub(r"([\\*?\[\]{}^,])", r"\\\1", path) for path in paths))

    def fetch_table(self, frame: Any) -> pa.Table:
        """Return all rows of a data frame.

        Raises:
            SourceError: Spark refuses, or does not answer any more.
        """
        with self.translate_errors():
            return frame.toArrow()

    def upload_package(self, archive: str) -> None:
        """Upload a zip file of modules to the executors; its name must identify its content."""
        with self.translate_errors():
            self.spark.addArtifacts(archive, pyfile=True)

    def cancel(self) -> None:
        """Cancel all running jobs; may be called at any time."""
        with contextlib.suppress(Exception):
            if self.endpoint.remote is None:
                self.spark.sparkContext.cancelAllJobs()
            else:
                self.spark.interruptAll()

    def close(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        with contextlib.suppress(Exception):
            self.spark.stop()

    @contextlib.contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Translate Spark's errors to `SourceError`."""
        try:
            yield
        except SourceError:
            raise
        except Exception as error:  # py4j, gRPC and Spark each have classes of their own
            raise _convert_error(error, self.endpoint) from error


_DISCARD_OUTPUT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def _choose_python(where: SparkEndpoint) -> dict[str, str]:
    local_python = sys.executable if where.remote is None and where.is_local else None
    python = where.python or local_python
    return {} if python is None else {"spark.sql.execution.pyspark.python": python}


def _check_reachable(where: SparkEndpoint) -> None:
    """Open and close a connection: Spark itself would retry for minutes.

    Raises:
        SourceError: Nothing answers at the address.
    """
    address = urlsplit(where.address)
    if address.scheme not in {"sc", "spark"} or address.hostname is None or "," in address.netloc:
        return
    try:
        port = address.port or CONNECT_PORT
        with socket.create_connection((address.hostname, port), CONNECT_TIMEOUT_SECONDS):
            pass
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or describe_foreign_error(error)).lower()
        raise SourceError(
            f"Spark at {where.address} cannot be reached: {reason}",
            hint='look at [source.spark]: remote = "sc://host:15002" or master = "spark://host:7077"; is it running?',
        ) from error


def _start_context(where: SparkEndpoint) -> None:
    """Start the JVM and its context, with its log discarded."""
    from pyspark import SparkConf, SparkContext  # noqa: PLC0415 - see above
    from pyspark.java_gateway import launch_gateway  # noqa: PLC0415

    conf = SparkConf().setMaster(where.master).setAppName("sandbox")
    for name, value in {
        **DRIVER_SETTINGS,
        **READ_SETTINGS,
        **(LOOPBACK_SETTINGS if where.is_local else {}),
    }.items():
        conf.set(name, value)
    gateway: Any = SparkContext._gateway  # noqa: SLF001 - one JVM serves all that this process does
    if gateway is None:
        gateway = launch_gateway(conf=conf, popen_kwargs=_DISCARD_OUTPUT)  # type: ignore[no-untyped-call]
    SparkContext(conf=conf, gateway=gateway)


@contextlib.contextmanager
def _ignore_pandas_warning() -> Iterator[None]:
    """Suppress pyspark's warnings about pandas, which is not used here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# Pattern of the error's text, message, and hint. The first match decides: a cause comes before its consequences.
CLUSTER_ERRORS = (
    (
        r"OutOfMemoryError|Java heap space|GC overhead limit|UNABLE_TO_ACQUIRE_MEMORY|(?:[Ee]xit (?:code|status)|exitCode):? ?(?:52|137)\b|"  # noqa: ISC004
        r"exceeding (?:physical )?memory limits|OOMKilled|^MemoryError$",
        "an executor of Spark at {where} ran out of memory",
        "give it more: spark.executor.memory (its Python: spark.executor.memoryOverhead; with a local master: spark.driver.memory)",
    ),
    (
        r"Python worker exited unexpectedly|Python worker failed to connect back",
        "the Python of an executor of Spark at {where} ended unexpectedly",
        "it may have run out of memory: raise spark.executor.memoryOverhead; the executor's log says more",
    ),
    (
        r"PYTHON_VERSION_MISMATCH|ModuleNotFoundError|Cannot run program|(?<!PySpark)ImportError",
        "the workers of Spark at {where} cannot carry out what is to be done there: {python}",
        'they need the Python of here, and what sandbox needs (pip install . in its repository); which one: [source.spark] python = "/opt/…/bin/python"',
    ),
    (
        r"JAVA_GATEWAY_EXITED|JAVA_HOME is not set|No such file or directory: .*java",
        "Spark cannot be started: there is no Java of 17 or later here",
        'install one (Debian: apt-get install openjdk-17-jre-headless), or use a Connect server: remote = "sc://host:15002" in [source.spark]',
    ),
    (
        r"Py4JNetworkError|Answer from Java side is empty|Error while sending or receiving|SparkContext was shut down|"  # noqa: ISC004
        r"cannot call methods on a stopped SparkContext|\AAn error occurred while calling \S+\Z|\A\[Errno 111\] Connection refused\Z",
        "Spark's process on this machine ended while it worked for {where}",
        "it may have run out of memory: raise spark.driver.memory in spark-defaults.conf",
    ),
    (
        r"UNAVAILABLE|Connection refused|failed to connect|All masters are unresponsive|DNS resolution failed|UnknownHostException",
        "Spark at {where} cannot be reached: {said}",
        'look at [source.spark]: remote = "sc://host:15002" or master = "spark://host:7077"; is it running?',
    ),
    (r"UNAUTHENTICATED|PERMISSION_DENIED|AccessControlException|AccessDenied",
     "Spark at {where} refuses: {said}", "give the user or token that it runs as the right to read the source"),
    (
        r"SlowDown|Slow Down|SLOW_DOWN|Status Code: 503|HTTP/1\.1 (?:429|503)|ThrottlingException",
        "the source's bucket asks the executors of Spark at {where} for fewer requests",
        "wait a little, or lower the number of executors",
    ),
    (
        r"ExecutorLostFailure|ExecutorDeadException|executor .*lost|MetadataFetchFailed|FetchFailed",
        "Spark at {where} lost executors repeatedly",
        "its web page or the executors' log says why: memory, a stopped machine, or a preempted container",
    ),
)  # fmt: skip
# The files are at fault, so that a draw cannot continue.
FILE_ERRORS = (
    (
        r"PATH_NOT_FOUND|FileNotFoundException|FILE_NOT_EXIST",
        "Spark at {where} does not see a file of the source: {said}",
        "its workers have to reach the folder or bucket under the same name as this machine; if they do, the file was removed meanwhile",
    ),
    (r"PARQUET_TYPE|Illegal Parquet type|ParquetDecodingException|CONVERT_FILE_TYPE|CANNOT_MERGE_INCOMPATIBLE",
     "Spark cannot read a column of the source: {said}", 'leave it out with a view, or read the source with engine = "duckdb"'),
    (
        r"FAILED_READ_FILE|is not a Parquet file",
        "Spark at {where} cannot read a file of the source: {said}",
        'see whether another reader can: sandbox scan with engine = "duckdb"',
    ),
)  # fmt: skip


# What a message quotes may be a value of a row, whatever else it says.
_QUOTED = re.compile(r"""'[^'\n]*'|"[^"\n]*"|`[^`\n]*`""")


def _convert_error(error: Exception, where: SparkEndpoint) -> SourceError:
    """Return the error for one of Spark's; its own words are shown only if they are about names and places.

    Quotations are never shown and choose no message: a value may hold any words.
    """
    text = str(error)
    bare = _QUOTED.sub("…", text)
    first = next((line.strip() for line in bare.splitlines() if line.strip()), type(error).__name__)
    summary = hide_credentials(re.sub(r"^.*?(\[[A-Z0-9_.]+\] )", r"\1", first)[:400])
    named = re.search(r"\[[A-Z0-9_.]+\]", bare)
    kind = named[0] if named else type(error).__name__
    for pattern, message, hint in (*CLUSTER_ERRORS, *FILE_ERRORS):
        shows_words = "{said}" in message or "{python}" in message
        if shows_words and named and not re.search(pattern, kind):
            continue
        if match := re.search(rf"(?:\[[A-Z_.]*)?(?:{pattern}).*", bare if shows_words else text, re.MULTILINE):
            line = hide_credentials(match[0][:400])
            shown = summary if re.search(pattern, summary) else line
            lost = (pattern, message, hint) in CLUSTER_ERRORS
            return SourceError(message.format(where=where.address, said=shown, python=line), hint=hint, lost=lost)
    return SourceError(
        f"Spark at {where.address} failed: {kind}; {UNSHOWN_REASON}",
        hint="its own log says more; look at the cluster's web page",
    )
