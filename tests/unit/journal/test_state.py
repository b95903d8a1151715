"""A plan's journals are kept where none of its routes reads or writes, whatever site and bucket are called there."""

from __future__ import annotations

import pytest

from engine.bucket_facts import BucketFacts
from engine.journal.state import problems_of
from engine.model import Location
from engine.plan.locations import state_of
from engine.plan.route import Route

AWS = "https://s3.eu-west-1.amazonaws.com"
ELSEWHERE = "http://127.0.0.1:9000"
FREE = Location("target", "b/", "other")


@pytest.mark.parametrize(
    ("source", "other", "refused"),
    [
        (Location("kept", ""), "", True),
        (Location("kept", "state/p/"), "", True),
        (Location("kept", "data/"), "", False),
        (Location("kept", "", "other"), AWS, True),
        (Location("kept", "", "other"), ELSEWHERE, False),
        (Location("arn:aws:s3:eu-west-1:123456789012:accesspoint/ours", ""), "", True),
        (Location("/kept", "", "file"), "", False),
    ],
)
def test_a_state_does_not_lie_in_what_a_route_moves(source: Location, other: str, refused: bool) -> None:
    place = state_of("s3://kept/state/", "p")
    facts = BucketFacts("kept", "eu-west-1")
    found = problems_of(place, [Route("raw", source, FREE)], facts, {"": "", "other": other})
    lies = "may lie, as an access point hides its bucket," if source.bucket.startswith("arn:") else "lies"
    assert found == ([f'it {lies} in {source}, which the route "raw" moves'] if refused else [])
