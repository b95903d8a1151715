"""Replication that passes on deletes is a reason of the gate where it reaches the other copies, and only there."""

from __future__ import annotations

import pytest

from engine.bucket_facts import BucketFacts
from engine.finish.gate import accepting, closed
from engine.finish.replication import replication_reason, spreading
from engine.model import Location, ReplicationRule

SOURCE, TARGET = Location("one", "data/"), Location("two", "data/")


@pytest.mark.parametrize(
    ("prefix", "source", "target"),
    [
        pytest.param("", "data/", "data/", id="the whole bucket"),
        pytest.param("da", "data/", "data/", id="a prefix that covers it"),
        pytest.param("data/raw/", "data/", "data/", id="a part of it"),
        pytest.param("data/", "data/", "data/raw/", id="a part of the targets"),
        pytest.param("", "", "project/", id="a key of the bucket under the targets"),
        pytest.param("data/", "data/a.bin", "data/a.bin", id="one key"),
        pytest.param("", "data/a.bin", "data/", id="one key under the targets"),
    ],
)
def test_a_rule_that_reaches_the_other_copies(prefix: str, source: str, target: str) -> None:
    rule = ReplicationRule("mirror", prefix, "two")
    assert spreading([rule], [Location("one", source)], [Location("two", target)]) == [rule]


@pytest.mark.parametrize(
    ("prefix", "to", "source", "target"),
    [
        pytest.param("", "three", "data/", "data/", id="another bucket"),
        pytest.param("logs/", "two", "data/", "data/", id="other keys are replicated"),
        pytest.param("", "two", "data/", "project/data/", id="the targets have other keys"),
        pytest.param("data/raw/", "two", "data/", "data/new/", id="another part of it"),
        pytest.param("", "two", "data/a.bin", "data/b.bin", id="another key"),
        pytest.param("data/a.bin.", "two", "data/a.bin", "data/a.bin", id="a prefix that is longer than the key"),
    ],
)
def test_a_rule_that_does_not(prefix: str, to: str, source: str, target: str) -> None:
    rule = ReplicationRule("mirror", prefix, to)
    assert spreading([rule], [Location("one", source)], [Location("two", target)]) == []


def test_an_access_point_may_be_any_bucket() -> None:
    rule = ReplicationRule("mirror", "", "two")
    assert spreading([rule], [SOURCE], [Location("shop-abcdefgh-s3alias", "data/")]) == [rule]


def test_it_is_accepted_for_exactly_the_rules_that_were_seen() -> None:
    facts = BucketFacts("one", "us-east-1", replication=(ReplicationRule("mirror", "da", "two", ("env=prod",)),))
    reason = replication_reason(facts, [SOURCE], [TARGET])
    assert not reason.open
    assert reason.sentence == (
        'one replicates what is deleted to where the other copies are: "mirror" (under "da", what is env=prod, to two)'
    )
    assert (reason.accept, reason.found) == ("replication.one", "mirror:da:two:env=prod")
    assert not closed(accepting([replication_reason(facts, [SOURCE], [TARGET])], {(reason.accept, reason.found)}))
    wider = BucketFacts("one", "us-east-1", replication=(ReplicationRule("mirror", "", "two", ("env=prod",)),))
    assert closed(accepting([replication_reason(wider, [SOURCE], [TARGET])], {(reason.accept, reason.found)}))


def test_what_may_not_be_read_is_not_none() -> None:
    facts = BucketFacts("one", "us-east-1", replication=None, causes=(("replication", "access denied"),))
    reason = replication_reason(facts, [SOURCE], [TARGET])
    assert not reason.open
    assert reason.sentence.endswith("is not known: access denied")
    assert (reason.accept, reason.found) == ("replication.one", "unknown")
    assert not closed(accepting([replication_reason(facts, [SOURCE], [TARGET])], {("replication.one", "unknown")}))
