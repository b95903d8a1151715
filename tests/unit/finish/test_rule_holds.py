"""Which moves into a bucket the ledgers here tell of: what a rule must not outrun."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.finish.rule_holds import KnownMove, Watch, moves_into
from engine.ledger import Binding
from engine.model import ListedObject, Location
from engine.plan.bucket_rules import Action, Does, Rule
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


TODAY = datetime(2026, 7, 1, tzinfo=UTC)
WRITTEN = "2026-06-30T10:00:00.000Z"


@pytest.mark.parametrize("unreadable", ["", "a day in June", "2026-13-01T00:00:00.000Z"])
@pytest.mark.parametrize("among", [[], [WRITTEN]], ids=["alone", "among others"])
def test_what_was_written_nobody_can_say_when_may_expire_at_once(unreadable: str, among: list[str]) -> None:
    """Its hold lasts for ten days yet, and the rule leaves thirty to whatever is written today."""
    until_ms = round((TODAY + timedelta(days=10)).timestamp() * 1000)
    rule = Rule("r", True, actions=(Action(Does.EXPIRE, days=30),))

    def refusals(*modified: str) -> list[str]:
        watch = Watch([KnownMove("moving, raw", Location("b", "p/"), 3, until_ms)], rule, TODAY.toordinal())
        watch.add([ListedObject(f"p/{number}", 1, "e", day) for number, day in enumerate(modified)])
        return watch.refusals()

    assert refusals() == refusals(*among) == []
    for some in ([unreadable, *among], [*among, unreadable]):
        [said] = refusals(*some)
        assert "on 2026-07-01" in said
