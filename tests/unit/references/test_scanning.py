"""What a scan for old paths does with files that are not as one would wish."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.ledger import Binding, Ledger
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import Decision
from engine.references.scanning import Scan, Scanner
from tests.fake_store import FakeStore, sites_of

PLAN = """
name = "p"
bucket = "cards"
prefix = "new/"
[[routes]]
name = "raw"
from = "/data/raw/"
to = "data/raw/"
[references]
scan = ["./notes/"]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "notes").mkdir()
    return Plan.parse(PLAN, source=str(tmp_path / "p.toml"))


@pytest.fixture
async def ledger(tmp_path: Path, plan: Plan) -> AsyncIterator[Ledger]:
    async with await Ledger.open(
        tmp_path / "p.ledger", Binding("p", "e", plan.binding_routes), now_ms=lambda: 1
    ) as opened:
        await opened.decide("raw", [copied("a.png")])
        yield opened


def copied(key: str) -> Decision:
    return Decision(key, 1, "e", "", "STANDARD", "", State.COPIED, target_etag="e", found=True)


async def scanned(plan: Plan, ledger: Ledger) -> Scan:
    return await Scanner(sites_of(FakeStore()), ledger, plan).run()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("latin.txt", "s3://cards/data/raw/caf\u00e9.png\n".encode("latin-1")),
        ("lone.json", rb'{"at": "s3://cards/data/raw/\ud800.png"}'),
    ],
)
async def test_a_name_that_no_object_can_have_is_a_place_left_alone(
    plan: Plan, ledger: Ledger, tmp_path: Path, name: str, body: bytes
) -> None:
    """The ledger is not asked for it, and is not called damaged; what else is in the folder is found."""
    (tmp_path / "notes" / name).write_bytes(body)
    (tmp_path / "notes" / "z.txt").write_bytes(b"s3://cards/data/raw/a.png")
    scan = await scanned(plan, ledger)
    left, changed = scan.files
    assert [item.why for item in left.findings] == ['no object of this name was moved by route "raw"']
    assert not left.changes and changed.after == b"s3://cards/new/data/raw/a.png"
    assert scan.places == 2 and scan.figure.startswith("2:")
