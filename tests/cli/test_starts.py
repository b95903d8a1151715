"""How a run begins: its first pages are asked for early, and only where the server is known."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from engine.api import run
from engine.api.options import Options
from engine.api.stopping import StopSignal
from engine.cli.invocation import Invocation
from engine.listing.first_pages import first_pages
from engine.plan.route import Route
from engine.sandbox import SandboxSettings, start_sandbox
from engine.store import StoreOf
from tests.cli.commands import Terminal, write_plan
from tests.servers import REPOSITORY, Endpoint

BUCKET = "starts-here"


def test_the_first_pages_are_asked_for_early_unless_the_server_has_to_be_tried_out(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How an unknown server is listed depends on the trial, which leaves objects for a moment."""
    asked: list[int] = []

    def spy(store_of: StoreOf, routes: Sequence[Route]) -> AbstractAsyncContextManager[StoreOf]:
        asked.append(len(routes))
        return first_pages(store_of, routes)

    monkeypatch.setattr(run, "first_pages", spy)
    with start_sandbox(SandboxSettings()) as sandbox:
        terminal.on(Endpoint.of(sandbox))
        sandbox.control("fill", {"bucket": BUCKET, "prefix": "old/", "count": 5, "size": 100})
        plan = write_plan(terminal.folder, BUCKET)
        known = terminal.call("run", plan, "--yes", "-q", "--assume", "aws", "--ledger", terminal.folder / "known")
        assert (known.code, asked) == (0, [1])
        assert sum(sandbox.control("stats")["operations"]["ListObjectsV2"].values()) == 2  # none was asked for twice
        unknown = terminal.call("run", plan, "--yes", "-q")
        assert (unknown.code, asked) == (0, [1, 0])


def test_what_one_command_leaves_to_be_collected_is_not_kept_by_the_next(terminal: Terminal) -> None:
    """The collector passes over what is there when a process's first command begins, and over nothing more."""
    with start_sandbox(SandboxSettings()) as sandbox:
        terminal.on(Endpoint.of(sandbox))
        assert terminal.call("ls", "s3://nowhere/").code == 1
        passed_over = gc.get_freeze_count()
        assert terminal.call("ls", "s3://nowhere/").code == 1
        assert 0 < gc.get_freeze_count() <= passed_over


def test_after_an_event_loop_sigterm_does_what_it_did_before() -> None:
    """A command asks its question then, and has files to remove."""
    invocation = Invocation("cp", Options(), json=False, quiet=True, progress=None)
    seen = []

    async def work(options: Options, stop: StopSignal) -> None:
        seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        invocation.run(work)
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler is not seen[0]
    finally:
        signal.signal(signal.SIGTERM, before)


MET = """
import functools, os, signal, sys
class Sender:
    def find_spec(self, name, *where):
        if name == {met!r}:
            sys.meta_path.remove(self)
            {then}
def kill():
    os.kill(os.getpid(), {number})
def send(*given):
    functools.cached_property.__set_name__ = before
    kill()
    before(*given)
before = functools.cached_property.__set_name__
sys.meta_path.insert(0, Sender())
sys.argv = ["cartage", *{words!r}, "--json"]
from engine.cli.entry import main
main()
"""


COPY = ["cp", "./src/", "./dst/", "--yes"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("words", "met"),
    [
        *((COPY, met) for met in ("engine.cli.main", "click", "click.core", "engine.cli.cp", "anyio", "asyncio")),
        (["check", "s3://nowhere/at/"], "engine.s3.wire_store"),
        (["ls", "s3://nowhere/at/"], "engine.s3.wire_store"),
    ],
)
def test_a_signal_in_its_first_moments_ends_it_as_any(
    tmp_path: Path, number: signal.Signals, words: list[str], met: str
) -> None:
    """While modules are imported, before anything listens to signals, and when the event loop has only begun."""
    begin_and_meet(tmp_path, words, met, "kill()", number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("met", ["click", "engine.cli.grammar"])
def test_a_signal_while_a_class_is_made_ends_it_as_any(tmp_path: Path, number: signal.Signals, met: str) -> None:
    """Before Python 3.12 it is the cause of a `RuntimeError` then."""
    begin_and_meet(tmp_path, COPY, met, "functools.cached_property.__set_name__ = send", number)


def begin_and_meet(tmp_path: Path, words: list[str], met: str, then: str, number: signal.Signals) -> None:
    """Have a process of these words send itself a signal once it comes to the module `met`, and see how it ends."""
    (tmp_path / "src").mkdir()
    command = [sys.executable, "-c", MET.format(words=words, met=met, then=then, number=int(number))]
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-2"}
    environment = os.environ | keys | {"PYTHONPATH": str(REPOSITORY), "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (130, False)
    assert done.stderr.strip().startswith("interrupted")
    assert json.loads(done.stdout)["interrupted"] is True
    assert not (tmp_path / "dst").exists()
