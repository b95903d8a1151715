"""What became of an object, as the ledger keeps it."""

from __future__ import annotations

import pytest

from engine.errors import Conflict
from engine.model import ListedObject
from engine.transfer.carrier import Task, outcome_of
from tests.unit.transfer.scene import ROUTE

TASK = Task(ROUTE, "k", ListedObject("old/k", 1, "etag", ""), "*")


@pytest.mark.parametrize("message", ["another process is writing this file", "another process is writing this file."])
def test_what_went_wrong_and_what_to_do_about_it_are_two_sentences(message: str) -> None:
    told = outcome_of(TASK, Conflict(message, operation="PutObject", advice="Wait for the other run to end."))
    assert told.message == "another process is writing this file. Wait for the other run to end."


def test_without_advice_it_is_as_it_was_said() -> None:
    assert outcome_of(TASK, Conflict("access denied", operation="PutObject")).message == "access denied"
