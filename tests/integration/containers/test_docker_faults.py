"""An engine that delays, truncates, refuses, stops; containers that are killed; owners that are killed."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest

from sandbox.containers.docker.client import open_client, translate_errors
from sandbox.containers.docker.runtime import DockerRuntime
from sandbox.errors import ContainerEngineError
from sandbox.model import RunOutcome
from sandbox.provisioner.doctor.address_pool import check_address_pool
from tests.proxy import Proxy
from tests.requirements import IN_CI
from tests.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.containers.conftest import Jobs

pytestmark = pytest.mark.docker
# The SDK leaves a socket open wherever it cannot connect any more.
leaks = pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <socket\.socket:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture
def proxy(
    engine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    path = tmp_path_factory.mktemp("p") / "s"
    one = Proxy(path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    yield one
    one.close()


def of(engine: docker.DockerClient, jobs: Jobs) -> list[docker.models.containers.Container]:
    found: list[docker.models.containers.Container] = engine.containers.list(
        all=True, filters={"label": f"dev.sandbox.run={jobs.token}"}
    )
    return found


def test_no_socket_is_an_engine_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    with pytest.raises(ContainerEngineError, match="no socket") as caught:
        open_client()
    assert caught.value.status == 14
    assert "SANDBOX_RUNTIME=local" in caught.value.hint


def test_a_socket_that_nobody_listens_on_is_an_engine_that_is_not_running(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("p") / "s"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with pytest.raises(ContainerEngineError, match="not running"):
        open_client()


def test_a_socket_that_never_answers_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("p") / "s"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        with pytest.raises(ContainerEngineError, match=r"no answer in time|timed out"):
            open_client(timeout=0.5)


def test_an_engine_on_another_machine_is_refused_without_asking_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://user@build.example.org")
    with pytest.raises(ContainerEngineError, match="another machine"):
        open_client()


def test_a_context_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "no-such-context")
    with pytest.raises(ContainerEngineError, match="no-such-context"):
        open_client()


def test_an_engine_that_is_too_old_is_refused(proxy: Proxy) -> None:
    proxy.answer = lambda chunk: chunk.replace(b"Api-Version: 1.", b"Api-Version: 0.")
    with pytest.raises(ContainerEngineError, match=r"oldest that works|no longer supported"):
        open_client()


@pytest.mark.parametrize("kept", [0, 10, 100, 300])
def test_an_answer_that_is_cut_short_is_an_engine_error(proxy: Proxy, kept: int) -> None:
    client = open_client()
    cut = False

    def answer(chunk: bytes) -> bytes | None:
        nonlocal cut
        if cut or kept == 0:
            return None
        cut = True
        threading.Timer(0.1, proxy.close).start()
        return chunk[:kept]

    proxy.answer = answer
    with pytest.raises(ContainerEngineError, match="cannot list images"), translate_errors("list images"):
        client.images.list()
    client.close()


def test_an_engine_that_is_slow_is_waited_for(jobs: Jobs, proxy: Proxy) -> None:
    def slowly(chunk: bytes) -> bytes:
        time.sleep(0.1)
        return chunk

    proxy.answer = slowly
    outcome, output = jobs.run(DockerRuntime(), jobs.job("echo well"))
    assert (outcome.ending, output) == (RunOutcome.SUCCEEDED, "well\n")


def test_a_refusal_to_start_is_an_engine_error_and_leaves_nothing(jobs: Jobs, engine: docker.DockerClient) -> None:
    with pytest.raises(ContainerEngineError, match="cannot create"):
        jobs.run(DockerRuntime(), jobs.job("true", image="sandbox/no-such-image:latest"))
    assert not of(engine, jobs)


@leaks
def test_an_engine_that_goes_away_in_mid_run_makes_it_lost_and_the_next_run_cleans_up(
    jobs: Jobs, engine: docker.DockerClient, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = DockerRuntime(grace=0.2)
    outcome = runtime.run(
        jobs.job("sleep 0.5; echo started; sleep 3600"), stdout=lambda _: proxy.close(), stderr=lambda _: None
    )
    assert (outcome.ending, outcome.status, outcome.signal) == (RunOutcome.LOST, None, None)
    assert outcome.isolation is not None
    assert [one.status for one in of(engine, jobs)] == ["running"]
    monkeypatch.delenv("DOCKER_HOST")
    runtime.check()
    assert jobs.job("").name in runtime.remove_leftovers()
    assert not of(engine, jobs)
    gc.collect()


def test_an_engine_that_goes_away_while_it_starts_a_run_makes_it_lost(
    jobs: Jobs, engine: docker.DockerClient, proxy: Proxy
) -> None:
    proxy.cut_at = b"/start HTTP"
    outcome, _ = jobs.run(DockerRuntime(grace=0.2), jobs.job("sleep 3600"))
    assert (outcome.ending, outcome.isolation) == (RunOutcome.LOST, None)
    assert not of(engine, jobs)


def test_output_that_is_cut_off_makes_the_run_lost(jobs: Jobs, engine: docker.DockerClient, proxy: Proxy) -> None:
    taken: list[bytes] = []

    def answer(chunk: bytes) -> bytes | None:
        if chunk[8:].startswith(b"MARK"):
            threading.Timer(0.1, proxy.cut).start()
            return chunk[:10]
        return chunk

    proxy.answer = answer
    outcome = DockerRuntime(grace=0.2).run(
        jobs.job("sleep 0.3; echo MARK; sleep 3600"), stdout=taken.append, stderr=lambda _: None
    )
    assert (outcome.ending, taken) == (RunOutcome.LOST, [b"MA"])
    assert not of(engine, jobs)


@pytest.mark.parametrize("how", ["kill", "remove"])
def test_a_container_that_somebody_else_ends_is_told_so(jobs: Jobs, engine: docker.DockerClient, how: str) -> None:
    def end(_: bytes) -> None:
        (one,) = of(engine, jobs)
        if how == "kill":
            one.kill()
        else:
            one.remove(force=True)

    outcome = DockerRuntime().run(jobs.job("echo started; sleep 3600"), stdout=end, stderr=lambda _: None)
    expected = (RunOutcome.SIGNALLED, signal.SIGKILL) if how == "kill" else (RunOutcome.LOST, None)
    assert (outcome.ending, outcome.signal) == expected
    assert not of(engine, jobs)


def test_containers_of_others_that_were_made_from_our_images_are_left_alone(
    jobs: Jobs, engine: docker.DockerClient
) -> None:
    theirs = engine.containers.create(
        "sandbox/base:trixie", ["true"], labels={"dev.sandbox.managed": "true", "dev.sandbox.run": jobs.token}
    )
    try:
        runtime = DockerRuntime()
        assert theirs.name not in runtime.remove_leftovers()
        assert not runtime.list_objects({"run": jobs.token})
        assert [one.id for one in of(engine, jobs)] == [theirs.id]
    finally:
        theirs.remove()


OWNER = """
import os, pickle, signal, sys
from sandbox.containers.docker.runtime import DockerRuntime
def watch(event, arguments):
    if event == "http.client.send" and sys.argv[1].encode() in bytes(arguments[1]).partition(b"\\r\\n")[0]:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
