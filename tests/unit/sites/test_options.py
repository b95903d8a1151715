"""What options may say is decided where they are made: a word that there is not would be taken for another."""

from __future__ import annotations

from typing import Any

import pytest

from engine.api.options import Options
from engine.errors import UsageError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"durability": "Object"}, "durability is 'Object', and takes 'none' or 'object'."),
        ({"links": "Follow"}, "links is 'Follow', and takes None, 'skip', 'follow' or 'keep'."),
        ({"store": "Wire"}, "store is 'Wire', and takes 'wire' or 'boto'."),
        ({"assume": "AWS"}, "assume is 'AWS', and takes '' or 'aws'."),
        ({"request_payer": True}, "request_payer is True, and takes None or 'requester'."),
        ({"concurrency": 0}, "concurrency is 0, and has to be at least 1."),
        ({"max_rps": 0}, "max_rps is 0, and has to be above 0."),
        ({"max_rps": float("nan")}, "max_rps is nan, and has to be above 0."),
        ({"give_up_after_s": -1}, "give_up_after_s is -1, and must not be below 0."),
    ],
)
def test_an_option_takes_nothing_that_it_does_not_know(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        Options(**given)
    assert str(refused.value) == said


def test_an_option_takes_each_of_its_words() -> None:
    for given in (
        {"durability": "none", "links": "keep", "store": "boto", "assume": "aws", "request_payer": "requester"},
        {"concurrency": 1, "max_rps": 0.1, "give_up_after_s": 0},
    ):
        assert Options(**given)


def test_how_long_to_wait_counts_for_an_endpoint_that_never_answered_too() -> None:
    """It is what the error advises to say."""
    assert (Options().patience.first_answer_s, Options().patience.give_up_after_s) == (15.0, 300.0)
    for seconds in (2.0, 120.0):
        patience = Options(give_up_after_s=seconds).patience
        assert (patience.first_answer_s, patience.give_up_after_s) == (seconds, seconds)
