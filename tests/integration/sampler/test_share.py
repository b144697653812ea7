"""Samples in a store of the team, in a folder and on an S3 server: pushed, found, pulled, resumed, refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from pyarrow import fs

from sandbox.errors import StoreError, UsageError
from sandbox.masking import Secret
from sandbox.model import SilentProgress
from sandbox.samples import remote, stored_requests
from sandbox.samples.catalog import load_sample
from sandbox.samples.specification import compute_request_id
from sandbox.samples.transfer import MAX_PARALLEL_TRANSFERS, Transfer
from sandbox.samples.verify import verify_sample
from sandbox.store.remote import RemoteStore, open_store
from tests.headers import CUSTOMERS_AND_ORDERS
from tests.projects import SourceProject
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.model import Sample

SHARE = """
import sys
from pathlib import Path
from sandbox.errors import SandboxError
from sandbox.model import SilentProgress
from sandbox.samples import remote
from sandbox.store.remote import open_store
verb, home, fingerprint, place = sys.argv[1:]
store = open_store(place, base=Path("/"))
print("begun", flush=True)
try:
    if verb == "push":
        print(remote.push_sample(Path(home) / "samples" / fingerprint, store, SilentProgress()))
    else:
        print(remote.pull_sample(Path(home), store, fingerprint, progress=SilentProgress())[1])
except KeyboardInterrupt:
    sys.exit(130)
"""


class Watched(SilentProgress):
    """Progress that says so when bytes move, and remembers the steps."""

    def __init__(self) -> None:
        self.moved = 0.0
        self.total = 0.0

    def step(self, name: str, *, total: float | None = None, unit: str = "") -> Any:
        import contextlib  # noqa: PLC0415

        @contextlib.contextmanager
        def watched() -> Iterator[Callable[[float], None]]:
            def advance(amount: float) -> None:
                self.moved += amount if "ing " in name and "checking" not in name else 0

            self.total = total if total is not None and "checking" not in name else self.total
            yield advance

        return watched()


@dataclass(frozen=True, kw_only=True)
class Team:
    """A store, and its files as whoever runs it sees them."""

    uri: str
    system: fs.FileSystem
    root: str

    @property
    def store(self) -> RemoteStore:
        return open_store(self.uri, base=Path("/"))

    def read(self, path: str) -> bytes:
        with self.system.open_input_stream(f"{self.root}/{path}") as stream:
            content: bytes = stream.read()
            return content

    def put(self, path: str, content: bytes) -> None:
        if isinstance(self.system, fs.LocalFileSystem):
            Path(f"{self.root}/{path}").parent.mkdir(parents=True, exist_ok=True)
        with self.system.open_output_stream(f"{self.root}/{path}") as stream:
            stream.write(content)

    def remove(self, path: str) -> None:
        self.system.delete_file(f"{self.root}/{path}")

    def names(self) -> set[str]:
        selector = fs.FileSelector(self.root, recursive=True, allow_not_found=True)
        found = self.system.get_file_info(selector)
        return {info.path.removeprefix(f"{self.root}/") for info in found if info.type == fs.FileType.File}


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, s3: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(params=["folder", "bucket"])
def team(request: pytest.FixtureRequest, tmp_path: Path) -> Team:
    """Give an empty store whose name is hard to quote."""
    if request.param == "folder":
        root = tmp_path / "team's shäred place"
        return Team(uri=str(root), system=fs.LocalFileSystem(), root=str(root))
    request.getfixturevalue("credentials")
    endpoint = request.getfixturevalue("s3")
    bucket = f"team-{abs(hash(tmp_path))}"
    system = fs.S3FileSystem(endpoint_override=endpoint, region="us-east-1", allow_bucket_creation=True)
    system.create_dir(bucket)
    return Team(uri=f"s3://{bucket}/shäred place", system=system, root=f"{bucket}/shäred place")


def made(root: Path, tables: dict[str, str], sections: str) -> tuple[Sample, str]:
    """Draw a sample of what queries give, and say what it was drawn for."""
    project = SourceProject(root=root, sections=sections)
    for name, select in tables.items():
        project.copy(name, select)
    return project.draw()[0], compute_request_id(project.project().settings)


def copied(sample: Sample, home: Path) -> Sample:
    shutil.copytree(sample.path, home / "samples" / sample.path.name)
    return load_sample(home, sample.fingerprint)[0]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sample, str]:
    """Give a sample that is drawn once, and what it was drawn for."""
    tables = {
        "customers.parquet": "select range as id from range(1000)",
        "orders.parquet": "select range as id, range % 1000 as customer, 'x' as note from range(3000)",
    }
    return made(tmp_path_factory.mktemp("original"), tables, CUSTOMERS_AND_ORDERS)


@pytest.fixture
def drawn(original: tuple[Sample, str], tmp_path: Path) -> Sample:
    """Give a copy of the sample in a home of its own."""
    return copied(original[0], tmp_path / "home")


@pytest.fixture(scope="module")
def large_original(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Give a sample of some 20 MB in eight files that do not compress."""
    tables = {}
    for part in range(8):
        note = " || ".join(f"md5((range * 32 + {n})::varchar)" for n in range(32))
        start = part * 10_000
        tables[f"customers/{part}.parquet"] = (
            f"select range as id, {note} as note from range({start}, {start + 10_000})"
        )
    return made(tmp_path_factory.mktemp("large"), tables, CUSTOMERS_AND_ORDERS.partition("[tables.orders]")[0])[0]


