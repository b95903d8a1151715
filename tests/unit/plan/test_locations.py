"""Locations are taken exactly as written."""

from __future__ import annotations

import pytest

from engine.errors import UsageError
from engine.model import Location
from engine.plan.locations import Around, covers, parse_location, problem_of_bucket, resolve_location


@pytest.mark.parametrize(
    ("text", "bucket", "key"),
    [
        ("s3://bucket", "bucket", ""),
        ("s3://bucket/", "bucket", ""),
        ("s3://bucket/data/", "bucket", "data/"),
        ("s3://bucket/data", "bucket", "data"),
        ("s3://bucket//x", "bucket", "/x"),
        ("s3://bucket/a%20b?versionId=1#c", "bucket", "a%20b?versionId=1#c"),
        ("s3://bucket/../x/./y//", "bucket", "../x/./y//"),
        ("s3://bucket/ é\n😀", "bucket", " é\n😀"),
        ("s3://Old_Bucket/x", "Old_Bucket", "x"),
        (
            "s3://arn:aws:s3:us-east-1:123456789012:accesspoint/name/a/b/",
            "arn:aws:s3:us-east-1:123456789012:accesspoint/name",
            "a/b/",
        ),
    ],
)
def test_a_location_is_its_bucket_and_the_key_as_it_stands(text: str, bucket: str, key: str) -> None:
    location = parse_location(text)
    assert (location.bucket, location.key) == (bucket, key)
    assert location.is_prefix == (key == "" or key.endswith("/"))


@pytest.mark.parametrize(
    "text", ["", "bucket/x", "/x", "S3://bucket/x", "http://x/y", "s3://", "s3:///x", "s3://a b/x"]
)
def test_what_is_no_complete_location_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_location(text)


def test_a_key_over_1024_bytes_is_refused_by_its_bytes_and_not_its_characters() -> None:
    assert parse_location("s3://bucket/" + "é" * 512).key == "é" * 512
    with pytest.raises(UsageError, match="1,026 bytes"):
        parse_location("s3://bucket/" + "é" * 513)


def test_a_key_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(UsageError, match="not valid UTF-8"):
        parse_location("s3://bucket/\udcff")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/x", Location("main", "x")),
        ("//x", Location("main", "/x")),
        ("x/", Location("main", "under/x/")),
        ("", Location("main", "under/")),
        (".x", Location("main", "under/.x")),
        ("s3://other/x", Location("other", "x")),
    ],
)
def test_short_forms_stand_in_the_plans_bucket_and_prefix(text: str, expected: Location) -> None:
    assert resolve_location(text, Around("main", "under/")) == expected


@pytest.mark.parametrize(
    "name",
    ["ab", "a" * 64, "-ab", "ab-", "a..b", "192.168.0.1", "a/b", "a:b", "ümlaut", "a b", "arn:aws:s3:::x", "x.mrap"],
)
def test_names_that_no_bucket_has_are_refused(name: str) -> None:
    assert problem_of_bucket(name)


@pytest.mark.parametrize("name", ["abc", "a.b-c.9", "a" * 63, "Old_Bucket", "OLD" * 60, "my-point-abc123-s3alias"])
def test_names_that_a_bucket_may_have_are_let_through(name: str) -> None:
    assert problem_of_bucket(name) == ""


def test_one_prefix_covers_what_is_under_it_and_not_its_look_alike() -> None:
    assert covers(Location("b", "data/raw/"), Location("b", "data/raw/x"))
    assert not covers(Location("b", "data/raw/"), Location("b", "data/raw2/"))
    assert not covers(Location("b", "data/raw"), Location("b", "data/raw/x"))
    assert not covers(Location("b", "data/"), Location("c", "data/x"))
