"""What a plan counts of an object is what passes: requests of each kind, and bytes through this machine, each way."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model import FILE_SITE, GIB, MIB, ListedObject, Location
from engine.plan.estimate import RouteCounts, estimate
from engine.plan.route import PropertyRule, PropertyRules, Route
from engine.transfer.methods import Cost, cost_of

PLAIN, OF_PARTS = "d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e-7"
S3, OTHER = Location("bucket", "a/"), Location("bucket", "b/", "other")
FOLDER = Location("/tmp/x", "", FILE_SITE)


def cost(
    source: Location,
    target: Location,
    size: int,
    etag: str = PLAIN,
    checksum: str = "",
    *,
    copies: bool = False,
    **rules: Any,
) -> Cost:
    listed = ListedObject("a/k", size, etag, "2026-01-01T00:00:00Z", checksum=checksum)
    return cost_of(listed, Route("r", source, target, **rules), copies=copies)


def test_what_a_server_copies_passes_nowhere() -> None:
    assert cost(S3, OTHER, 9 * MIB, copies=True) == Cost(1, 0)


def test_what_goes_from_folder_to_folder_asks_no_server_and_leaves_this_machine_nowhere() -> None:
    assert cost(FOLDER, Location("/tmp/y", "", FILE_SITE), 9 * MIB) == Cost(0, 0)


def test_what_is_relayed_comes_and_goes() -> None:
    assert cost(S3, OTHER, 5) == Cost(1, 2, 5, 5)  # its bytes, and its tags, which no listing tells
    assert cost(S3, OTHER, 5, OF_PARTS, "CRC64NVME:FULL_OBJECT") == Cost(1, 2, 5, 5)  # in one piece, by its checksum


@pytest.mark.parametrize(
    "rules",
    [{"properties": PropertyRules(tags=PropertyRule.DROP)}, {"set_tags": (("a", "b"),)}, {"set_tags": ()}],
)
def test_tags_that_are_dropped_or_set_are_not_read(rules: dict[str, Any]) -> None:
    assert cost(S3, OTHER, 5, **rules) == Cost(1, 1, 5, 5)


@pytest.mark.parametrize(
    ("etag", "checksum", "writes", "reads"),
    [
        (PLAIN, "", 1, 3),  # one piece, so that its MD5 proves it
        (PLAIN, "CRC64NVME:FULL_OBJECT", 8 + 2, 8 + 2),
        (OF_PARTS, "", 7 + 2, 7 + 4),  # its own parts
        (OF_PARTS, "CRC64NVME:FULL_OBJECT", 8 + 2, 8 + 2),
    ],
)
def test_a_large_one_is_relayed_in_the_parts_that_prove_it(etag: str, checksum: str, writes: int, reads: int) -> None:
    size = 64 * MIB
    assert cost(S3, OTHER, size, etag, checksum) == Cost(writes, reads, size, size)


def test_a_download_comes_and_an_upload_goes() -> None:
    assert cost(S3, FOLDER, MIB) == Cost(0, 1, MIB, 0)
    assert cost(FOLDER, S3, MIB) == Cost(1, 0, 0, MIB)
    assert cost(FOLDER, S3, 64 * MIB) == Cost(8 + 2, 0, 0, 64 * MIB)


def test_what_leaves_aws_is_paid_for_by_the_gigabyte() -> None:
    counts = RouteCounts("r", 1, 2 * GIB, 1, 2 * GIB, in_bytes=2 * GIB, out_bytes=GIB, egress_bytes=2 * GIB)
    found = estimate([counts], hold_s=0)
    assert (found.in_bytes, found.out_bytes) == (2 * GIB, GIB)
    assert found.egress_dollars == pytest.approx(0.18)