@pytest.fixture
def large(large_original: Sample, tmp_path: Path) -> Sample:
    """Give a copy of the large sample in a home of its own."""
    return copied(large_original, tmp_path / "home")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Give the home of somebody else."""
    return tmp_path / "other home"


def push(team: Team, sample: Sample) -> Transfer:
    return remote.push_sample(sample.path, team.store, SilentProgress())


def left(home: Path) -> set[str]:
    return {
        path.relative_to(home).as_posix()
        for path in home.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_one_pushes_another_pulls_with_the_same_bytes(team: Team, drawn: Sample, other: Path) -> None:
    sent = push(team, drawn)
    assert sent.files == len(content(drawn.path)) - 1
    pulled, received = remote.pull_sample(other, team.store, drawn.fingerprint, progress=SilentProgress())
    assert received == sent
    assert content(pulled.path) == content(drawn.path)
    assert verify_sample(pulled.path, SilentProgress()) == []
    assert pulled == load_sample(other, drawn.fingerprint)[0]
    assert left(other / "samples" / ".pulled") == set()


def test_layout_of_the_store(team: Team, drawn: Sample, original: tuple[Sample, str]) -> None:
    push(team, drawn)
    request = f"requests/{original[1]}"
    names = {f"samples/{drawn.fingerprint}/{name}" for name in content(drawn.path)}
    found = team.names()
    assert {name for name in found if not name.startswith("pushes/")} == names | {request}
    assert team.read(request) == f"{drawn.fingerprint}\n".encode()
    assert stored_requests.fetch_requested_fingerprint(team.store, request.partition("/")[2]) == drawn.fingerprint
    assert stored_requests.fetch_requested_fingerprint(team.store, "0" * 64) is None


def test_samples_of_two_secrets_for_one_request_stay_beside_each_other(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is found with its own secret; without one of them the first is taken, and all are named."""
    masked = CUSTOMERS_AND_ORDERS + '[tables.orders.mask]\nnote = "text"\n'
    tables = {
        "customers.parquet": "select range as id from range(100)",
        "orders.parquet": "select range as id, range % 100 as customer, md5(range::varchar) as note from range(300)",
    }
    said: list[str] = []

    class Told(SilentProgress):
        def print_message(self, message: str) -> None:
            said.append(message)

    samples, ids = [], []
    for secret in ("a secret for masks, long enough for it", "another secret for masks, long enough for it"):
        monkeypatch.setenv("SANDBOX_MASK_KEY", secret)
        sample, request = made(tmp_path / secret[:6].strip(), tables, masked)
        remote.push_sample(sample.path, team.store, Told())
        samples.append(sample.fingerprint)
        ids.append(Secret.from_text(secret).id)
    assert samples[0] != samples[1]
    assert len(said) == 1
    assert ids[0] in said[0]
    assert ids[1] in said[0]

    def fetch(secret_id: str | None) -> str | None:
        return stored_requests.fetch_requested_fingerprint(team.store, request, secret_id=secret_id, progress=Told())

    said.clear()
    assert [fetch(secret_id) for secret_id in ids] == samples
    assert said == []
    assert fetch(None) == fetch("0" * 16) == samples[0]
    assert all(secret_id in message for message in said for secret_id in ids)
    assert len(said) == 2


