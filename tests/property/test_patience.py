"""Whatever S3 answers and however slowly: a request ends, and none of its attempts begins later than is stated."""

from __future__ import annotations

import random

from hypothesis import example, given
from hypothesis import strategies as st

from engine.errors import Ambiguous, Conflict, CredentialsExpired, NameNotFound, StoreError, Throttled, Unavailable
from engine.sites.patience import MOST_RENEWALS, RetryPolicy, Trouble, next_step
from engine.store import CompleteUpload, CopyObject, CopyPart, DeleteObject, HeadObject, Request

POLICY = RetryPolicy(base_s=2.0)
"""Delays that are long for their number, so that the longest sequence is short enough to try."""

REQUESTS = [CopyObject, HeadObject, DeleteObject, CompleteUpload, CopyPart]

ERRORS: list[StoreError] = [
    Throttled("slow down", operation="x"),
    Throttled("slow down", operation="x", retry_after_s=1e9),
    Unavailable("refused", operation="x"),
    NameNotFound("not found", operation="x"),
    Ambiguous("reset", operation="x"),
    Conflict("409", operation="x"),
    CredentialsExpired("expired", operation="x"),
]

ATTEMPT = st.tuples(st.sampled_from(ERRORS), st.sampled_from([0.0, 0.5, 11.0, 70.0, 900.0]), st.booleans())
"""How an attempt fails, after how many seconds, and whether it was signed with fresh credentials."""


class Least(random.Random):
    """The shortest of all delays, each time."""

    def uniform(self, a: float, b: float) -> float:
        return a


@given(st.sampled_from(REQUESTS), st.lists(ATTEMPT, min_size=1, max_size=12), st.booleans(), st.booleans())
@example(HeadObject, [(ERRORS[0], 0.0, False), (ERRORS[2], 0.0, False)], True, True)
@example(HeadObject, [(ERRORS[6], 11.0, False)], True, True)
@example(CopyObject, [(ERRORS[6], 0.0, False), (ERRORS[0], 0.0, False)], True, True)
def test_a_request_always_ends_within_its_total(
    request: type[Request], cycle: list[tuple[StoreError, float, bool]], answered: bool, shortest: bool
) -> None:
    """The server goes through `cycle` again and again."""
    jitter = Least() if shortest else random.Random(7)
    total_s = POLICY.delete_give_up_after_s if request.deletes else POLICY.total_s
    trouble: Trouble | None = None
    now_s = 1e6
    first_failure_s = None
    turn = renewals = unknown = 0
    while True:
        error, takes_s, fresh = cycle[turn % len(cycle)]
        turn += 1
        now_s += takes_s
        first_failure_s = now_s if first_failure_s is None else first_failure_s
        trouble, step = next_step(POLICY, request, trouble, error, now_s, jitter, answered=answered, fresh=fresh)
        if step is None:
            return
        renewals += step.renew
        if isinstance(error, Ambiguous | Conflict):
            unknown += 1
            assert request.harmless_twice or request is CopyObject
        now_s += step.delay_s
        assert now_s - first_failure_s <= total_s + 1e-6
        assert renewals <= MOST_RENEWALS
        assert unknown < POLICY.attempts
        assert turn < POLICY.total_s / (POLICY.base_s / 10) + MOST_RENEWALS


@given(st.lists(st.sampled_from([ERRORS[0], ERRORS[2]]), min_size=1, max_size=8))
def test_each_trouble_has_its_own_patience_which_the_other_does_not_give_back(cycle: list[StoreError]) -> None:
    trouble: Trouble | None = None
    now_s, turn = 0.0, 0
    while True:
        error = cycle[turn % len(cycle)]
        turn += 1
        trouble, step = next_step(POLICY, CopyObject, trouble, error, now_s, random.Random(turn))
        if step is None:
            break
        now_s += step.delay_s
    used_up = (
        trouble.throttled_s - POLICY.throttled_give_up_after_s
        if isinstance(error, Throttled)
        else trouble.outage_s - POLICY.give_up_after_s
    )
    assert -0.01 <= used_up <= 0.01
    assert trouble.throttled_s <= POLICY.throttled_give_up_after_s + 0.01
    assert trouble.outage_s <= POLICY.give_up_after_s + 0.01
