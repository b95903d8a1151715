"""The servers as session fixtures, started at first use, and the rule for tests that need a real one.

A test that is marked `real`, or that asks for `localstack`, `rgw` or `swift`, runs only where CARTAGE_REAL=1 says so.
There it must run: a skip, for whatever reason, is a failure.

The whole suite runs in one process more than there are processors (a test waits now and then), where pytest-xdist is
there; a file's tests stay together, and so do those that need a real server, which is then started once. What takes
long is begun first, so that no process is left with it at the end.
"""

from __future__ import annotations

import atexit
import functools
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import botocore.hooks
import botocore.httpsession
import botocore.session
import pytest
from hypothesis import HealthCheck, settings

import engine.finish.lag
import engine.sandbox.launch
from engine.sandbox import Sandbox, start_sandbox
from tests import forking
from tests.faults.amount import examples
from tests.servers import Endpoint, start_localstack, start_moto, start_rgw, start_swift

REAL_FIXTURES = {"localstack", "rgw", "swift"}
REAL_FOLDER = Path(__file__).parent / "real"
CHOSEN = os.environ.get("CARTAGE_REAL") == "1"
IN_CI = os.environ.get("CARTAGE_TRUST") == "ci"  # where Chromium is installed, so that tests of pages must run too
MOST_PROCESSES = 4
LONGEST_FIRST = ("real", "faults", "scenario", "browser", "docs", "cli", "library", "property", "contract", "unit")
"""The folders by how long a test of theirs may take; real servers come before all."""

TOGETHER = "CARTAGE_TESTS_TOGETHER"
NOT_CHOSEN = "needs a real S3 server: set CARTAGE_REAL=1"

# Bytecode is kept (.gitignore knows it) also where the environment says otherwise: else each of the hundred commands
# that run in a process of their own compiles the package anew, and pytest rewrites every test file each time.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Ledgers and cloned files are synced to the disk again and again, which is most of what a small run waits for. What a
# test writes need not outlive a power cut: those are played (tests/unit/folder/test_power.py), not had.
IN_MEMORY, ROOM_BYTES = Path("/dev/shm"), 2 << 30
if os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ROOM_BYTES:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))

# No two servers of the tests hand on what is done at one of them, unless a test has it so: nobody waits for it.
engine.finish.lag.LAG_S = 0.0

# One loader for all of botocore's sessions: each would read its models of S3 anew, which is a third of what a command
# costs that runs in this process. What a loader gives is shared between a session's clients anyway.
setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))  # noqa: B010

# What each of its sessions works out anew: how events are called by their other names, which is the same for all.
_aliased: dict[str, str] = {}
_begin_aliases = botocore.hooks.EventAliaser.__init__


def _begin_with_known_aliases(self: Any, event_emitter: Any, event_aliases: Any = None) -> None:
    _begin_aliases(self, event_emitter, event_aliases)
    if event_aliases is None:
        self._alias_name_cache = _aliased


setattr(botocore.hooks.EventAliaser, "__init__", _begin_with_known_aliases)  # noqa: B010


@functools.cache
def _one_authority() -> str:
    """A bundle with the first of the public web's authorities alone."""
    every, end = Path(_every_authority()).read_text(encoding="utf-8"), "-----END CERTIFICATE-----"
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
        file.write(every[every.index("-----BEGIN CERTIFICATE-----") : every.index(end)] + end + "\n")
    atexit.register(Path(file.name).unlink)
    return file.name


# Each of aiobotocore's clients reads more than a hundred authorities, of the bundle that comes with it or of the one
# that the machine names. No test speaks to a server that any of them vouches for, unless it is one that a user names.
_every_authority = botocore.httpsession.where
if not os.environ.get("CARTAGE_CONTRACT_BUCKET"):
    setattr(botocore.httpsession, "where", _one_authority)  # noqa: B010
    for _name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        os.environ.pop(_name, None)

# The sandboxes of the tests are forked off (tests/forking.py); those of commands are started, as a user's are.
setattr(engine.sandbox.launch, "Popen", forking.Popen)  # noqa: B010

# How long an example takes, or is made, says nothing where other processes work beside it. The same ones are tried each
# time, so that what passed fails by a change alone; CARTAGE_EXAMPLES=random draws new ones (docs/contributing.md).
settings.register_profile(
    "here",
    deadline=None,
    derandomize=os.environ.get("CARTAGE_EXAMPLES") != "random",
    max_examples=examples(100),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("here")


@pytest.fixture(scope="session")
def moto() -> Iterator[Endpoint]:
    with start_moto() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def served() -> Iterator[Sandbox]:
    """The sandbox that tests share whose buckets are their own, and who leave its settings as they were."""
    with start_sandbox() as started:
        yield started


@pytest.fixture(scope="session")
def sandbox(served: Sandbox) -> Endpoint:
    return Endpoint.of(served)


@pytest.fixture(scope="session")
def localstack() -> Iterator[Endpoint]:
    if not CHOSEN:  # asked for by name at run time, past the mark
        pytest.skip(NOT_CHOSEN)
    with start_localstack() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def rgw() -> Iterator[Endpoint]:
    if not CHOSEN:
        pytest.skip(NOT_CHOSEN)
    with start_rgw() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def swift() -> Iterator[Endpoint]:
    if not CHOSEN:
        pytest.skip(NOT_CHOSEN)
    with start_swift() as endpoint:
        yield endpoint


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:  # one of those processes, or what one of them runs
        if os.environ.get(TOGETHER) == "1":
            config.option.loadgroup = True  # which pytest 9 does not pass on to them
        return
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if whole and config.pluginmanager.hasplugin("xdist") and config.option.numprocesses is None:
        config.option.numprocesses = min((os.cpu_count() or 1) + 1, MOST_PROCESSES)
        config.option.dist = "loadgroup"
        config.option.loadscopereorder = False  # as they are sorted below, and not by how many there are
        os.environ[TOGETHER] = "1"


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if REAL_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("real")
        real = item.get_closest_marker("real") is not None
        if real and not CHOSEN:
            item.add_marker(pytest.mark.skip(reason=NOT_CHOSEN))
        item.add_marker(pytest.mark.xdist_group("real" if real and CHOSEN else str(item.path)))
    if os.environ.get(TOGETHER) == "1":
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[bool, int]:
    """When an item is begun: a test of a real server, then by its folder."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    started = CHOSEN and item.get_closest_marker("real") is not None
    return not started, LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected is thousands of tests that stay to the end: it need not be looked through again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # An expected failure is reported as a skip too; it did run.
    must_run = CHOSEN and (item.get_closest_marker("real") or (IN_CI and item.get_closest_marker("browser")))
    if must_run and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, although CARTAGE_REAL=1 says that it must run: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if CHOSEN and report.skipped and collector.path.is_relative_to(REAL_FOLDER):
        report.outcome = "failed"
        report.longrepr = f"skipped, although CARTAGE_REAL=1 says that it must run: {report.longrepr}"
    return report