def test_second_push_and_second_pull_transfer_nothing(team: Team, drawn: Sample, other: Path) -> None:
    sent = push(team, drawn)
    assert push(team, drawn) == Transfer(files=0, bytes=0, files_present=sent.files)
    remote.pull_sample(other, team.store, drawn.fingerprint, progress=SilentProgress())
    again = remote.pull_sample(other, team.store, drawn.fingerprint, progress=SilentProgress())[1]
    assert again == Transfer(files=0, bytes=0, files_present=sent.files)


def test_push_goes_on_where_an_interrupted_one_ended(team: Team, drawn: Sample, other: Path) -> None:
    total = push(team, drawn).files
    prefix = f"samples/{drawn.fingerprint}"
    lost = load_sample(drawn.path.parents[1], drawn.fingerprint)[0].tables["orders"].paths[0]
    team.remove(f"{prefix}/manifest.json")
    team.put(f"{prefix}/{lost.relative_to(drawn.path).as_posix()}", b"cut off")
    assert push(team, drawn) == Transfer(files=1, bytes=lost.stat().st_size, files_present=total - 1)
    remote.pull_sample(other, team.store, drawn.fingerprint, progress=SilentProgress())


def test_push_sends_everything_where_the_store_has_other_bytes_and_no_manifest(
    team: Team, drawn: Sample, other: Path
) -> None:
    """Another version of the engine may have been interrupted there; sizes alone would mix its files with ours."""
    for name, bytes_ in content(drawn.path).items():
        if name != "manifest.json":
            team.put(f"samples/{drawn.fingerprint}/{name}", b"\0" * len(bytes_))
    team.put(f"samples/{drawn.fingerprint}/tables/orders/named otherwise.parquet", b"theirs")
    assert push(team, drawn).files_present == 0
    remote.pull_sample(other, team.store, drawn.fingerprint, progress=SilentProgress())


def test_push_leaves_a_complete_sample_of_other_bytes_alone(team: Team, drawn: Sample) -> None:
    push(team, drawn)
    prefix = f"samples/{drawn.fingerprint}"
    theirs = json.loads(team.read(f"{prefix}/manifest.json"))
    file = theirs["tables"]["orders"]["files"][0]
    file["bytes"] += 1
    team.put(f"{prefix}/{file['path']}", b"1" * file["bytes"])
    text = json.dumps(theirs).encode()
    team.put(f"{prefix}/manifest.json", text)
    assert push(team, drawn).files == 0
    assert team.read(f"{prefix}/manifest.json") == text


def test_push_mends_a_store_that_lost_a_file_or_whose_manifest_is_broken(
    team: Team, drawn: Sample, other: Path
) -> None:
    push(team, drawn)
    prefix = f"samples/{drawn.fingerprint}"
    team.remove(f"{prefix}/weights/customers.parquet")
    assert push(team, drawn).files == 1
    team.put(f"{prefix}/manifest.json", b"{")
    push(team, drawn)
    remote.pull_sample(other, team.store, drawn.fingerprint, progress=SilentProgress())


