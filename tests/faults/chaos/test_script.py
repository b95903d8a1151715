"""A seed of chaos can be replayed: what is done, by whom and when, is drawn from it alone."""

from __future__ import annotations

import pytest

from tests.faults.chaos.script import Attack, script_of


@pytest.mark.parametrize("seed", [1, 7, 1_000_003])
def test_a_seed_stands_for_one_script(seed: int) -> None:
    assert script_of(seed) == script_of(seed)
    assert script_of(seed) != script_of(seed + len(Attack))


def test_as_many_seeds_in_a_row_as_there_are_attacks_meet_each_of_them() -> None:
    assert [script_of(seed).attack for seed in range(len(Attack))] == list(Attack)
