"""What having archived objects restored comes to: prices and times by class and tier, copies that would not last."""

from __future__ import annotations

import pytest

from engine.model import GIB, RESTORING
from engine.plan.prices import RETRIEVALS, Tier
from engine.plan.retrieval import Amount, ArchiveOutlook, Standing, standing_of

NOON_MS = 1_769_860_800_000  # 2026-01-31T12:00:00Z
HOUR_MS = 3_600_000
MIDNIGHT = "2026-02-01T00:00:00.000Z"


def outlook(tier: Tier = Tier.BULK, days: int = 6) -> ArchiveOutlook:
    return ArchiveOutlook(tier, days, NOON_MS)


@pytest.mark.parametrize(
    ("kind", "restore", "standing"),
    [
        ("GLACIER", "", Standing.ARCHIVED),
        ("GLACIER", RESTORING, Standing.UNDER_WAY),
        ("GLACIER", MIDNIGHT, Standing.READABLE),
        ("DEEP_ARCHIVE_ACCESS", "", Standing.ARCHIVED),
        ("", "", Standing.READABLE),
    ],
)
def test_how_an_object_stands(kind: str, restore: str, standing: Standing) -> None:
    assert standing_of(kind, restore) is standing


@pytest.mark.parametrize(
    ("kind", "tier", "requests", "retrieval"),
    [  # of 1,000 objects with 100 GB, by AWS's list prices of us-east-1
        ("GLACIER", Tier.BULK, 0.0, 0.0),
        ("GLACIER", Tier.STANDARD, 0.05, 1.0),
        ("GLACIER", Tier.EXPEDITED, 10.0, 3.0),
        ("DEEP_ARCHIVE", Tier.BULK, 0.025, 0.25),
        ("DEEP_ARCHIVE", Tier.STANDARD, 0.1, 2.0),
        ("ARCHIVE_ACCESS", Tier.STANDARD, 0.0, 0.0),
        ("ARCHIVE_ACCESS", Tier.EXPEDITED, 10.0, 3.0),
        ("DEEP_ARCHIVE_ACCESS", Tier.BULK, 0.0, 0.0),
    ],
)
def test_what_it_costs(kind: str, tier: Tier, requests: float, retrieval: float) -> None:
    found = outlook(tier)
    found.archived[kind] = Amount(1_000, 100 * GIB)
    (share,) = found.shares
    assert share.requests_dollars == pytest.approx(requests)
    assert share.retrieval_dollars == pytest.approx(retrieval)
    # A temporary copy is billed as STANDARD for its days and to the next midnight; the tiers have none.
    lasts = 0 if kind.endswith("_ACCESS") else 7
    assert share.storage_dollars == pytest.approx(100 * 0.023 / 30 * lasts)


def test_neither_deep_archive_has_an_expedited_tier() -> None:
    assert {kind for kind, tiers in RETRIEVALS.items() if Tier.EXPEDITED not in tiers} == {
        "DEEP_ARCHIVE",
        "DEEP_ARCHIVE_ACCESS",
    }
    found = outlook(Tier.EXPEDITED)
    found.add("DEEP_ARCHIVE", 5, "")
    found.add("GLACIER", 7, "")
    assert found.not_by_tier == {"DEEP_ARCHIVE": Amount(1, 5)}
    assert found.to_ask == {"GLACIER": Amount(1, 7)}


def test_a_copy_that_is_gone_before_the_last_is_there_is_made_to_last_at_the_price_of_a_request() -> None:
    found = outlook(Tier.STANDARD)
    found.add("GLACIER", GIB, MIDNIGHT)
    assert found.expiring == {}, "nothing else is waited for"
    found.add("GLACIER", 1, "")
    assert found.ends_ms == NOON_MS + 5 * HOUR_MS
    assert found.expiring == {}, "it is there until midnight, and the other by five"
    found.add("DEEP_ARCHIVE", 1, "")  # twelve hours
    assert found.expiring == {"GLACIER": Amount(1, GIB)}
    assert found.first_expiry == MIDNIGHT
    prolonged = [share for share in found.shares if not share.most_s]
    assert [(share.kind, share.retrieval_dollars) for share in prolonged] == [("GLACIER", 0.0)]


def test_what_is_under_way_may_take_as_long_as_any_class_by_this_tier() -> None:
    found = outlook(Tier.BULK)
    found.add("GLACIER", 1, RESTORING)
    found.add("GLACIER", 1, "2026-02-02T00:00:00.000Z")  # in 36 hours
    assert found.ends_ms == NOON_MS + 48 * HOUR_MS
    assert found.expiring == {"GLACIER": Amount(1, 1)}


def test_a_restored_object_of_intelligent_tiering_never_expires() -> None:
    found = outlook()
    found.add("", 1, "2026-01-31T13:00:00.000Z")  # whatever a server says of it
    found.add("DEEP_ARCHIVE", 1, "")
    assert found.expiring == {}