def test_damaged_sample_is_not_pushed(team: Team, drawn: Sample) -> None:
    victim = drawn.tables["orders"].paths[0]
    victim.write_bytes(b"\0" * victim.stat().st_size)
    with pytest.raises(StoreError, match=r"is damaged: tables/orders/.* was changed"):
        push(team, drawn)
    assert not any(name.endswith("manifest.json") or name.startswith("requests/") for name in team.names())


def test_pull_goes_on_with_what_an_interrupted_one_brought(team: Team, drawn: Sample, other: Path) -> None:
    push(team, drawn)
    partial = other / "samples" / ".pulled" / drawn.fingerprint
    there = drawn.tables["orders"].paths[0].relative_to(drawn.path)
    cut = drawn.tables["customers"].paths[0].relative_to(drawn.path)
    for path in (there, cut, Path("tables/of/another.parquet")):
        (partial / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(drawn.path / there, partial / there)
    (partial / cut).write_bytes((drawn.path / cut).read_bytes()[:-7])
    (partial / "tables/of/another.parquet").write_bytes(b"what an earlier manifest named")
    watched = Watched()
    pulled, received = remote.pull_sample(other, team.store, drawn.fingerprint, progress=watched)
    assert received.files_present == 1
    assert watched.moved == watched.total == received.bytes
    assert content(pulled.path) == content(drawn.path)


def test_what_nobody_went_on_pulling_for_a_week_is_removed(team: Team, drawn: Sample, other: Path) -> None:
    push(team, drawn)
    partials = other / "samples" / ".pulled"
    for name, age in (("1" * 64, 8 * 86_400), ("2" * 64, 6 * 86_400)):
        (partials / name / "tables").mkdir(parents=True)
        os.utime(partials / name, (time.time() - age,) * 2)
    remote.pull_sample(other, team.store, drawn.fingerprint, progress=SilentProgress())
    assert [path.name for path in partials.iterdir()] == ["2" * 64]


def test_fingerprint_may_be_cut_where_it_stays_unique(team: Team, drawn: Sample) -> None:
    push(team, drawn)
    name = drawn.fingerprint
    assert remote.resolve_fingerprint(team.store, name[:5]) == name
    assert remote.resolve_fingerprint(team.store, name) == name
    with pytest.raises(StoreError, match="there is no sample") as caught:
        remote.resolve_fingerprint(team.store, ("0" if name[0] != "0" else "1") + name[1:5])
    assert caught.value.hint == f"there are: {name[:16]}"
    for wrong in ("", "xyz", name + "0", "../" + name):
        with pytest.raises(UsageError):
            remote.resolve_fingerprint(team.store, wrong)
    team.put(f"samples/{name[:5]}{'f' * 59}/manifest.json", b"{}")
    with pytest.raises(UsageError, match=r"2 samples in .* begin with"):
        remote.resolve_fingerprint(team.store, name[:5])


def test_what_is_not_there_is_said_with_a_few_that_are(team: Team, drawn: Sample, other: Path) -> None:
    push(team, drawn)
    for digit in "123456":
        team.put(f"samples/{digit * 64}/manifest.json", b"{}")
    with pytest.raises(StoreError, match="there is no sample 000000000000 in") as caught:
        remote.pull_sample(other, team.store, "0" * 64, progress=SilentProgress())
    assert caught.value.hint.startswith("there are: ")
    assert caught.value.hint.endswith(" and 2 more")


def test_sample_without_manifest_is_not_complete(team: Team, drawn: Sample, other: Path) -> None:
    push(team, drawn)
    team.remove(f"samples/{drawn.fingerprint}/manifest.json")
    with pytest.raises(StoreError, match="is not complete: its manifest is not there"):
        remote.pull_sample(other, team.store, drawn.fingerprint, progress=SilentProgress())


def test_damaged_sample_here_is_replaced_by_the_one_in_the_store(team: Team, drawn: Sample, other: Path) -> None:
    push(team, drawn)
    pulled, _ = remote.pull_sample(other, team.store, drawn.fingerprint, progress=SilentProgress())
    pulled.tables["orders"].paths[0].unlink()
    (pulled.path / "stray").write_text("x")
    remote.pull_sample(other, team.store, drawn.fingerprint, progress=SilentProgress())
    assert content(pulled.path) == content(drawn.path)


def test_sample_drawn_for_something_else_is_refused(team: Team, drawn: Sample, other: Path) -> None:
    push(team, drawn)
    with pytest.raises(StoreError, match="drawn for something else"):
        remote.pull_sample(other, team.store, drawn.fingerprint, request="1" * 64, progress=SilentProgress())
    assert left(other) == set()


def test_pointer_that_is_no_fingerprint_is_refused(team: Team) -> None:
    for text in (b"../../etc", b"\xff\xfe", b"a" * 300):
        team.put("requests/1", text)
        with pytest.raises(StoreError):
            stored_requests.fetch_requested_fingerprint(team.store, "1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda m, f: f.update(path="../escaped.parquet"), "cannot be part of a sample", id="up"),
        pytest.param(lambda m, f: f.update(path="tables/../../x"), "cannot be part of a sample", id="up below"),
        pytest.param(lambda m, f: f.update(path="/tmp/escaped"), "cannot be part of a sample", id="absolute"),
        pytest.param(lambda m, f: f.update(path="tables\\..\\x"), "cannot be part of a sample", id="backslash"),
        pytest.param(lambda m, f: f.update(path="tables/a\0b"), "cannot be part of a sample", id="nul"),
        pytest.param(lambda m, f: f.update(path="manifest.json"), "cannot be part of a sample", id="manifest"),
        pytest.param(lambda m, f: f.update(path="weights/customers.parquet"), "twice", id="twice"),
        pytest.param(
            lambda m, f: m["profile"].update(path="../profile.json"),
            "cannot be part of a sample",
            id="profile",
        ),
        pytest.param(lambda m, f: m["profile"].update(sha256="0" * 64), "SHA-256", id="profile's digest"),
        pytest.param(lambda m, f: f.update(bytes=-1), "has -1 bytes", id="negative"),
        pytest.param(lambda m, f: f.update(bytes=10**18), "bytes, not 1,000,000,000,000,000,000", id="huge"),
        pytest.param(lambda m, f: f.update(sha256="0" * 64), "is not what its SHA-256 says", id="digest"),
        pytest.param(lambda m, f: m.update(format_version=99), "has format version 99", id="version"),
        pytest.param(lambda m, f: m.update(fingerprint="1" * 64), "is the manifest of", id="fingerprint"),
        pytest.param(lambda m, f: m.update(extra=1), "is damaged", id="field"),
        pytest.param(lambda m, f: m.update(salt=7), "is damaged", id="type"),
        pytest.param(
            lambda m, f: m["specification"].update(rule=2), "the fingerprint that follows", id="specification"
        ),
        pytest.param(
            lambda m, f: m["units"]["customers"]["strata"][0].update(population=999_999),
            "the fingerprint that follows",
            id="population",
        ),
        pytest.param(
            lambda m, f: m["tables"]["orders"].update(content="0" * 64), "the content of orders", id="content"
        ),
    ],
)
def test_hostile_manifest_is_refused_and_nothing_stays(
    team: Team, drawn: Sample, other: Path, change: Callable[[Any, Any], None], message: str
) -> None:
    push(team, drawn)
    path = f"samples/{drawn.fingerprint}/manifest.json"
    manifest = json.loads(team.read(path))
    change(manifest, manifest["tables"]["orders"]["files"][0])
    team.put(path, json.dumps(manifest).encode())
    with pytest.raises(StoreError, match=message):
        remote.pull_sample(other, team.store, drawn.fingerprint, progress=SilentProgress())
    assert left(other) == set()
    assert not (other / "samples" / drawn.fingerprint).exists()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b"null", b'{"format_version": 1}'])
