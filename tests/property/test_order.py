"""What stands before a key, in the order of keys."""

from __future__ import annotations

from hypothesis import assume, example, given
from hypothesis import strategies as st

from engine.plan.order import just_before

KEYS = st.text(st.sampled_from("\0\1ab/\u00e9\ud7ff\ue000\U0001f600\U0010fffe\U0010ffff"), max_size=4)


@given(KEYS, KEYS)
@example("b", "a\U0010ffffa")
def test_between_a_key_and_what_stands_just_before_it_are_only_keys_that_begin_with_that(key: str, other: str) -> None:
    before = just_before(key)
    assume(before is not None)
    assert before is not None and before.encode() < key.encode()
    if before.encode() < other.encode() < key.encode():
        assert other.startswith(before)
        assert before.endswith("\U0010ffff")


def test_nothing_stands_before_the_empty_key() -> None:
    assert just_before("") is None
