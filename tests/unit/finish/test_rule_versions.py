"""Older versions are told apart from current ones, also where a key's versions are on two pages."""

from __future__ import annotations

from typing import Any

import pytest

from engine.finish.rule_holds import add_versions
from engine.model import ListedVersion, Location, VersionsPage
from engine.plan.bucket_rules import Action, Does, Rule
from engine.plan.rule_effects import Effects
from tests.fake_store.store import FakeStore

TODAY = 739_797  # 2026-07-01
ROWS = [
    ("p/a", "4", "2026-06-04", False),
    ("p/a", "3", "2026-06-03", False),
    ("p/a", "2", "2026-06-02", True),
    ("p/a", "1", "2026-06-01", False),
    ("p/b", "1", "2026-06-01", True),
    ("p/c", "2", "2026-06-09", True),
    ("p/c", "1", "2026-06-01", False),
]


def row(key: str, version: str, day: str, marker: bool, *, latest: bool) -> ListedVersion:
    size = 0 if marker else 10
    return ListedVersion(key, version, size, f"{day}T10:00:00.000Z", "" if marker else "STANDARD", latest, marker)


class Versions(FakeStore):
    """Gives pages of so many rows."""

    rows_a_page = 2

    async def list_versions(self, request: Any) -> VersionsPage:
        keys = [name for name, *_ in ROWS]
        rows = [row(*item, latest=keys.index(item[0]) == at) for at, item in enumerate(ROWS)]
        begin = next((at + 1 for at, item in enumerate(rows) if (item.key, item.version_id) == request.after), 0)
        page = rows[begin : begin + self.rows_a_page]
        more = begin + self.rows_a_page < len(rows)
        return VersionsPage(page, (page[-1].key, page[-1].version_id) if more else None)


@pytest.mark.parametrize("rows_a_page", [1, 2, 3, 100])
async def test_versions_and_lone_markers_are_told_whatever_the_pages(rows_a_page: int) -> None:
    store = Versions()
    store.rows_a_page = rows_a_page
    actions = (Action(Does.EXPIRE_NONCURRENT, 1, keep=1), Action(Does.REMOVE_MARKERS))
    effects = Effects([Rule("r", True, "p/", actions=actions)], TODAY, versions=True)
    await add_versions(store, Location("b", "p/"), effects)
    assert (effects.older, effects.older_bytes) == (3, 30), "p/a 3 and 1, p/c 1; markers have no bytes"
    goes, markers = effects.found
    assert goes.objects == 1, "the newest older version of each key is kept"
    assert markers.objects == 1, "p/b alone"


async def test_of_one_key_no_other_that_begins_so_is_told() -> None:
    effects = Effects([], TODAY)
    await add_versions(Versions(), Location("b", "p/c"), effects)
    assert effects.older == 1