DockerRuntime().run(pickle.load(sys.stdin.buffer), stdout=lambda chunk: os.write(1, chunk), stderr=print)
"""


@pytest.mark.parametrize("request_", ["/containers/create", "/attach", "/wait", "/start", "none: when it has started"])
def test_a_run_whose_owner_is_killed_at_any_request_is_cleaned_up_by_the_next(
    jobs: Jobs, engine: docker.DockerClient, request_: str
) -> None:
    command = [sys.executable, "-c", OWNER, request_]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pickle.dumps(jobs.job("echo started; sleep 3600")))
        process.stdin.close()
        process.stdout.read(1)
        process.kill()
    outcome, _ = jobs.run(DockerRuntime(), jobs.job("true"))
    assert outcome.ending is RunOutcome.SUCCEEDED
    # A request that was under way when its owner was killed is still carried out, later where the engine is busy.

    def is_clean() -> bool:
        DockerRuntime().remove_leftovers()
        return not of(engine, jobs)

    wait_until(is_clean)


@pytest.fixture
def second_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """An engine of the test's own, which it may stop, with one image of the host's shell in it."""
    place = tmp_path_factory.mktemp("e")
    log = (place / "log").open("wb")
    address = f"unix://{place}/s"
    process = subprocess.Popen(
        [
            # In a network of its own: an engine without a bridge removes that of the machine's other engine.
            *(
                "unshare",
                "--net",
                "dockerd",
                "--host",
                address,
                "--data-root",
                place / "data",
                "--exec-root",
                place / "exec",
            ),
            *("--pidfile", place / "pid", "--bridge", "none", "--iptables=false"),
            *("--default-address-pool", "base=10.213.0.0/24,size=25"),  # two networks
        ],
        stdout=log,
        stderr=log,
    )
    try:
        client = reached(address)
        client.api.import_image_from_file(str(image_of_the_shell(place)), repository="shell", tag="1")
        client.close()
        yield process, address
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        log.close()
        shutil.rmtree(place, ignore_errors=True)


def reached(address: str) -> docker.DockerClient:
    def answers() -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as one:
            one.connect(address.removeprefix("unix://"))
            return True
        return False

    wait_until(answers)
    return docker.DockerClient(base_url=address)


def image_of_the_shell(place: Path) -> Path:
    wanted = {Path("/bin/sh"), Path("/bin/sleep"), Path("/bin/echo")}
    for program in tuple(wanted):
        listed = subprocess.run(["ldd", program], capture_output=True, check=True, text=True).stdout
        wanted |= {Path(word) for word in listed.split() if word.startswith("/")}
    with tarfile.open(place / "image.tar", "w", dereference=True) as archive:
        for path in sorted(wanted):
            archive.add(path, arcname=str(path).lstrip("/"))
    return place / "image.tar"


@leaks
@pytest.mark.skipif(os.getuid() != 0 and not IN_CI, reason="starts an engine of its own: run as root")
def test_an_engine_that_is_stopped_in_mid_run_makes_it_lost(
    jobs: Jobs, second_engine: tuple[subprocess.Popen[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, address = second_engine
    monkeypatch.setenv("DOCKER_HOST", address)
    runtime = DockerRuntime(grace=0.2)
    outcome = runtime.run(
        jobs.job("sleep 0.5; echo started; sleep 3600", image="shell:1"),
        stdout=lambda _: process.terminate(),
        stderr=lambda _: None,
    )
    assert outcome.ending is RunOutcome.LOST
    process.wait(PATIENCE_SECONDS)
    with pytest.raises(ContainerEngineError, match=r"no Docker Engine is running|not running") as caught:
        DockerRuntime().check()
    assert caught.value.status == 14
    gc.collect()


@leaks
@pytest.mark.skipif(os.getuid() != 0 and not IN_CI, reason="starts an engine of its own: run as root")
def test_an_engine_without_addresses_for_networks_is_told_and_nothing_is_left(
    second_engine: tuple[subprocess.Popen[bytes], str],
) -> None:
    with contextlib.closing(docker.DockerClient(base_url=second_engine[1])) as client:
        before = {one["Id"] for one in client.api.networks()}
        assert check_address_pool(client).ok
        taken = client.api.create_network("taken", driver="bridge")["Id"]
        found = check_address_pool(client)
        assert (found.ok, found.fix) == (False, "docker network prune")
        assert found.detail.startswith("room for 1 more: ")
        assert {one["Id"] for one in client.api.networks()} == {*before, taken}