def test_manifest_that_is_none_is_refused(team: Team, drawn: Sample, other: Path, text: bytes) -> None:
    push(team, drawn)
    team.put(f"samples/{drawn.fingerprint}/manifest.json", text)
    with pytest.raises(StoreError):
        remote.pull_sample(other, team.store, drawn.fingerprint, progress=SilentProgress())
    assert left(other) == set()


def test_changed_missing_and_extra_files_are_refused(team: Team, drawn: Sample, other: Path) -> None:
    push(team, drawn)
    prefix = f"samples/{drawn.fingerprint}"
    path = f"{prefix}/weights/customers.parquet"
    sound = team.read(path)

    def both(*paths: str) -> None:
        for one in paths:
            team.put(one, sound)

    changes: list[tuple[Callable[[], None], str]] = [
        (lambda: team.put(path, sound[:-1] + b"!"), "SHA-256"),
        (lambda: team.put(path, sound + b"!"), "bytes, not"),
        (lambda: team.remove(path), "is missing"),
        (lambda: both(path, f"{prefix}/run.sh"), "does not belong there"),
    ]
    for change, message in changes:
        change()
        with pytest.raises(StoreError, match=message) as caught:
            remote.pull_sample(other, team.store, drawn.fingerprint, progress=SilentProgress())
        assert "push it again" in caught.value.hint
        assert left(other) == set()


