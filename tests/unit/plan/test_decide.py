"""What a run decides about each situation an object can be found in."""

from __future__ import annotations

import itertools

import pytest

from engine.model import ABSENT, ListedObject, OpaqueEtag, Overwrite, Proof
from engine.plan.concern import audited
from engine.plan.decide import Action, Choice, decide
from engine.plan.document import Plan
from engine.plan.gone import drift, ended, is_unread
from engine.plan.join import Joined
from engine.plan.lifecycle import FIRST, TRANSITIONS, State
from engine.plan.record import COMPARE, Entry

A, B, C = "a" * 32, "b" * 32, "c" * 32
OF_PARTS = f"{C}-2"
UNTIL = "2026-02-01T00:00:00.000Z"
NEVER, IF_DIFFERENT, ALWAYS = Overwrite.NEVER, Overwrite.IF_DIFFERENT, Overwrite.ALWAYS


def source(etag: str = A, size: int = 10, storage_class: str = "STANDARD", restore: str = "") -> ListedObject:
    return ListedObject("src/k", size, etag, "2026-01-01T00:00:00.000Z", storage_class, "", restore)


def target(etag: str = A, size: int = 10) -> ListedObject:
    return ListedObject("dst/k", size, etag, "2026-01-02T00:00:00.000Z")


def entry(state: State, *, etag: str = A, held: str = "", target_etag: str = "", size: int = 10) -> Entry:
    damaged = target_etag if state is State.DAMAGED else ""
    return Entry("k", size, etag, state, held, target_etag, Proof.NONE, damaged=damaged)


def test_a_new_object_is_copied_to_a_target_that_must_stay_absent() -> None:
    choice = decide(Joined("k", source(), None, None), NEVER)
    assert choice is not None
    assert (choice.action, choice.decision.state, choice.target_condition) == (Action.COPY, State.PLANNED, ABSENT)


def test_an_equal_target_is_found_and_not_copied() -> None:
    choice = decide(Joined("k", source(), target(), None), NEVER)
    assert choice is not None
    assert (choice.action, choice.decision.state, choice.decision.found) == (Action.RECORD, State.COPIED, True)
    assert choice.decision.target_etag == A


def test_another_content_under_never_is_a_conflict() -> None:
    choice = decide(Joined("k", source(), target(B), None), NEVER)
    assert choice is not None and choice.decision.state is State.CONFLICT
    assert "overwrite is never" in choice.decision.message


@pytest.mark.parametrize("policy", [IF_DIFFERENT, ALWAYS])
def test_another_content_is_replaced_only_while_it_is_what_was_seen(policy: Overwrite) -> None:
    choice = decide(Joined("k", source(), target(B), None), policy)
    assert choice is not None and (choice.action, choice.target_condition) == (Action.COPY, B)


def test_a_target_of_the_same_size_that_cannot_be_compared_is_looked_at_first() -> None:
    choice = decide(Joined("k", source(f"{A}-7"), target(B), None), NEVER)
    assert choice is not None and (choice.action, choice.target_condition) == (Action.INSPECT, B)


def test_an_archived_source_is_set_aside_until_it_is_restored() -> None:
    for storage_class in ("GLACIER", "DEEP_ARCHIVE"):
        choice = decide(Joined("k", source(storage_class=storage_class), None, None), NEVER)
        assert choice is not None and choice.decision.state is State.ARCHIVED
    restored = decide(Joined("k", source(storage_class="GLACIER", restore=UNTIL), None, None), NEVER)
    assert restored is not None and restored.action is Action.COPY
    instant = decide(Joined("k", source(storage_class="GLACIER_IR"), None, None), NEVER)
    assert instant is not None and instant.action is Action.COPY


@pytest.mark.parametrize("state", [State.COPIED, State.VERIFIED])
def test_a_copy_that_still_stands_costs_nothing(state: State) -> None:
    assert decide(Joined("k", source(), target(), entry(state, target_etag=A)), NEVER) is None


@pytest.mark.parametrize("state", [State.COPIED, State.VERIFIED])
def test_a_copy_whose_target_vanished_is_made_again(state: State) -> None:
    choice = decide(Joined("k", source(), None, entry(state, target_etag=A)), NEVER)
    assert choice is not None and (choice.action, choice.target_condition) == (Action.COPY, ABSENT)


