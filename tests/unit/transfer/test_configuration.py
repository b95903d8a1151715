"""Which uploads are of an older configuration of their bucket than it has now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.bucket_facts import BucketFacts
from engine.transfer.configuration import brought_up_to_date, outdated_before


def facts(encryption: str | None, versioning: str | None = "") -> BucketFacts:
    return BucketFacts("bkt", "us-east-1", versioning=versioning, encryption=encryption)


@pytest.mark.parametrize(
    ("seen", "since_ms"),
    [
        ([facts("AES256")], 0),
        ([facts("AES256"), facts("AES256")], 0),
        ([facts("AES256"), facts("aws:kms key-1")], 2),
        ([facts("aws:kms key-1"), facts("aws:kms key-2"), facts("aws:kms key-2")], 2),
        ([facts("AES256"), facts("AES256", "Enabled")], 2),
        ([facts("AES256"), facts(None, None), facts("AES256")], 0),
        ([facts("AES256"), facts(None, None), facts("aws:kms key-1")], 3),
        ([facts(None, None), facts("AES256")], 0),
    ],
)
def test_a_change_is_dated_by_the_run_that_sees_it(seen: list[BucketFacts], since_ms: int) -> None:
    note = None
    for now_ms, bucket in enumerate(seen, 1):
        note = brought_up_to_date(note, [bucket], now_ms)
    assert note is not None
    assert outdated_before(note) == {"bkt": since_ms}


def test_a_bucket_that_is_not_asked_about_keeps_what_is_noted() -> None:
    older = {"other": {"encryption": "AES256", "versioning": "", "since_ms": 7}}
    assert outdated_before(brought_up_to_date(older, [facts("AES256")], 9)) == {"other": 7, "bkt": 0}


def test_buckets_of_one_name_at_two_sites_change_each_by_itself() -> None:
    sites = [BucketFacts("bucket", "", encryption="none"), BucketFacts("bucket", "", encryption="kms", site="near")]
    note = brought_up_to_date(None, sites, 100)
    note = brought_up_to_date(note, [sites[0], replace(sites[1], encryption="other")], 200)
    assert outdated_before(note) == {"bucket": 0, "near:bucket": 200}
