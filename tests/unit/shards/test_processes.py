"""Processes of this machine that carry shards: how they are begun."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from multiprocessing import resource_tracker, spawn, util
from multiprocessing.synchronize import SemLock
from pathlib import Path
from typing import Any

import pytest

from engine.shards.processes import WORKED_BY, LocalProcesses, _without_the_script


def has_loaded() -> bool:
    return WORKED_BY in sys.modules


@pytest.mark.parametrize("begun", [False, True])
def test_a_process_that_was_begun_ahead_has_loaded_what_it_works_by(begun: bool) -> None:
    with LocalProcesses(1) as processes:
        if begun:
            processes.start()
        assert processes.submit(has_loaded).result() is begun


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_nothing_of_a_pool_waits_for_the_collector_not_even_of_one_whose_process_died() -> None:
    """A semaphore's finalizer asks the tracker of `multiprocessing`, which says so on stderr where the collector comes
    by while it is asked already."""

    def semaphores() -> int:
        return sum(isinstance(found, SemLock) for found in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = semaphores()
        with LocalProcesses(1) as processes:
            with pytest.raises(BrokenExecutor):
                processes.submit(die).result()
            processes.submit(os.getpid).result()
        assert semaphores() == before
    finally:
        gc.enable()


@pytest.mark.parametrize("what", [(resource_tracker, "ensure_running"), (util, "spawnv_passfds")])
def test_what_the_system_refuses_to_begin_is_the_calls_own_error_and_another_call_tries_again(
    what: tuple[object, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not a thread's, which says so in a traceback and has all calls given up."""

    def refused(*given: object) -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with LocalProcesses(1) as processes:
        with monkeypatch.context() as patch:
            patch.setattr(*what, refused)
            with pytest.raises(BlockingIOError):
                processes.submit(os.getpid).result()
        assert processes.submit(os.getpid).result() != os.getpid()
    assert capfd.readouterr().err == ""


def test_what_lies_in_the_current_folder_is_not_taken_for_the_standard_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pickle", "socket", "queue"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the user has one of that name')")
    monkeypatch.chdir(tmp_path)
    with LocalProcesses(2) as processes:
        assert all(found.result() > 0 for found in [processes.submit(os.getpid) for _ in range(4)])


SCRIPT = """
import os
print("the script")
from engine.shards.processes import LocalProcesses
with LocalProcesses(2) as processes:
    processes.start()
    print(processes.submit(os.getpid).result() != os.getpid())
"""


@pytest.mark.parametrize("fed", [False, True])
def test_a_script_without_a_guard_is_run_once_also_where_stdin_feeds_it(tmp_path: Path, fed: bool) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    ended = subprocess.run(
        [sys.executable, "-" if fed else str(script)],
        input=SCRIPT if fed else "",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("the script\nTrue\n", "")


OF_ITS_OWN = """
from enum import Enum, StrEnum
from engine.shards.coordinating import _of_one
from engine.shards.processes import LocalProcesses
from engine.sites.options import SiteOptions
class Region(StrEnum):
    EU = "eu-west-1"
class Profile(str, Enum):
    OURS = "ours"
with LocalProcesses(1) as processes:
    there = processes.submit(repr, _of_one(SiteOptions(region=Region.EU, profile=Profile.OURS), 1)).result()
    print("region='eu-west-1', profile='ours'" in there)
"""


def test_words_that_a_script_has_types_of_its_own_for_reach_a_process_as_text(tmp_path: Path) -> None:
    (script := tmp_path / "script.py").write_text(OF_ITS_OWN)
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr) == ("True\n", "")


def test_what_another_thread_begins_meanwhile_gets_its_script_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/theirs/script.py", raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)

    def told() -> dict[str, Any]:
        return spawn.get_preparation_data("a process")

    with ThreadPoolExecutor(1) as another:
        with _without_the_script():
            ours, theirs = told(), another.submit(told).result()
        assert "init_main_from_path" not in ours
        assert theirs["init_main_from_path"] == told()["init_main_from_path"] == "/theirs/script.py"


def test_it_looks_for_garbage_as_seldom_as_a_command() -> None:
    with LocalProcesses(1) as processes:
        seldom = processes.submit(gc.get_threshold).result()
    assert seldom == (20_000, 20, 20)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="there are no groups of processes there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_asks_to_stop_reaches_no_process_not_even_while_it_begins(number: signal.Signals) -> None:
    with LocalProcesses(1) as processes:
        blocked = processes.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
        assert number in blocked, "by whoever began it, and so from its first moment"
        assert processes.submit(os.kill, processes.submit(os.getpid).result(), number).result() is None
