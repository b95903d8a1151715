"""RestoreObject, as S3 documents it: which classes and tiers, how long each takes, what is refused, what HEAD says."""

from __future__ import annotations

import pytest

from engine.sandbox.records import Attributes
from tests.unit.sandbox.asking import Sandbox

HOUR_S, DAY_S = 3_600, 86_400
IN_TIER = {"DEEP_ARCHIVE_ACCESS", "ARCHIVE_ACCESS"}


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


def restore(sandbox: Sandbox, key: str, tier: str = "Standard", days: int | None = 1) -> int:
    return sandbox("POST", "bbb", key, body(tier, days), {"restore": ""}).status


def refused(sandbox: Sandbox, code: str, key: str, tier: str = "Standard", days: int | None = 1) -> int:
    return sandbox.refused(code, "POST", "bbb", key, body(tier, days), {"restore": ""}).status


def body(tier: str, days: int | None) -> bytes:
    lasting = "" if days is None else f"<Days>{days}</Days>"
    how = f"<GlacierJobParameters><Tier>{tier}</Tier></GlacierJobParameters>"
    return f"<RestoreRequest>{lasting}{how}</RestoreRequest>".encode()


def in_tier(sandbox: Sandbox, key: str, status: str) -> None:
    sandbox.keep(key, b"x", attributes=Attributes(storage_class="INTELLIGENT_TIERING", archive_status=status))


@pytest.mark.parametrize(
    ("kind", "tier", "takes_s"),
    [
        ("GLACIER", "Expedited", 300),
        ("GLACIER", "Standard", 5 * HOUR_S),
        ("GLACIER", "Bulk", 12 * HOUR_S),
        ("DEEP_ARCHIVE", "Standard", 12 * HOUR_S),
        ("DEEP_ARCHIVE", "Bulk", 48 * HOUR_S),
        ("ARCHIVE_ACCESS", "Expedited", 300),
        ("DEEP_ARCHIVE_ACCESS", "Bulk", 48 * HOUR_S),
    ],
)
def test_a_restore_takes_as_long_as_its_tier_promises(sandbox: Sandbox, kind: str, tier: str, takes_s: int) -> None:
    days = None if kind in IN_TIER else 1
    if kind in IN_TIER:
        in_tier(sandbox, "a", kind)
    else:
        sandbox.put("a", x_amz_storage_class=kind)
    assert restore(sandbox, "a", tier, days) == 202
    sandbox.clock.second += takes_s - 1
    assert sandbox.head("a")["x-amz-restore"] == 'ongoing-request="true"'
    sandbox.refused("InvalidObjectState", "GET", "bbb", "a")
    sandbox.clock.second += 1
    assert sandbox("GET", "bbb", "a").status == 200
    told = sandbox.head("a").get("x-amz-restore", "")
    assert told.startswith('ongoing-request="false", expiry-date="') is (kind not in IN_TIER)


def test_what_is_not_archived_or_not_any_more_is_refused(sandbox: Sandbox) -> None:
    sandbox.put("plain")
    sandbox.put("instant", x_amz_storage_class="GLACIER_IR")
    assert refused(sandbox, "InvalidObjectState", "plain") == 403
    refused(sandbox, "InvalidObjectState", "instant")
    in_tier(sandbox, "tiered", "ARCHIVE_ACCESS")
    restore(sandbox, "tiered", "Expedited", None)
    assert refused(sandbox, "RestoreAlreadyInProgress", "tiered", "Bulk", None) == 409
    sandbox.clock.second += 300
    assert refused(sandbox, "ObjectAlreadyInActiveTierError", "tiered", "Standard", None) == 403


def test_a_tier_that_the_class_has_not_and_days_where_they_are_not_due(sandbox: Sandbox) -> None:
    sandbox.put("deep", x_amz_storage_class="DEEP_ARCHIVE")
    in_tier(sandbox, "tiered", "DEEP_ARCHIVE_ACCESS")
    refused(sandbox, "InvalidArgument", "deep", "Expedited")
    refused(sandbox, "InvalidArgument", "tiered", "Expedited", None)
    refused(sandbox, "InvalidRequest", "tiered", "Bulk", 3)
    refused(sandbox, "MalformedXML", "deep", "Bulk", None)
    refused(sandbox, "MalformedXML", "deep", "Bulk", 0)
    refused(sandbox, "MalformedXML", "deep", "Fast")


def test_expedited_restores_run_out(sandbox: Sandbox) -> None:
    sandbox.put("a", x_amz_storage_class="GLACIER")
    sandbox.account.expedited_available = False
    assert refused(sandbox, "GlacierExpeditedRetrievalNotAvailable", "a", "Expedited") == 503
    assert restore(sandbox, "a") == 202


def test_a_faster_tier_hurries_what_is_under_way_and_days_are_counted_anew_once_it_is_there(sandbox: Sandbox) -> None:
    sandbox.put("a", x_amz_storage_class="GLACIER")
    restore(sandbox, "a", "Bulk")
    refused(sandbox, "RestoreAlreadyInProgress", "a", "Bulk")
    assert restore(sandbox, "a", "Expedited") == 202
    sandbox.clock.second += 300
    before = sandbox.head("a")["x-amz-restore"]
    assert restore(sandbox, "a", "Bulk", 9) == 200
    assert sandbox.head("a")["x-amz-restore"] != before
    sandbox.clock.second += 8 * DAY_S
    assert sandbox("GET", "bbb", "a").status == 200
    sandbox.clock.second += 2 * DAY_S
    sandbox.refused("InvalidObjectState", "GET", "bbb", "a")