@pytest.mark.parametrize("state", [State.COPIED, State.VERIFIED])
def test_a_copy_that_somebody_replaced_is_not_overwritten(state: State) -> None:
    choice = decide(Joined("k", source(), target(C, 11), entry(state, target_etag=A)), NEVER)
    assert choice is not None and choice.decision.state is State.CONFLICT


def test_a_source_that_changed_replaces_our_own_copy_and_nothing_else() -> None:
    ours = decide(Joined("k", source(B), target(A), entry(State.COPIED, target_etag=A)), NEVER)
    assert ours is not None and (ours.action, ours.target_condition) == (Action.COPY, A)
    theirs = decide(Joined("k", source(B), target(C), entry(State.COPIED, target_etag=A)), NEVER)
    assert theirs is not None and theirs.decision.state is State.CONFLICT


def test_an_intent_whose_copy_never_landed_is_carried_out() -> None:
    choice = decide(Joined("k", source(), None, entry(State.PLANNED)), NEVER)
    assert choice is not None and (choice.action, choice.target_condition) == (Action.COPY, ABSENT)


def test_an_intent_whose_copy_landed_is_ours_and_done() -> None:
    choice = decide(Joined("k", source(), target(), entry(State.PLANNED)), NEVER)
    assert choice is not None
    assert (choice.action, choice.decision.state, choice.decision.found) == (Action.RECORD, State.COPIED, False)


def test_an_intent_whose_target_cannot_be_told_apart_is_looked_at_and_copied_over_exactly_that() -> None:
    choice = decide(Joined("k", source(f"{A}-7"), target(B), entry(State.PLANNED, etag=f"{A}-7")), NEVER)
    assert choice is not None and (choice.action, choice.target_condition) == (Action.CLAIM, B)


def test_an_intent_whose_target_has_another_plain_etag_is_looked_at_before_it_is_claimed() -> None:
    choice = decide(Joined("k", source(), target(B), entry(State.PLANNED)), NEVER)
    assert choice is not None and (choice.action, choice.target_condition) == (Action.CLAIM, B)


def test_after_the_copies_a_source_that_is_not_what_was_copied_has_drifted() -> None:
    assert drift(Joined("k", source(), None, entry(State.COPIED, target_etag=A))) is None
    assert drift(Joined("k", source(B), None, entry(State.FAILED))) is None
    assert drift(Joined("k", None, None, entry(State.COPIED, target_etag=A))) is None
    found = drift(Joined("k", source(B), None, entry(State.COPIED, target_etag=A)))
    assert found is not None and (found.state, found.target_etag) == (State.DRIFTED, A)
    assert A in found.message and B in found.message


def test_an_intent_to_replace_ours_survives_a_crash() -> None:
    before = entry(State.PLANNED, etag=B, held=A, target_etag=A)
    choice = decide(Joined("k", source(B), target(A), before), NEVER)
    assert choice is not None and (choice.action, choice.target_condition) == (Action.COPY, A)


def test_an_intent_to_look_never_becomes_a_permission_to_overwrite() -> None:
    before = entry(State.PLANNED, etag=f"{A}-7", held=B)
    choice = decide(Joined("k", source(f"{A}-7"), target(B), before), NEVER)
    assert choice is not None and choice.action is Action.INSPECT


def test_something_else_that_appeared_during_an_intent_is_a_conflict() -> None:
    choice = decide(Joined("k", source(), target(C, 99), entry(State.PLANNED)), NEVER)
    assert choice is not None and choice.decision.state is State.CONFLICT


@pytest.mark.parametrize("state", [State.FAILED, State.CONFLICT, State.ARCHIVED, State.DRIFTED, State.DAMAGED])
def test_what_was_set_aside_is_decided_anew_by_the_next_run(state: State) -> None:
    choice = decide(Joined("k", source(), None, entry(state)), NEVER)
    assert choice is not None and choice.action is Action.COPY


def test_a_target_that_was_found_damaged_is_copied_anew_although_its_etag_says_nothing_of_it() -> None:
    """Its bytes were read and differ: the ETag is what it was."""
    choice = decide(Joined("k", source(), target(), entry(State.DAMAGED, target_etag=A)), NEVER)
    assert choice is not None and (choice.action, choice.target_condition) == (Action.COPY, A)
    foreign = decide(Joined("k", source(), target(), entry(State.DAMAGED, target_etag=B)), NEVER)
    assert foreign is not None and foreign.decision.state is State.COPIED  # someone put the right one there


