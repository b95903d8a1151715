"""The table of states is whole, and docs/design.md shows it."""

from __future__ import annotations

from pathlib import Path

from engine.plan.lifecycle import ASIDE, FIRST, IN_FLIGHT, IN_PLACE, LEAVING, TRANSITIONS, State

DESIGN = Path(__file__).parents[3] / "docs" / "design.md"


def table_lines() -> list[str]:
    """The steps of the table as the page has them, in the order of the states."""
    order = list(State)
    steps = {"*new*": FIRST, **{state.value: TRANSITIONS[state] for state in order}}
    return [f"| {name} | {', '.join(state for state in order if state in after)} |" for name, after in steps.items()]


def test_the_design_shows_every_step_and_no_other() -> None:
    text = DESIGN.read_text(encoding="utf-8")
    shown = text.split("| state | may become |\n|---|---|\n", 1)[1].split("\n\n", 1)[0].split("\n")
    assert shown == table_lines()


def test_every_state_has_a_row_and_belongs_to_one_group() -> None:
    assert set(TRANSITIONS) == set(State)
    groups = [IN_FLIGHT, IN_PLACE, ASIDE, LEAVING]
    assert sorted(state for group in groups for state in group) == sorted(State)


def test_a_source_is_only_deleted_after_verification() -> None:
    assert [state for state in State if State.DELETING in TRANSITIONS[state]] == [State.VERIFIED]
    # A target that was read, or a lost one that stands again as it was proven, is no second delete.
    before = [State.DELETING, State.DELETED, State.LOST]
    assert [state for state in State if State.DELETED in TRANSITIONS[state]] == before


def test_whatever_was_set_aside_can_be_planned_again() -> None:
    assert all(State.PLANNED in TRANSITIONS[state] for state in ASIDE)
