"""The judge of the chaos test: each thing that must never happen is found, and what users may do is not held against
anybody. Events are made by hand; the times are seconds."""

from __future__ import annotations

import pytest

from engine.model import ObjectRef
from engine.sandbox.judge import LOOK_S, MARGIN_S, Change, Claim, Event, Figures, Finding, Held, Look, Rule, Shown, Side
from engine.sandbox.judge import judged as judged_by

ROUTES = [(Side("old", "data/"), Side("new", "set/"))]
SOURCE, TARGET = ObjectRef("old", "data/a"), ObjectRef("new", "set/a")
OTHER = ObjectRef("old", "data/b")

FIRST = Held("first", "e1", 100, (("Content-Type", "text/plain"),), (("k", "v"),))
SECOND = FIRST._replace(content="second", etag="e2", modified=101)
RETYPED = FIRST._replace(modified=102, kept=(("Content-Type", "image/png"),))
RETAGGED = FIRST._replace(tags=(("k", "w"),))


def judged(*events: Event) -> tuple[list[Finding], Figures]:
    return judged_by(ROUTES, ["here", "there"], events)


def rules(*events: Event) -> list[Rule]:
    return [finding.rule for finding in judged(*events)[0]]


def put(at_s: float, place: ObjectRef, held: Held, by: str = "user", operation: str = "PutObject") -> Change:
    return Change(at_s, at_s, by, operation, place, held._replace(author=by))


def copied(at_s: float, held: Held = FIRST, by: str = "here") -> Change:
    return put(at_s, TARGET, held, by, "CopyObject")


def gone(at_s: float, place: ObjectRef, by: str = "user", *, took_s: float = 0.0) -> Change:
    return Change(at_s, at_s - took_s, by, "DeleteObjects", place, None)


def seen(at_s: float, place: ObjectRef, by: str = "here", shown: Shown = Shown.HEAD) -> Look:
    return Look(at_s, by, place.bucket, place.key, place.key, shown)


def claim(at_s: float, etags: tuple[str, str] = ("e1", "e1"), *, since_s: float = 0.0, agrees: bool = False) -> Claim:
    return Claim(at_s, since_s, "here", SOURCE, etags[0], TARGET, etags[1], agrees)


MOVED = (put(1, SOURCE, FIRST), copied(2))


def test_a_proven_source_that_goes_after_a_look_at_its_target_is_nothing_to_find() -> None:
    findings, figures = judged(*MOVED, seen(10, TARGET), gone(10.25, SOURCE, "here"))
    assert findings == []
    assert (figures.deleted, figures.copied, figures.by_users, figures.gaps_s) == (1, 1, 1, [0.25])


# --- on neither side ---


def test_a_source_deleted_while_its_target_holds_nothing_is_found() -> None:
    # A user took the target away, which a look after it has shown.
    events = (*MOVED, gone(9, TARGET), seen(10, TARGET), gone(10.1, SOURCE, "here"))
    assert rules(*events) == [Rule.LOST]


def test_a_source_deleted_while_its_target_holds_other_bytes_is_found() -> None:
    assert rules(*MOVED, put(9, TARGET, SECOND), seen(10, TARGET), gone(10.1, SOURCE, "here")) == [Rule.LOST]


def test_a_source_replaced_in_the_last_moment_and_deleted_all_the_same_is_found() -> None:
    assert rules(*MOVED, seen(10, TARGET), put(10.05, SOURCE, SECOND), gone(10.1, SOURCE, "here")) == [Rule.LOST]


@pytest.mark.parametrize(("looked_s", "found"), [(10, []), (7, [Rule.LOST])])
def test_where_the_server_has_no_conditions_a_look_at_the_source_itself_has_to_be_fresh(
    looked_s: float, found: list[Rule]
) -> None:
    looks = (seen(looked_s, SOURCE), put(10.05, SOURCE, SECOND), seen(10.1, TARGET))
    findings, figures = judged_by(ROUTES, ["here"], (*MOVED, *looks, gone(10.2, SOURCE, "here")), conditional=False)
    assert [item.rule for item in findings] == found
    assert figures.in_gap == (not found)