@pytest.mark.parametrize("state", [State.PLANNED, State.COPYING, State.FAILED, State.ARCHIVED, State.DRIFTED])
def test_a_target_that_was_found_damaged_is_not_taken_while_no_copy_of_it_came_to_its_end(state: State) -> None:
    """Its ETag is the source's, or tells nothing of it; nor does the checksum that S3 keeps show the damage."""
    for etag in (A, OF_PARTS):
        ours = entry(State.DAMAGED, target_etag=etag)
        found = decide(Joined("k", source(), target(etag), ours), NEVER)
        assert found is not None
        undone = as_entry(found, ours)._replace(state=state)
        again = decide(Joined("k", source(), target(etag), undone), NEVER)
        assert again is not None and (again.action, again.target_condition) == (Action.COPY, etag)
        theirs = entry(State.DAMAGED, target_etag=etag)._replace(found=True)
        found = decide(Joined("k", source(), target(etag), theirs), IF_DIFFERENT)
        assert found is not None
        undone = as_entry(found, theirs)._replace(state=state)
        again = decide(Joined("k", source(), target(etag), undone), IF_DIFFERENT)
        assert again is not None and (again.action, again.target_condition) == (Action.COPY, etag)
        shut = decide(Joined("k", source(), target(etag), undone), NEVER)
        assert shut is not None and shut.decision.state is State.CONFLICT


@pytest.mark.parametrize("etag", [A, OF_PARTS])
def test_a_lost_answer_is_no_success_where_the_target_is_the_one_that_was_found_damaged(etag: str) -> None:
    """It was away for a while: what is there now is our copy, or the old one come back."""
    begun = entry(State.PLANNED)._replace(damaged=etag)
    choice = decide(Joined("k", source(), target(etag), begun), NEVER)
    assert choice is not None and (choice.action, choice.target_condition) == (Action.COPY, etag)


@pytest.mark.parametrize("state", [State.COPIED, State.VERIFIED])
def test_what_was_found_damaged_is_never_in_place(state: State) -> None:
    known = entry(state, target_etag=A)._replace(damaged=A, proof=Proof.DIGEST)
    choice = decide(Joined("k", source(), target(), known), NEVER)
    assert choice is not None and (choice.action, choice.target_condition) == (Action.COPY, A)
    end = ended(Joined("k", None, target(), known), Proof.NONE)
    assert end is not None and (end.state, "found damaged" in end.message) == (State.LOST, True)


@pytest.mark.parametrize("state", [State.PLANNED, State.FAILED, State.CONFLICT, State.ARCHIVED, State.DRIFTED])
@pytest.mark.parametrize("etag", [A, OF_PARTS])
def test_what_was_found_damaged_is_not_forgotten_with_its_source(state: State, etag: str) -> None:
    """Else the source that comes back would take it for its copy."""
    row = Joined("k", None, target(etag), entry(state)._replace(damaged=etag))
    end = ended(row)
    assert end is not None and end.state is State.LOST and end.state in TRANSITIONS[state]
    assert decide(row, NEVER) is None
    lost = entry(State.LOST)._replace(damaged=etag)
    assert (ended(row._replace(entry=lost)), decide(row._replace(entry=lost), NEVER)) == (None, None)
    back = decide(row._replace(source=source(), entry=lost), NEVER)
    assert back is not None and back.decision.state is State.CONFLICT
    gone = decide(row._replace(target=None, entry=lost), NEVER)
    assert gone is not None and gone.action is Action.FORGET


def test_what_was_missing_and_is_there_again_is_not_damaged() -> None:
    known = entry(State.DAMAGED, target_etag=A)._replace(damaged="")
    choice = decide(Joined("k", source(), target(), known), NEVER)
    assert choice is not None and choice.decision.state is State.COPIED


@pytest.mark.parametrize("policy", [NEVER, IF_DIFFERENT])
def test_what_was_found_in_place_is_compared_when_its_source_is_written_again(policy: Overwrite) -> None:
    """What it held when it was found is no decision to copy over it."""
    found = decide(Joined("k", source(), target(), None), policy)
    assert found is not None and found.decision.held == A
    drifted = as_entry(found)._replace(state=State.DRIFTED, found=True, source_modified=source().modified)
    touched = source()._replace(modified="2026-01-05T00:00:00.000Z")
    choice = decide(Joined("k", touched, target(), drifted), policy)
    assert choice is not None and (choice.action, choice.decision.found) == (Action.MEND, True)


