"""The reference migration's shape under every kind of fault alone, and under all of them together.

A run and a verification go through the faults; then the faults end, and the same commands are given again. The result
is the same as if nothing had happened, or a state that says exactly what is not done; never a wrong `verified`.
CARTAGE_FAULT_SEED=<number> replays what a failure prints.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from engine.api.run import MigrationResult, migrate
from engine.api.verify import verify
from engine.cli.run import exit_code
from engine.errors import EngineError, RunError, StoreError
from engine.s3 import operations
from engine.sandbox import FaultRule
from engine.sandbox.faults import Kind
from engine.sandbox.launch import Sandbox
from engine.transfer import uploading
from tests.faults import invariants
from tests.faults.amount import amount, sample, seeds
from tests.faults.cases import CASES, Case, together
from tests.faults.conftest import Record
from tests.faults.impatience import hurry
from tests.faults.scene import Scene

SEEDS = amount(1, 1, 5)
MIXED_SEEDS = amount(1, 3, 20)
RUNS_TO_END = 4
"""How often the same command is given before what is left must be final: what drifted is planned by the next run."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent again is sent again at once."""
    hurry(monkeypatch)


@contextmanager
def short_of_time(case: Case) -> Iterator[None]:
    """An abort that fails is given up in a moment, and where answers never come, a connection that is silent for half
    a second. That is for faults: without them a machine that is busy may take as long over what is to succeed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploading, "ABORT_GRACE_S", 0.1)
        if case.name == "an answer that never comes":
            for name in ("COPY", "COPY_PART", "COMPLETE"):
                patch.setattr(operations, name, replace(getattr(operations, name), timeout_s=0.5))
        yield


@pytest.fixture(autouse=True)
def seed_is_printed(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    seed = request.node.callspec.params["seed"] if hasattr(request.node, "callspec") else None
    print(f"replay with: CARTAGE_FAULT_SEED={seed} pytest {request.node.nodeid!r}", file=sys.stderr)


def test_every_kind_of_fault_that_the_sandbox_knows_is_tried() -> None:
    tried = {rule.kind for case in CASES.values() for rule in case.rules}
    deleting = {Kind.DELETE_ERROR, Kind.DELETE_KEYLESS}  # tests/faults/test_deleting.py
    assert set(Kind) - tried == deleting


@pytest.mark.parametrize("seed", seeds(SEEDS))
@pytest.mark.parametrize("name", sample(CASES, 4))
async def test_a_fault_alone(name: str, seed: int, signed_in: Sandbox, tmp_path: Path, record: Record) -> None:
    case = CASES[name]
    figures = await go_through(case, case.rules, seed, signed_in, tmp_path)
    assert figures["struck"], "the fault was never met: this proves nothing"
    record("fault alone", name, 1, outcome_of(figures), seed=seed, **figures)


@pytest.mark.parametrize("seed", seeds(MIXED_SEEDS))
@pytest.mark.parametrize("legacy", [False, True], ids=["", "own parts"])
async def test_all_faults_together(seed: int, legacy: bool, signed_in: Sandbox, tmp_path: Path, record: Record) -> None:
    case = Case("all together", together(foreign=True), foreign=True, legacy=legacy)
    figures = await go_through(case, case.rules, seed, signed_in, tmp_path)
    assert figures["kinds"] >= 6
    record("all faults together", case.name, 1, outcome_of(figures), seed=seed, **figures)


async def go_through(
    case: Case, rules: tuple[FaultRule, ...], seed: int, sandbox: Sandbox, folder: Path
) -> dict[str, int]:
    """Run, verify, faults off, run, verify; the figures of what was met."""
    scene = Scene(sandbox, folder, scale=case.scale, legacy=case.legacy, name=f"{case.name} {case.legacy} {seed}")
    scoped = [asdict(rule) | {"bucket": scene.bucket} for rule in rules]
    sandbox.control("settings", {"faults": scoped, "seed": seed, "complete_again": case.complete_again})
    stops = 0
    with short_of_time(case):
        for _ in range(2):
            first = await attempted_run(scene, case)
            stops += first is None
            if scene.ledger.exists():
                invariants.claims(scene, foreign=struck_targets(scene))
                await attempted_verify(scene, case)
                invariants.claims(scene, foreign=struck_targets(scene))
    foreign = struck_targets(scene) if case.foreign else set()
    totals = sandbox.control("stats")["faults"]
    scene.calm()
    result = None
    for _ in range(RUNS_TO_END):
        result = await migrate(scene.plan, scene.options(store=case.store))  # type: ignore[arg-type]
        report = await verify(scene.plan, scene.options())
        if result.complete and report.agrees:
            break
    assert result is not None
    aside = {key for key, row in scene.rows().items() if row["state"] == "conflict"}
    assert {scene.wanted[key] for key in aside} <= foreign, "set aside, and nobody else wrote there"
    assert result.complete is not bool(aside)
    assert exit_code(result) == (3 if aside else 0)
    invariants.ended(scene, aside=aside)
    return {
        "struck": sum(totals.values()),
        "kinds": sum(bool(count) for count in totals.values()),
        "stopped": stops,
        "aside": len(aside),
    }


async def attempted_run(scene: Scene, case: Case) -> MigrationResult | None:
    """A run among faults: it ends complete, or says what is not done, or stops with an error that it names."""
    try:
        result = await migrate(scene.plan, scene.options(store=case.store))  # type: ignore[arg-type]
    except StoreError as error:
        listing = error.operation == "ListObjectsV2"
        assert isinstance(error, RunError) or error.scope == "attempt" or listing, error
        print(f"stopped by {type(error).__name__}: {error}", file=sys.stderr)
        return None
    rows = scene.rows()
    if result.complete:
        assert sorted(set(scene.wanted) - set(rows)) == [], "complete, and objects are missing from the ledger"
        assert {row["state"] for row in rows.values()} <= {"copied", "verified"}
    else:
        assert exit_code(result) == 3
        unfinished = {key: row for key, row in rows.items() if row["state"] not in ("copied", "verified")}
        assert unfinished, "not complete, and nothing says why"
        assert [key for key, row in unfinished.items() if not (row["code"] and row["message"])] == []
    return result


async def attempted_verify(scene: Scene, case: Case) -> None:
    try:
        await verify(scene.plan, scene.options(store=case.store))  # type: ignore[arg-type]
    except EngineError as error:
        assert isinstance(error, StoreError), error


def struck_targets(scene: Scene) -> set[str]:
    """Target keys that somebody else may have written to by now."""
    log = scene.sandbox.control("fault_log")["log"]
    return {key for kind, _, bucket, key in log if bucket == scene.bucket and kind.startswith("target-")}


def outcome_of(figures: dict[str, int]) -> str:
    return "complete and proven" if not figures["aside"] else "complete and proven but for what others wrote"
