"""Runs scenarios: a fresh sandbox on one processor core, the client on another, several times each, medians."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.measure import CommandFailed, Usage, run
from bench.peers import CARTAGE, HOME, PEERS, Job, Peer, Place
from bench.scenarios import Figures, Fill, Scenario
from engine.sandbox import SandboxSettings, start_sandbox

SERVER_CORE, CLIENT_CORE = 0, 1
BUCKET, SOURCE, TARGET = "bench", "source/", "target/"
WARM_UP_OBJECTS = 1_000

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One measured run. `refused` counts the server's 503s, `requests` all that it answered."""

    usage: Usage
    objects: int
    requests: int
    refused: int


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
        )


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    scenario: Scenario
    clients: list[ClientResult]


def measure(scenario: Scenario, clients: Sequence[str], runs: int | None, say: Say) -> ScenarioResult:
    """All clients in one scenario, taking turns, so that a machine that slows down slows all of them. `runs` None: as
    often as the scenario says."""
    most = runs or max(scenario.runs, scenario.peer_runs)
    peers = [PEERS[name] for name in scenario.peers if name in clients]
    found = {peer.name: ClientResult(peer.name, peer.version, peer.settings, peer.does_less) for peer in peers}
    for peer in peers:
        try:
            _attempt(scenario, peer, Fill(WARM_UP_OBJECTS, scenario.fill.size_bytes), {})
        except CommandFailed as error:
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


def _attempt(scenario: Scenario, peer: Peer, fill: Fill, manners: dict[str, Any]) -> Attempt:
    """One run of one client on a sandbox of its own. Raises `CommandFailed`."""
    with _served(fill, scenario.manners.get("tls", False)) as (sandbox, place), _folder() as folder:
        if scenario.prepare is not None:
            _go(CARTAGE, place, scenario.prepare, folder, core=None, timeout_s=scenario.timeout_s)
        sandbox.control("settings", {name: value for name, value in manners.items() if name != "tls"})
        sandbox.control("reset_stats")
        usage = _go(peer, place, scenario.job, folder, core=CLIENT_CORE, timeout_s=scenario.timeout_s)
        stats = sandbox.control("stats")
        objects = fill.count + (1 if fill.large_bytes else 0)
        if scenario.job in ("copy", "again"):
            there = int(sandbox.control("count", {"bucket": BUCKET, "prefix": TARGET})["objects"])
            if there != objects:
                raise CommandFailed(f"it ended with 0 and {there} of {objects} objects are in place")
    by_status = [status for operation in stats["operations"].values() for status in operation.items()]
    refused = sum(count for status, count in by_status if str(status) == "503")
    return Attempt(usage, objects, sum(count for _, count in by_status), refused)


def _go(peer: Peer, place: Place, job: Job, folder: Path, *, core: int | None, timeout_s: float) -> Usage:
    command = peer.build(place, job, folder)
    if command is None:
        raise CommandFailed(f"{peer.name} has no way to {job}")
    environment = place.environment() | dict(command.environment)
    usage = run(command.argv, environment, core=core, folder=folder, timeout_s=timeout_s)
    if usage.exit_code != 0:
        late = usage.wall_s >= timeout_s
        why = f"did not end within {timeout_s:.0f} s" if late else f"ended with {usage.exit_code}"
        raise CommandFailed(f"{why}: {usage.output[-300:].strip()}")
    return usage


@contextmanager
def _served(fill: Fill, tls: bool) -> Iterator[tuple[Any, Place]]:
    settings = SandboxSettings(check_signatures=False, tls=tls, uniform=True)
    with start_sandbox(settings) as sandbox:
        if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(sandbox.pid, {SERVER_CORE})
        sandbox.control("fill", {"bucket": BUCKET, "prefix": SOURCE, "count": fill.count, "size": fill.size_bytes})
        if fill.large_bytes:
            large = {"bucket": BUCKET, "prefix": SOURCE + "large/", "count": 1, "size": fill.large_bytes}
            sandbox.control("fill", large | {"multipart": True})
        yield (
            sandbox,
            Place(
                sandbox.url,
                sandbox.access_key,
                sandbox.secret_key,
                sandbox.region,
                BUCKET,
                SOURCE,
                TARGET,
                str(sandbox.ca_bundle or ""),
            ),
        )


@contextmanager
def _folder() -> Iterator[Path]:
    HOME.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=HOME) as name:
        yield Path(name)
