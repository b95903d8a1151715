"""Clones, uploads and copies between folders, of small and large objects, killed at random moments: each run goes on
where the last was ended.

CARTAGE_TRUST=ci kills 10 times each way, full 100.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from engine.sandbox.launch import Sandbox
from tests.faults.amount import amount
from tests.faults.conftest import Record
from tests.faults.passing import Passage, filled, usual

KILLS = int(os.environ.get("CARTAGE_TRUST_KILLS") or amount(2, 10, 100))
IN_A_ROW = 5
"""How often one copy is killed before it is let be."""


@pytest.mark.parametrize("way", ["clone", "upload", "between"])
async def test_what_is_killed_on_its_way_goes_on_where_it_was(
    way: str, signed_in: Sandbox, tmp_path: Path, record: Record
) -> None:
    bucket = f"passing-{way}"
    wanted = filled(signed_in, bucket)
    source = f"s3://{bucket}/project/"

    def passage(number: int) -> Passage:
        folder = tmp_path / str(number)
        folder.mkdir()
        if way == "clone":
            return Passage(signed_in, bucket, source, f"{folder}/clone/", wanted, folder)
        target = f"s3://{bucket}/{number}/" if way == "upload" else f"{folder}/copy/"
        return Passage(signed_in, bucket, f"{tmp_path}/0/clone/", target, wanted, folder)

    folder = tmp_path / "0"
    folder.mkdir()
    known = await usual(Passage(signed_in, bucket, source, f"{folder}/clone/", wanted, folder))
    if way != "clone":
        known = await usual(passage(1))
    killed, number = 0, 1
    while killed < KILLS:
        number += 1
        one = passage(number)
        kills = await one.through(number, known, min(IN_A_ROW, KILLS - killed))
        record("passing", way, kills, "complete, byte for byte", again=one.sent_again())
        killed += kills
        if way != "upload":
            shutil.rmtree(one.target)
