"""What a ledger's objects are made of: every row counts once in each of the sums."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.ledger import composition
from engine.ledger.composition import EDGES, LargeObject, Share, together
from engine.plan.lifecycle import State
from tests.unit.ledger.scene import decision, opened, outcome


async def test_objects_are_summed_by_class_size_and_method(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.ledger") as ledger:
        rows = [decision("a", size=0), decision("b", size=999), decision("c", size=1_000)]
        await ledger.decide("raw", [*rows, decision("d", size=1_999)._replace(storage_class="GLACIER_IR")])
        await ledger.conclude("raw", [outcome("b")])
        found = await ledger.composition()
    assert found.classes == {"STANDARD": Share(3, 1_999), "GLACIER_IR": Share(1, 1_999)}
    assert {EDGES[place]: share for place, share in found.sizes.items()} == {
        0: Share(1, 0),
        500: Share(1, 999),
        1_000: Share(2, 2_999),
    }
    assert found.methods == {"": Share(3, 2_999), "copy": Share(1, 999)}
    assert [item.key for item in found.largest] == ["d", "c", "b", "a"]
    assert found.largest[2] == LargeObject("raw", "b", 999, State.COPIED.value)


async def test_what_stands_where_something_else_stood_is_summed(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.ledger") as ledger:
        there = decision("there", held="e", state=State.COPIED, found=True, target_etag="e")
        refused = decision("refused", held="e", state=State.CONFLICT, code="TargetDiffers", message="another")
        await ledger.decide("raw", [there, refused, decision("over", held="e", size=7), decision("awaited", held="e")])
        await ledger.decide("raw", [decision("new")])
        await ledger.conclude("raw", [outcome("over", target_etag="o"), outcome("new", target_etag="n")])
        found = await ledger.composition()
        await ledger.decide("raw", [decision("over", held="o", size=7, target_etag="o")])  # once more, over our own
        await ledger.conclude("raw", [outcome("over", target_etag="p")])
        again = await ledger.composition()
    assert found.over == again.over == Share(1, 7)
    assert together([found, again]).over == Share(2, 14)


async def test_what_a_listing_found_in_place_is_not_said_to_be_copied_yet(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.ledger") as ledger:
        there = decision("there", size=5)._replace(state=State.COPIED, found=True, target_etag="e")
        refused = decision("refused", size=7)._replace(state=State.CONFLICT, code="TargetExists", message="another")
        await ledger.decide("raw", [there, refused, decision("awaited", size=11)])
        found = await ledger.composition()
    assert found.methods == {"found": Share(1, 5), "": Share(2, 18)}


@pytest.mark.parametrize("place", range(1, len(EDGES)))
async def test_a_bin_begins_at_its_edge(tmp_path: Path, place: int) -> None:
    async with opened(tmp_path / "x.ledger") as ledger:
        await ledger.decide("raw", [decision("at", size=EDGES[place]), decision("below", size=EDGES[place] - 1)])
        assert (await ledger.composition()).sizes == {
            place: Share(1, EDGES[place]),
            place - 1: Share(1, EDGES[place] - 1),
        }


def test_several_ledgers_add_up_and_the_largest_are_those_of_all() -> None:
    one, other = (
        composition.Composition(
            {"STANDARD": Share(1, size)}, {3: Share(1, size)}, {"": Share(1, size)},
            tuple(LargeObject("raw", f"{size}-{number}", size, "copied") for number in range(8)),
        )
        for size in (5, 7)
    )  # fmt: skip
    both = together([one, other])
    assert both.classes == {"STANDARD": Share(2, 12)} and both.sizes == {3: Share(2, 12)}
    assert [item.size for item in both.largest] == [7] * 8 + [5] * 2
