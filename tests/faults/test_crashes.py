"""Commands killed at seeded moments: in the listing, between commit and hand-over, within uploads, in verification, in
deletes. Given again, they end complete and proven, and nothing is done twice beyond what was in flight.

CARTAGE_TRUST=ci tries 50 moments, full 300. CARTAGE_FAULT_SEED=<number> replays one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import pytest_asyncio

from engine.sandbox.launch import Sandbox
from tests.faults.amount import amount, seeds
from tests.faults.conftest import Record
from tests.faults.crashes import Counts, Trial, counted, crash
from tests.faults.scene import credentials

KILLS = int(os.environ.get("CARTAGE_TRUST_KILLS") or amount(5, 50, 300))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def moments(faulty: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Counts:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in credentials(faulty).items():
            patch.setenv(name, value)
        return await counted(faulty, tmp_path_factory.mktemp("counted"))


@pytest.mark.parametrize("seed", seeds(KILLS))
async def test_a_killed_command_ends_complete_when_it_is_given_again(
    seed: int, moments: Counts, signed_in: Sandbox, tmp_path: Path, record: Record
) -> None:
    trial = Trial(seed)
    try:
        figures = await crash(trial, moments, signed_in, tmp_path)
    except AssertionError as error:
        error.add_note(f"replay with: CARTAGE_FAULT_SEED={seed} pytest {__file__}")
        raise
    record("crash", trial.verb, len(trial.signals), "complete and proven", seed=seed, **figures)