def test_an_equal_target_that_may_not_be_copied_over_any_more_is_taken() -> None:
    """It was to be copied over under another policy, and not for any damage."""
    begun = decide(Joined("k", source(), target(), None), ALWAYS)
    assert begun is not None and begun.decision.held == A
    choice = decide(Joined("k", source(), target(), as_entry(begun)), NEVER)
    assert choice is not None and (choice.decision.state, choice.decision.found) == (State.COPIED, True)


@pytest.mark.parametrize("etag", [A, OF_PARTS])
def test_a_target_that_was_found_damaged_is_not_taken_for_a_source_that_came_back(etag: str) -> None:
    end = ended(Joined("k", None, target(etag), entry(State.DAMAGED, target_etag=etag)))
    assert end is not None and end.state is State.LOST
    lost = entry(State.LOST, target_etag=etag)._replace(proof=end.proof, damaged=etag)
    choice = decide(Joined("k", source(), target(etag), lost), NEVER)
    assert choice is not None and choice.decision.state is State.CONFLICT
    assert "written before its source was deleted" in choice.decision.message


def test_a_source_that_cleanup_is_deleting_is_left_to_cleanup() -> None:
    assert decide(Joined("k", source(), target(), entry(State.DELETING, target_etag=A)), NEVER) is None


def test_a_new_object_under_a_deleted_key_never_replaces_the_last_copy_of_the_old_one_unasked() -> None:
    row = Joined("k", source(B), target(A), entry(State.DELETED, target_etag=A))
    choice = decide(row, NEVER)
    assert choice is not None and choice.decision.state is State.CONFLICT
    assert "all that is left of it" in choice.decision.message
    again = decide(row._replace(entry=as_entry(choice)), NEVER)
    assert again is not None and again.decision.state is State.CONFLICT
    asked = decide(row, IF_DIFFERENT)
    assert asked is not None and (asked.action, asked.target_condition) == (Action.COPY, A)
    back = decide(row._replace(source=source(A)), NEVER)
    assert back is not None and (back.decision.state, back.decision.found) == (State.COPIED, False)


def as_entry(choice: Choice, before: Entry | None = None) -> Entry:
    """What the ledger holds after a decision."""
    done = choice.decision
    held = Entry(done.key, done.size, done.source_etag, done.state, done.held, done.target_etag, done.proof, done.found)
    return held._replace(damaged=before.damaged if before is not None else "")


def test_a_target_that_was_in_place_is_not_replaced_once_its_source_changes() -> None:
    found = decide(Joined("k", source(A), target(A), None), NEVER)
    assert found is not None and found.decision.found
    conflict = decide(Joined("k", source(B), target(A), as_entry(found)), NEVER)
    assert conflict is not None and conflict.decision.state is State.CONFLICT
    again = decide(Joined("k", source(C), target(A), as_entry(conflict)), NEVER)
    assert again is not None and again.decision.state is State.CONFLICT
    back = decide(Joined("k", source(A), target(A), as_entry(conflict)), NEVER)
    assert back is not None and (back.decision.state, back.decision.found) == (State.COPIED, True)


def test_a_target_that_was_in_place_and_is_damaged_is_a_conflict() -> None:
    """No run may copy it anew: it is said what may be done."""
    damaged = entry(State.DAMAGED, target_etag=A)._replace(found=True)
    choice = decide(Joined("k", source(A), target(A), damaged), NEVER)
    assert choice is not None and (choice.decision.state, choice.decision.found) == (State.CONFLICT, True)
    assert "found damaged" in choice.decision.message and "did not write" in choice.decision.message
    asked = decide(Joined("k", source(A), target(A), damaged), IF_DIFFERENT)
    assert asked is not None and (asked.action, asked.target_condition) == (Action.COPY, A)


def test_a_source_that_vanished_before_its_copy_is_drifted_and_later_forgotten() -> None:
    first = ended(Joined("k", None, None, entry(State.PLANNED)))
    assert first is not None and (first.state, first.code) == (State.DRIFTED, "SourceGone")
    second = decide(Joined("k", None, None, entry(State.DRIFTED)), NEVER)
    assert second is not None and second.action is Action.FORGET


