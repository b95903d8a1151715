"""Which moves into a bucket the ledgers here tell of: what a rule must not outrun."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.finish.rule_holds import moves_into
from engine.ledger import Binding
from engine.model import Location
from tests.unit.ledger.scene import COPIED, RAW, decision, opened

AWS, SAME, OTHER = "https://s3.us-east-2.amazonaws.com", True, False


@pytest.mark.parametrize(
    ("ledgers", "asked", "is_known"),
    [
        (AWS, AWS, SAME),
        (AWS, "https://s3.eu-central-1.amazonaws.com", SAME),  # a bucket's name is one bucket, whoever asks
        ("http://localhost:9000", "http://127.0.0.1:9000", SAME),
        (AWS, "http://127.0.0.1:9000", OTHER),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9001", OTHER),
    ],
)
async def test_a_move_is_known_by_whatever_name_its_server_is_asked(
    tmp_path: Path, ledgers: str, asked: str, is_known: bool
) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path, Binding("moving", ledgers, (RAW,), (("bucket", ""),))) as ledger:
        await ledger.decide("raw", [decision("k", COPIED)])
    found = await moves_into(path, asked, "bucket", {}, 0)
    assert [move.target for move in found] == ([Location("bucket", "project/data/raw/")] if is_known else [])
    assert await moves_into(path, asked, "another", {}, 0) == []
