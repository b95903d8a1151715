"""The bucket policy for a colleague: it gives what is under one prefix, and nothing beside it."""

from __future__ import annotations

import pytest

from engine.errors import UsageError
from engine.plan.permissions import bucket_policy

ANA = "arn:aws:iam::123456789012:user/ana"


def test_a_prefix_may_be_read_and_listed_and_nothing_else() -> None:
    document = bucket_policy("s3://cards/project/", ANA).document
    assert document["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"AWS": ANA},
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::cards/project/*",
        },
        {
            "Effect": "Allow",
            "Principal": {"AWS": ANA},
            "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::cards",
            "Condition": {"StringLike": {"s3:prefix": ["project/*"]}},
        },
    ]


def test_one_exact_key_may_be_read_and_nothing_listed() -> None:
    (only,) = bucket_policy("s3://cards/model.tar.gz", ANA).document["Statement"]
    assert (only["Action"], only["Resource"]) == ("s3:GetObject", "arn:aws:s3:::cards/model.tar.gz")


def test_a_whole_bucket_is_listed_without_a_condition() -> None:
    get, listing = bucket_policy("s3://cards/", ANA).document["Statement"]
    assert get["Resource"] == "arn:aws:s3:::cards/*"
    assert "Condition" not in listing


def test_what_a_policy_reads_as_a_pattern_stands_for_itself() -> None:
    get, listing = bucket_policy("s3://cards/a*b?/$c/", ANA).document["Statement"]
    assert get["Resource"] == "arn:aws:s3:::cards/a${*}b${?}/${$}c/*"
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["a${*}b${?}/${$}c/*"]}}


@pytest.mark.parametrize(
    "reader",
    [
        "arn:aws:iam::123456789012:root",
        "arn:aws:iam::123456789012:role/team/reads",
        "arn:aws:sts::123456789012:assumed-role/reads/ana",
        "arn:aws:iam:::user/ana",  # Ceph's gateway, for a user without a tenant
    ],
)
def test_whoever_can_be_named_may_read(reader: str) -> None:
    assert bucket_policy("s3://cards/p/", reader).document["Statement"][0]["Principal"] == {"AWS": reader}


def test_buckets_are_in_the_partition_of_who_reads() -> None:
    get, _ = bucket_policy("s3://cards/p/", "arn:aws-cn:iam::123456789012:user/ana").document["Statement"]
    assert get["Resource"] == "arn:aws-cn:s3:::cards/p/*"


@pytest.mark.parametrize("reader", ["*", "arn:aws:iam::123456789012:user/*", "ana", "arn:aws:s3:::cards", ""])
def test_nobody_and_everybody_is_refused(reader: str) -> None:
    with pytest.raises(UsageError, match="is not the ARN of one who reads"):
        bucket_policy("s3://cards/p/", reader)


@pytest.mark.parametrize("where", ["arn-alias-s3alias", "arn:aws:s3:us-east-1:123456789012:accesspoint/own"])
def test_an_access_point_has_a_policy_of_its_own(where: str) -> None:
    with pytest.raises(UsageError, match="is no bucket's"):
        bucket_policy(f"s3://{where}/p/", ANA)


def test_what_it_does_not_give_is_said() -> None:
    said = " ".join(bucket_policy("s3://cards/p/", ANA).notes)
    for what in ("s3:GetObjectVersion", "kms:Decrypt", "another account", "replaces all of it"):
        assert what in said