@pytest.mark.parametrize("found", [False, True])
@pytest.mark.parametrize("state", [State.CONFLICT, State.ARCHIVED, State.FAILED])
def test_whose_target_a_newcomer_met_is_known_in_every_run(state: State, *, found: bool) -> None:
    before = entry(State.DELETED, target_etag=A)._replace(found=found)
    known = entry(state, etag=B, held=A, size=20)._replace(former=before)
    conflict = decide(Joined("k", source(B, 20), target(A), known), NEVER)
    assert conflict is not None and conflict.decision.state is State.CONFLICT
    assert "proven before its source was deleted, and perhaps all that is left of it" in conflict.decision.message
    assert (conflict.decision.target_etag, conflict.decision.found) == ("", False), "not ours"
    back = decide(Joined("k", source(A), target(A), known), NEVER)
    assert back is not None and (back.decision.state, back.decision.found) == (State.COPIED, found)
    other = decide(Joined("k", source(B, 20), target(C), known), NEVER)
    assert other is not None and "which this ledger did not write" in other.decision.message


@pytest.mark.parametrize("state", [State.VERIFIED, State.DELETING, State.DELETED])
def test_a_source_that_went_after_its_proof_changes_nothing(state: State) -> None:
    row = Joined("k", None, target(), entry(state, target_etag=A))
    assert (decide(row, NEVER), ended(row)) == (None, None)


@pytest.mark.parametrize(
    "state", [State.COPIED, State.DRIFTED, State.CONFLICT, State.FAILED, State.PLANNED, State.COPYING]
)
def test_a_source_that_went_before_its_proof_has_an_end_of_its_own(state: State) -> None:
    row = Joined("k", None, target(), entry(state, target_etag=A))
    end = ended(row)
    assert end is not None and decide(row, NEVER) is None
    assert (end.state, end.code, end.target_etag) == (State.WITHDRAWN, "SourceGone", A)
    assert ended(Joined("k", None, target(), entry(State.WITHDRAWN, target_etag=A))) is None


def test_a_proof_that_can_never_be_reached_any_more_is_withdrawn_too() -> None:
    row = Joined("k", None, target(), entry(State.VERIFIED, target_etag=A)._replace(proof=Proof.SIZE))
    end = ended(row, Proof.DIGEST)
    assert ended(row, Proof.SIZE) is None
    assert end is not None and (end.state, end.proof) == (State.WITHDRAWN, Proof.SIZE)


NO_MORE = (None, target(B), target(A, 11))


@pytest.mark.parametrize(
    ("state", "there"),
    [
        *itertools.product([State.DELETED, State.VERIFIED, State.COPIED], NO_MORE),
        *itertools.product([State.CONFLICT], NO_MORE[:2]),  # the size that is known there is another's
    ],
)
def test_a_target_that_no_source_is_left_for_is_lost(state: State, there: ListedObject | None) -> None:
    end = ended(Joined("k", None, there, entry(state, target_etag=A)._replace(proof=Proof.DIGEST)))
    assert end is not None and end.state is State.LOST and end.proof is Proof.DIGEST
    assert "nothing left to mend it from" in end.message


def test_a_target_is_not_lost_with_a_source_of_another_length_that_was_never_copied_over_it() -> None:
    found = entry(State.VERIFIED, target_etag=A)._replace(found=True)
    conflict = decide(Joined("k", source(B, 20), target(A), found), NEVER)
    assert conflict is not None and conflict.decision.state is State.CONFLICT
    end = ended(Joined("k", None, target(A), as_entry(conflict)))
    assert end is not None and (end.state, end.target_etag) == (State.WITHDRAWN, A)


RESTAMPED = ListedObject("dst/k", 10, OpaqueEtag("10-1-3-4"), "2026-01-02T00:00:00.000Z")


@pytest.mark.parametrize(
    "state", [State.DELETED, State.VERIFIED, State.COPIED, State.CONFLICT, State.LOST], ids=lambda state: state.value
)
def test_a_copy_that_bears_but_another_ctime_is_not_lost_before_it_is_read(state: State) -> None:
    row = Joined("k", None, RESTAMPED, entry(state, target_etag="10-1-2-4")._replace(proof=Proof.DIGEST))
    assert is_unread(row)
    assert (ended(row), decide(row, NEVER)) == (None, None)
    damaged = row._replace(entry=entry(State.VERIFIED, target_etag="10-1-2-4")._replace(damaged="10-1-2-4"))
    end = ended(damaged)
    assert end is not None and end.state is State.LOST