def test_two_machines_that_each_look_and_then_delete_are_found() -> None:
    # Both looks are fresh and were true; S3 has no condition on another object, and a claim has to keep them apart.
    events = (
        seen(10, TARGET, "here"), seen(10, SOURCE, "there"),
        gone(10.1, SOURCE, "here"), gone(10.2, TARGET, "there"),
    )  # fmt: skip
    findings, figures = judged(*MOVED, *events)
    assert [(item.rule, item.by, item.place) for item in findings] == [(Rule.LOST, "there", TARGET)]
    assert figures.in_gap == 0


def test_what_a_user_takes_between_a_fresh_look_and_the_delete_is_counted_and_not_held_against_the_machine() -> None:
    findings, figures = judged(*MOVED, seen(10, TARGET), gone(10.1, TARGET), gone(10.2, SOURCE, "here"))
    assert (findings, figures.in_gap) == ([], 1)


def test_a_page_that_shows_what_has_gone_to_who_asked_for_other_keys_takes_nothing_from_the_gap() -> None:
    page = Look(10.15, "here", "new", "set/", "set/z", Shown.LISTED)
    events = (seen(10, TARGET), put(10.1, TARGET, SECOND), page, gone(10.2, SOURCE, "here"))
    findings, figures = judged(*MOVED, *events)
    assert (findings, figures.in_gap) == ([], 1)


def test_the_gap_excuses_nothing_that_an_old_look_has_missed() -> None:
    events = (*MOVED, seen(10, TARGET), gone(11, TARGET), gone(14, SOURCE, "here"))
    assert rules(*events) == [Rule.UNSEEN, Rule.LOST]


def test_a_target_removed_while_its_source_holds_nothing_is_found() -> None:
    assert rules(*MOVED, gone(9, SOURCE), seen(10, SOURCE), gone(10.1, TARGET, "here")) == [Rule.LOST]


def test_users_may_delete_both_sides() -> None:
    assert rules(*MOVED, gone(9, SOURCE), gone(10, TARGET)) == []


# --- not looked at ---


@pytest.mark.parametrize(
    ("looked_s", "found"), [(10 - LOOK_S, []), (10 - LOOK_S - MARGIN_S - 0.01, [Rule.UNSEEN]), (None, [Rule.UNSEEN])]
)
def test_a_delete_needs_a_look_at_the_other_side_within_two_seconds(looked_s: float | None, found: list[Rule]) -> None:
    looks = [seen(looked_s, TARGET)] if looked_s is not None else []
    assert rules(*MOVED, *looks, gone(10, SOURCE, "here")) == found


def test_the_age_of_a_look_ends_when_the_delete_arrives_and_not_when_it_is_carried_out() -> None:
    assert rules(*MOVED, seen(10, TARGET), gone(14, SOURCE, "here", took_s=3.5)) == []


def test_the_look_of_another_machine_does_not_count() -> None:
    assert rules(*MOVED, seen(10, TARGET, "there"), gone(10.1, SOURCE, "here")) == [Rule.UNSEEN]


@pytest.mark.parametrize(("first", "last", "found"), [("set/", "set/z", []), ("set/b", "set/z", [Rule.UNSEEN])])
def test_a_page_of_a_listing_is_a_look_at_every_key_between_its_ends(first: str, last: str, found: list[Rule]) -> None:
    page = Look(10, "here", "new", first, last, Shown.LISTED)
    assert rules(*MOVED, page, gone(10.1, SOURCE, "here")) == found


# --- what is not the plan's ---


def test_a_delete_outside_of_every_route_is_found_and_one_of_an_own_object_is_not() -> None:
    stray, own = ObjectRef("old", "other/a"), ObjectRef("new", "set/.cartage-probe-1")
    events = (put(1, stray, FIRST), put(2, own, SECOND, "here"), gone(3, own, "here"), gone(4, stray, "here"))
    findings, figures = judged(*events)
    assert [(item.rule, item.place) for item in findings] == [(Rule.STRAY, stray)]
    assert figures.deleted == 1


def test_what_a_user_wrote_is_not_written_over() -> None:
    assert rules(put(1, SOURCE, FIRST), put(2, TARGET, SECOND), copied(3)) == [Rule.OVERWRITTEN]


def test_a_machine_may_write_over_what_a_machine_brought_whatever_users_did_to_its_tags() -> None:
    retagged = put(3, TARGET, RETAGGED, operation="PutObjectTagging")
    assert rules(*MOVED, retagged, put(4, SOURCE, SECOND), copied(5, SECOND)) == []


