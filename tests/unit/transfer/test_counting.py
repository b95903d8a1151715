"""What a run says that it wrote over."""

from __future__ import annotations

import pytest

from engine.api.returning import _going_on
from engine.events import Event, Progress
from engine.model import ListedObject
from engine.plan.lifecycle import State
from engine.plan.record import Outcome
from engine.transfer.carrier import Task
from engine.transfer.counting import Counters
from engine.transfer.methods import Method
from tests.unit.transfer.scene import ROUTE

SOURCE = ListedObject("old/k", 3, "ours", "2026-01-01T10:00:00Z")
OVER = ListedObject("new/k", 4, "theirs", "2026-01-01T10:00:01Z")


@pytest.mark.parametrize(
    ("outcome", "replaced"),
    [
        (Outcome("k", State.COPIED, "ours", method=Method.COPY), 1),
        (Outcome("k", State.FAILED, "other", method=Method.COPY, code="DigestMismatch"), 1),  # it is there, and differs
        (Outcome("k", State.FAILED, code="AccessDenied"), 0),
        (Outcome("k", State.CONFLICT, code="TargetChanged"), 0),
        (Outcome("k", State.COPIED, "theirs", method="found"), 0),
        (Outcome("k", State.COPIED, "theirs", method=Method.TAGS), 0),
    ],
)
def test_what_was_written_over_is_counted_whatever_became_of_the_copy(outcome: Outcome, replaced: int) -> None:
    counters = Counters()
    counters.add(Task(ROUTE, "k", SOURCE, OVER.etag, over=OVER), outcome)
    assert (counters.replaced, counters.replaced_newer) == (replaced, replaced)
    assert counters.first_replaced == ["k"] * replaced


def test_while_what_came_back_from_the_archive_is_copied_no_figure_falls() -> None:
    told: list[Event] = []
    before = Counters(listed=9, done=8, copied=5, replaced=4, replaced_newer=2)
    _going_on(told.append, before)(Progress(copied=1, replaced=1))
    (now,) = told
    assert isinstance(now, Progress) and (now.copied, now.replaced, now.replaced_newer) == (6, 5, 2)