def test_what_was_found_damaged_is_lost_once_its_source_is_gone() -> None:
    end = ended(Joined("k", None, target(), entry(State.DAMAGED, target_etag=A)))
    assert end is not None and end.state is State.LOST
    again = Joined("k", None, target(), entry(State.LOST, target_etag=A))
    assert ended(again) is None  # its bytes were read and differ: that its ETag is right says nothing


def test_a_lost_target_that_stands_again_as_it_was_proven_is_lost_no_more() -> None:
    lost = entry(State.LOST, target_etag=A)._replace(proof=Proof.DIGEST)
    back = ended(Joined("k", None, target(), lost))
    assert back is not None and (back.state, back.proof) == (State.DELETED, Proof.DIGEST)
    assert ended(Joined("k", None, target(B), lost)) is None


TOUCHED = source()._replace(modified="2026-02-01T00:00:00.000Z")


def known(state: State = State.VERIFIED, **values: object) -> Entry:
    given = {"source_modified": source().modified} | values
    return entry(state, target_etag=A)._replace(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", [NEVER, IF_DIFFERENT, ALWAYS])
@pytest.mark.parametrize("state", [State.COPIED, State.VERIFIED, State.DRIFTED])
@pytest.mark.parametrize("found", [False, True])
def test_a_source_written_again_with_the_same_etag_is_looked_at(state: State, policy: Overwrite, found: bool) -> None:
    choice = decide(Joined("k", TOUCHED, target(), known(state, found=found)), policy)
    assert choice is not None and choice.action is Action.MEND
    assert (choice.target_condition, choice.decision.target_etag, choice.decision.found) == (A, A, found)
    assert (choice.decision.source_modified, choice.decision.properties) == (TOUCHED.modified, COMPARE)


def test_a_withdrawn_source_that_is_back_is_looked_at_whatever_its_moment() -> None:
    choice = decide(Joined("k", source(), target(), known(State.WITHDRAWN)), NEVER)
    assert choice is not None and choice.action is Action.MEND


def test_an_unchanged_source_costs_nothing_however_its_moment_is_written() -> None:
    for modified in (source().modified, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00", ""):
        assert decide(Joined("k", source(), target(), known(source_modified=modified)), NEVER) is None
    fraction = source()._replace(modified="2026-01-01T00:00:00.250Z")
    assert decide(Joined("k", fraction, target(), known()), NEVER) is None
    other = known(source_modified="2026-01-01T00:00:00.750Z")
    assert decide(Joined("k", fraction, target(), other), NEVER) is not None


def test_a_recorded_difference_is_mended_where_we_may_write() -> None:
    for found, policy in ((False, NEVER), (True, IF_DIFFERENT), (True, ALWAYS)):
        choice = decide(Joined("k", source(), target(), known(differs=True, found=found)), policy)
        assert choice is not None and choice.action is Action.MEND
    assert decide(Joined("k", source(), target(), known(differs=True, found=True)), NEVER) is None


def test_a_comparison_that_a_kill_cut_short_is_made_again() -> None:
    """The decision holds what the target held, and that it is ours; that nothing landed since is no agreement."""
    row = Joined("k", TOUCHED, target(), known())
    choice = decide(row, NEVER)
    assert choice is not None
    done = choice.decision
    left = Entry(
        "k", 10, A, done.state, done.held, done.target_etag, Proof.NONE, done.found, done.source_modified, differs=True
    )
    for state in (State.PLANNED, State.COPYING):
        again = decide(row._replace(entry=left._replace(state=state)), NEVER)
        assert again is not None and (again.action, again.decision.found) == (Action.MEND, False)


def test_a_copy_whose_answer_was_lost_is_compared_where_the_source_was_written_again() -> None:
    sent = entry(State.PLANNED)._replace(source_modified=source().modified)
    choice = decide(Joined("k", TOUCHED, target(), sent), NEVER)
    assert choice is not None and (choice.action, choice.decision.found) == (Action.MEND, False)
    upload = sent._replace(state=State.COPYING)
    choice = decide(Joined("k", TOUCHED, None, upload), NEVER)
    assert choice is not None and (choice.action, choice.target_condition) == (Action.MEND, ABSENT)


def test_a_source_written_again_is_seen_after_the_copies_too() -> None:
    changed = drift(Joined("k", TOUCHED, None, known(State.COPIED)))
    assert changed is not None and changed.code == "SourceTouched"


def test_an_extra_object_in_the_target_is_never_touched() -> None:
    assert decide(Joined("k", None, target(), None), ALWAYS) is None


SOURCES = [None, source(), source(B), source(storage_class="GLACIER"), source(f"{A}-3")]
TARGETS = [None, target(), target(B), target(C, 11)]
ENTRIES = [None] + [
    entry(state, etag=etag, held=held, target_etag=ours)
    for state in State
    for etag in (A, B)
    for held in ("", A)
    for ours in ("", A)
]


@pytest.mark.parametrize("policy", list(Overwrite))
def test_every_decision_is_a_legal_step_and_no_write_is_unguarded(policy: Overwrite) -> None:
    for src in SOURCES:
        for dst in TARGETS:
            for known in ENTRIES:
                choice = decide(Joined("k", src, dst, known), policy)
                if choice is None or choice.action is Action.FORGET:
                    continue
                steps = TRANSITIONS[known.state] if known else FIRST
                assert choice.decision.state in steps, (src, dst, known, choice)
                if choice.action in (Action.COPY, Action.CLAIM):
                    assert choice.target_condition == (dst.etag if dst else ABSENT)
                    foreign = dst is not None and not (known and known.target_etag == dst.etag)
                    if foreign and policy is NEVER:
                        # Only over what appeared while our own intent was open, and has our size.
                        assert known is not None and known.state in (State.PLANNED, State.COPYING)
                        assert src is not None and dst is not None and dst.size == src.size


def test_what_the_patterns_leave_out_of_the_target_is_no_concern_of_a_verification() -> None:
    (route,) = Plan.of("s3://bbb/old/", "s3://bbb/new/", name="r", exclude=("sub/*",)).routes
    rows = [Joined(key, None, target(), None) for key in ("a", "sub/b")]
    rows.append(Joined("sub/c", None, target(), entry(State.COPIED, target_etag=A)))
    assert [row.key for row in audited(route, rows)] == ["a", "sub/c"]


@pytest.mark.parametrize(
    ("policy", "digests", "action"),
    [
        (NEVER, True, Action.RECORD),  # a conflict
        (NEVER, False, Action.INSPECT),
        (IF_DIFFERENT, True, Action.COPY),
        (IF_DIFFERENT, False, Action.INSPECT),
        (ALWAYS, False, Action.COPY),
    ],
)
def test_etags_that_may_be_no_digests_tell_nothing_of_a_target_that_is_not_ours(
    policy: Overwrite, digests: bool, action: Action
) -> None:
    choice = decide(Joined("k", source(), target(B), None), policy, digests=digests)
    assert choice is not None and choice.action is action
    other_size = decide(Joined("k", source(), target(B, size=11), None), NEVER, digests=digests)
    assert other_size is not None and other_size.decision.state is State.CONFLICT


def misnames(key: str, size: int) -> tuple[str, str]:
    return "NameEmpty", f"{key!r} of {size} bytes can be no file's name"


@pytest.mark.parametrize("state", [None, *(state for state in State if state is not State.DELETING)])
@pytest.mark.parametrize("storage_class", ["STANDARD", "GLACIER"])
def test_what_can_be_no_file_is_decided_and_ends_at_once_whatever_was_known_of_it(
    state: State | None, storage_class: str
) -> None:
    known = entry(state) if state is not None else None
    choice = decide(Joined("k", source(storage_class=storage_class), None, known), NEVER, misnames=misnames)
    assert choice is not None and choice.ended is not None
    assert (choice.action, choice.decision.state, choice.decision.code) == (Action.RECORD, State.PLANNED, "")
    assert (choice.ended.state, choice.ended.code, choice.ended.requests) == (State.FAILED, "NameEmpty", 0)
    assert choice.ended.message == "'k' of 10 bytes can be no file's name"
    assert State.PLANNED in (FIRST if state is None else TRANSITIONS[state])


def test_what_stands_under_a_name_that_would_not_be_given_is_found_all_the_same() -> None:
    for row in (
        Joined("k", source(), target(), None),
        Joined("k", source(), target(B), entry(State.COPIED, target_etag=B)),
        Joined("k", source(), target(B), None),
        Joined("k", None, None, entry(State.FAILED)),
    ):
        assert decide(row, NEVER, misnames=misnames) == decide(row, NEVER)
    replaced = decide(Joined("k", source(), target(B), None), ALWAYS, misnames=misnames)
    assert replaced is not None and replaced.ended is not None