# --- what goes with the content ---


def stripped(*between: Event) -> tuple[list[Finding], Figures]:
    return judged(*MOVED, *between, seen(20, TARGET), gone(20.1, SOURCE, "here"))


def test_a_source_whose_metadata_changed_and_that_was_listed_since_is_not_deleted() -> None:
    page = Look(12, "here", "old", "data/", "data/z", Shown.LISTED)
    assert [item.rule for item in stripped(put(10, SOURCE, RETYPED), page)[0]] == [Rule.STRIPPED]


def test_new_tags_are_known_only_to_who_asked_for_them() -> None:
    retagged = put(10, SOURCE, RETAGGED, operation="PutObjectTagging")
    findings, figures = stripped(retagged, seen(12, SOURCE))
    assert (findings, figures.changed_unseen) == ([], 1)
    findings, figures = stripped(retagged, seen(12, SOURCE, shown=Shown.TAGS))
    assert ([item.rule for item in findings], figures.changed_unseen) == ([Rule.STRIPPED], 0)


def test_a_target_that_was_found_without_the_metadata_is_known_to_differ() -> None:
    found = (put(1, SOURCE, FIRST), put(2, TARGET, RETYPED))
    page = Look(5, "here", "new", "set/", "set/z", Shown.LISTED)
    assert rules(*found, page, seen(9.5, TARGET), gone(10, SOURCE, "here")) == [Rule.STRIPPED]


def test_what_a_user_changes_of_a_copy_is_known_only_to_who_asks_for_it() -> None:
    page = Look(12, "here", "new", "set/", "set/z", Shown.LISTED)
    findings, figures = stripped(put(10, TARGET, RETYPED), page)
    assert (findings, figures.changed_unseen) == ([], 1)
    assert [item.rule for item in stripped(put(10, TARGET, RETYPED), seen(12, TARGET))[0]] == [Rule.STRIPPED]


def test_the_looks_of_the_last_two_seconds_are_for_what_is_there_at_all() -> None:
    findings, figures = stripped(put(18.5, SOURCE, RETYPED), seen(19, SOURCE))
    assert (findings, figures.changed_unseen) == ([], 1)


def test_a_copy_may_be_taken_back_whatever_goes_with_it() -> None:
    assert rules(*MOVED, put(5, TARGET, RETYPED), seen(6, TARGET), seen(10, SOURCE), gone(10, TARGET, "here")) == []


# --- what ledgers say ---

LOOKED = (seen(3, SOURCE), seen(3.1, TARGET))


def test_a_proof_that_the_looks_bear_out_is_true_whatever_happened_since() -> None:
    assert rules(*MOVED, *LOOKED, gone(3.5, TARGET), claim(4, agrees=True)) == []


def test_a_proof_without_a_look_at_the_target_in_its_time_is_not_true() -> None:
    findings, figures = judged(*MOVED, *LOOKED, seen(6, SOURCE), claim(7, since_s=5))
    assert ([item.rule for item in findings], figures.claims) == ([Rule.UNTRUE], 1)
    assert "target was not seen" in findings[0].why


def test_a_proof_over_other_bytes_is_not_true() -> None:
    assert rules(put(1, SOURCE, FIRST), copied(2, SECOND), *LOOKED, claim(4, ("e1", "e2"))) == [Rule.UNTRUE]


def test_a_proof_with_an_etag_that_was_not_there_is_not_true() -> None:
    assert rules(*MOVED, *LOOKED, claim(4, ("e1", "e9"))) == [Rule.UNTRUE]


def test_a_proof_of_properties_is_held_against_what_goes_with_the_content() -> None:
    events = (put(1, SOURCE, FIRST), copied(2, RETYPED), *LOOKED)
    assert rules(*events, claim(4)) == []
    assert rules(*events, claim(4, agrees=True)) == [Rule.UNTRUE]


def test_a_finding_tells_what_was_seen_of_both_places() -> None:
    (finding,) = judged(*MOVED, gone(9, TARGET), seen(10, TARGET), gone(10.1, SOURCE, "here"))[0]
    told = "\n".join(finding.history)
    assert "user PutObject old/'data/a'" in told
    assert "here CopyObject new/'set/a'" in told
    assert "here saw new/'set/a' (head)" in told