def test_pull_that_does_not_fit_on_the_disk_is_refused_before_it_begins(
    team: Team, drawn: Sample, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(team, drawn)
    usage = shutil.disk_usage(drawn.path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(StoreError, match="is to be pulled takes"):
        remote.pull_sample(other, team.store, drawn.fingerprint, progress=SilentProgress())


def test_five_that_push_and_pull_at_the_same_time_do_not_disturb_each_other(
    team: Team, drawn: Sample, other: Path
) -> None:
    home = drawn.path.parents[1]
    for verb, place, count in [("push", home, 3), ("pull", other, 2)]:
        running = [started(verb, place, drawn, team) for _ in range(count)]
        assert [(one.communicate(timeout=PATIENCE_SECONDS)[1], one.returncode) for one in running] == [("", 0)] * count
    assert content(other / "samples" / drawn.fingerprint) == content(drawn.path)


def started(verb: str, home: Path, sample: Sample, team: Team) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SHARE, verb, str(home), sample.fingerprint, team.uri],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_push_and_pull_go_on_to_the_same_bytes(team: Team, large: Sample, other: Path, how: int) -> None:
    home = large.path.parents[1]
    prefix = f"samples/{large.fingerprint}/"
    for verb, place in [("push", home), ("pull", other)]:

        def complete(verb: str = verb) -> int:
            if verb == "pull":  # as many as are fetched at a time may be in the making
                return len(left(other / "samples" / ".pulled")) - MAX_PARALLEL_TRANSFERS
            return len([name for name in team.names() if name.startswith(prefix) and ".staged-" not in name])

        running = started(verb, place, large, team)
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        while running.poll() is None and complete() < 1:
            time.sleep(0.002)
        running.send_signal(how)
        said = running.communicate(timeout=PATIENCE_SECONDS)[1]
        assert "Traceback" not in said or "Exception ignored" in said  # Python drops an interrupt within a destructor
        assert running.returncode in {-how, 130, 0}
        going_on = started(verb, place, large, team)
        out, err = going_on.communicate(timeout=PATIENCE_SECONDS)
        assert (err, going_on.returncode) == ("", 0)
        assert "there=0" not in out
    assert content(other / "samples" / large.fingerprint) == content(large.path)
    assert left(other / "samples" / ".pulled") == set()


def test_bucket_that_is_not_there_is_told_from_an_empty_one(team: Team, drawn: Sample, tmp_path: Path) -> None:
    assert stored_requests.fetch_requested_fingerprint(team.store, "1") is None
    missing = open_store("s3://nowhere/x" if team.uri.startswith("s3:") else "no/where", base=tmp_path)
    for call in (
        lambda: stored_requests.fetch_requested_fingerprint(missing, "1"),
        lambda: remote.push_sample(drawn.path, missing, SilentProgress()),
        lambda: remote.pull_sample(tmp_path, missing, "1" * 64, progress=SilentProgress()),
    ):
        with pytest.raises(StoreError, match=r"cannot be used: there is no (bucket nowhere|folder .*/no)$"):
            call()


def test_no_message_has_credentials(credentials: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("s3://AKIDEXAMPLE:wJalrXUtnFEMI@team/x", "abfss://:wJalrXUtnFEMI@account.example.org/c"):
        with pytest.raises(StoreError, match="credentials belong in the environment") as caught:
            open_store(address, base=tmp_path)
        assert "wJalr" not in f"{caught.value.message}{caught.value.hint}"
        assert "AKID" not in f"{caught.value.message}{caught.value.hint}"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "127.0.0.1")  # so that it is in the server's own words
    with pytest.raises(StoreError, match=r"s3://team/x cannot be read: it cannot be reached .*…") as caught:
        stored_requests.fetch_requested_fingerprint(
            open_store("s3://team/x?endpoint_override=127.0.0.1:9&region=x", base=tmp_path), "1"
        )
    assert "127.0.0.1" not in caught.value.message
    assert "AWS_ENDPOINT_URL" in caught.value.hint


@pytest.mark.parametrize("address", ["ftp://host/x", "file://host/x", "s3:///x", "s3://team/x#y", "https://a/b"])
def test_address_of_no_store_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(StoreError):
        open_store(address, base=tmp_path)


def test_folder_may_be_named_by_path_or_uri(tmp_path: Path) -> None:
    place = tmp_path / "ä b"
    for name in (
        str(place),
        place.as_uri(),
        f"file://{quote(str(place))}",
        f"file://{place}",
        "ä b",
        "./x/../ä b",
    ):
        assert open_store(name, base=tmp_path).root == str(place)


def test_folder_whose_parent_is_not_there_is_not_made(tmp_path: Path, drawn: Sample) -> None:
    """A share that is not mounted must not become a folder on this disk."""
    with pytest.raises(StoreError, match="there is no folder"):
        remote.push_sample(drawn.path, open_store("mnt/share", base=tmp_path), SilentProgress())
    assert not (tmp_path / "mnt").exists()


def test_folder_that_may_not_be_written_is_told(tmp_path: Path, drawn: Sample) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StoreError, match="store cannot be written"):
        remote.push_sample(drawn.path, open_store("store", base=tmp_path), SilentProgress())


def test_links_and_pipes_in_a_store_are_no_files_of_a_sample(tmp_path: Path, drawn: Sample, other: Path) -> None:
    store = open_store("store", base=tmp_path)
    remote.push_sample(drawn.path, store, SilentProgress())
    victim = tmp_path / "store" / "samples" / drawn.fingerprint / "weights" / "customers.parquet"
    victim.unlink()
    os.mkfifo(victim)
    with pytest.raises(StoreError, match="is no plain file"):
        remote.pull_sample(other, store, drawn.fingerprint, progress=SilentProgress())


def test_half_written_files_of_a_killed_push_are_swept_and_never_pulled(
    tmp_path: Path, drawn: Sample, other: Path
) -> None:
    store = open_store("store", base=tmp_path)
    folder = tmp_path / "store" / "samples" / drawn.fingerprint / "tables"
    folder.mkdir(parents=True)
    ancient, recent = folder / ".staged-1", folder / ".staged-2"
    for path in (ancient, recent):
        path.write_bytes(b"half")
    os.utime(ancient, (0, 0))
    remote.push_sample(drawn.path, store, SilentProgress())
    assert not ancient.exists()
    assert recent.exists()
    remote.pull_sample(other, store, drawn.fingerprint, progress=SilentProgress())
