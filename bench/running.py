"""Runs scenarios: a fresh sandbox on one processor core, the client on another, several times each, medians."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from bench.ballast import Ballast
from bench.measure import CommandFailed, Usage, run
from bench.peers import CARTAGE, FILES, HOME, PEERS, Job, Peer, Place
from bench.scenarios import MIB, Figures, Fill, Scenario
from engine.sandbox import SandboxSettings, start_sandbox

SERVER_CORE, CLIENT_CORE = 0, 1
BUCKET, SOURCE, TARGET = "bench", "source/", "target/"
KEY, SECRET = "cartage-bench", "cartage-bench-secret"
WARM_UP_OBJECTS = 1_000
WARM_UP_BYTES = 500_000_000
TEMPLATES = 256
"""So many files of an upload differ; the others are further names of theirs, and take no room."""
RAM_DISK = Path("/dev/shm")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One measured run. `refused` counts the server's 503s, `requests` all that it answered."""

    usage: Usage
    objects: int
    requests: int
    refused: int
    moved_bytes: int


@dataclass(frozen=True, slots=True)
class ClientResult:
    """One client in one scenario; `failure` says why there are no figures."""

    client: str
    version: str
    settings: str
    does_less: str
    attempts: list[Attempt] = field(default_factory=list)
    failure: str = ""

    def figures(self, floor_s: float | None) -> Figures | None:
        """Medians over the attempts."""
        if not self.attempts:
            return None
        median = statistics.median
        return Figures(
            median(item.usage.wall_s for item in self.attempts),
            median(item.usage.processor_s for item in self.attempts),
            median(item.usage.peak_bytes for item in self.attempts) / 1e6,
            self.attempts[0].objects,
            median(item.refused / max(1, item.requests) for item in self.attempts),
            floor_s,
            self.attempts[0].moved_bytes,
        )


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    scenario: Scenario
    clients: list[ClientResult]


class Skipped(Exception):
    """A scenario that Cartage cannot do: beside what, would the others be measured?"""


def measure(scenario: Scenario, clients: Sequence[str], runs: int | None, say: Say) -> ScenarioResult:
    """All clients in one scenario, taking turns, so that a machine that slows down slows all of them. `runs` None: as
    often as the scenario says. Raises `Skipped`."""
    most = runs or max(scenario.runs, scenario.peer_runs)
    peers = [PEERS[name] for name in scenario.peers if name in clients]
    found = {peer.name: ClientResult(peer.name, peer.version, peer.settings, peer.does_less) for peer in peers}
    for peer in peers:
        try:
            _attempt(scenario, peer, _warm_up(scenario.fill), {})
        except CommandFailed as error:
            if peer is CARTAGE:
                raise Skipped(str(error)) from error
            found[peer.name] = replace(found[peer.name], failure=str(error))
            say(f"{scenario.name}: {peer.name}: {error}")
    for number in range(most):
        for peer in peers:
            result = found[peer.name]
            if result.failure or number >= (runs or (scenario.runs if peer is CARTAGE else scenario.peer_runs)):
                continue
            try:
                attempt = _attempt(scenario, peer, scenario.fill, scenario.manners)
            except CommandFailed as error:
                found[peer.name] = replace(result, attempts=[], failure=str(error))
                say(f"{scenario.name}: {peer.name}: {error}")
                continue
            result.attempts.append(attempt)
            usage = attempt.usage
            say(
                f"{scenario.name}: {peer.name} run {number + 1}: {usage.wall_s:.1f} s, processor "
                f"{usage.processor_s:.1f} s, {usage.peak_bytes / 1e6:.0f} MB, {attempt.refused} refused"
            )
    return ScenarioResult(scenario, list(found.values()))


def _warm_up(fill: Fill) -> Fill:
    count = min(WARM_UP_OBJECTS, fill.count, max(1, WARM_UP_BYTES // max(1, fill.size_bytes)))
    return replace(fill, count=count, large_bytes=0, size_bytes=min(fill.size_bytes, WARM_UP_BYTES))


def _attempt(scenario: Scenario, peer: Peer, fill: Fill, manners: dict[str, Any]) -> Attempt:
    """One run of one client on a sandbox of its own (of a relay: on two). Raises `CommandFailed`."""
    with ExitStack() as stack:
        tls = scenario.manners.get("tls", False)
        sandbox, place = stack.enter_context(_served(tls))
        in_memory = scenario.job in ("download", "upload") and not scenario.on_disk
        folder = stack.enter_context(_folder(fill if in_memory else None))
        there = sandbox
        if scenario.job == "relay":
            there, other = stack.enter_context(_served(tls))
            place = replace(place, other_url=other.url, other_ca_bundle=other.ca_bundle)
            there.control("bucket", {"name": BUCKET})
        if scenario.job == "upload":
            sandbox.control("bucket", {"name": BUCKET})
            _make_files(folder / FILES, fill)
        else:
            _fill(sandbox, fill)
        if scenario.prepare is not None:
            _go(CARTAGE, place, scenario.prepare, folder, core=None, timeout_s=scenario.timeout_s)
        sandbox.control("settings", {name: value for name, value in manners.items() if name != "tls"})
        ballast = None
        if scenario.job == "download" and folder.is_relative_to(RAM_DISK):
            ballast = Ballast(folder, fill.count * _room_of(fill.size_bytes))
        sandbox.control("reset_stats")
        meanwhile = ballast.give_way if ballast is not None else None
        usage = _go(
            peer, place, scenario.job, folder, core=CLIENT_CORE, timeout_s=scenario.timeout_s, meanwhile=meanwhile
        )
        stats = sandbox.control("stats")
        objects = fill.count + (1 if fill.large_bytes else 0)
        if scenario.job == "download":
            _expect(folder / FILES, fill)
        elif scenario.job in ("copy", "again", "upload", "relay"):
            found = int(there.control("count", {"bucket": BUCKET, "prefix": TARGET})["objects"])
            if found != objects:
                raise CommandFailed(f"it ended with 0 and {found} of {objects} objects are in place")
    by_status = [status for operation in stats["operations"].values() for status in operation.items()]
    refused = sum(count for status, count in by_status if str(status) == "503")
    moved_bytes = fill.count * fill.size_bytes + fill.large_bytes
    return Attempt(usage, objects, sum(count for _, count in by_status), refused, moved_bytes)


def _make_files(folder: Path, fill: Fill) -> None:
    folder.mkdir()
    for number in range(fill.count):
        path = folder / f"{number:08d}.bin"
        if number >= TEMPLATES:
            path.hardlink_to(folder / f"{number % TEMPLATES:08d}.bin")
            continue
        with path.open("wb") as file:
            for begun in range(0, fill.size_bytes, MIB):
                file.write(os.urandom(min(MIB, fill.size_bytes - begun)))


def _expect(folder: Path, fill: Fill) -> None:
    sizes = (entry.stat().st_size for entry in os.scandir(folder)) if folder.exists() else iter(())
    found = Counter(sizes)
    if found != Counter({fill.size_bytes: fill.count}):
        raise CommandFailed(f"it ended with 0, and of {fill.count} files of {fill.size_bytes} bytes there are {found}")


def _go(
    peer: Peer,
    place: Place,
    job: Job,
    folder: Path,
    *,
    core: int | None,
    timeout_s: float,
    meanwhile: Callable[[], object] | None = None,
) -> Usage:
    command = peer.build(place, job, folder)
    if command is None:
        raise CommandFailed(f"{peer.name} has no way to {job}")
    environment = place.environment() | dict(command.environment)
    usage = run(command.argv, environment, core=core, folder=folder, timeout_s=timeout_s, meanwhile=meanwhile)
    if usage.exit_code != 0:
        late = usage.wall_s >= timeout_s
        why = f"did not end within {timeout_s:.0f} s" if late else f"ended with {usage.exit_code}"
        raise CommandFailed(f"{why}: {usage.output[-300:].strip()}")
    return usage


@contextmanager
def _served(tls: bool) -> Iterator[tuple[Any, Place]]:
    settings = SandboxSettings(access_key=KEY, secret_key=SECRET, check_signatures=False, tls=tls, uniform=True)
    with start_sandbox(settings) as sandbox:
        if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(sandbox.pid, {SERVER_CORE})
        trusted = str(sandbox.ca_bundle or "")
        yield sandbox, Place(sandbox.url, KEY, SECRET, sandbox.region, BUCKET, SOURCE, TARGET, trusted)


def _fill(sandbox: Any, fill: Fill) -> None:
    those = {"bucket": BUCKET, "prefix": SOURCE, "count": fill.count, "size": fill.size_bytes}
    sandbox.control("fill", those | {"multipart": fill.multipart})
    if fill.large_bytes:
        large = {"bucket": BUCKET, "prefix": SOURCE + "large/", "count": 1, "size": fill.large_bytes}
        sandbox.control("fill", large | {"multipart": True})


def _room_of(size_bytes: int) -> int:
    """What a file takes on a RAM disk: whole pages, and about a KiB for its name and inode."""
    return -(-size_bytes // 4096) * 4096 + 1024


@contextmanager
def _folder(fill: Fill | None = None) -> Iterator[Path]:
    """A folder for one run, on a RAM disk where a `fill` is to lie in it and there is memory for that."""
    HOME.mkdir(parents=True, exist_ok=True)
    above = HOME
    if fill is not None and RAM_DISK.is_dir():
        room = min(shutil.disk_usage(RAM_DISK).free, psutil.virtual_memory().available)
        above = RAM_DISK if 2 * fill.count * _room_of(fill.size_bytes) <= room else HOME
    with tempfile.TemporaryDirectory(prefix="cartage-bench-", dir=above) as name:
        yield Path(name)
