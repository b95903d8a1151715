"""Routes that set what objects carry where they are: what makes one, what is decided, what it costs, what it bars."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import PlanError, UsageError
from engine.model import GIB, ListedObject, Location, Proof
from engine.plan.decide import Action
from engine.plan.document import Plan
from engine.plan.estimate import Change
from engine.plan.in_place import UNTOUCHED, decide_in_place, drift_in_place, ended_in_place, refuse_in_place
from engine.plan.join import Joined
from engine.plan.lifecycle import FIRST, TRANSITIONS, State
from engine.plan.overlap import refuse_collisions
from engine.plan.permissions import actions
from engine.plan.record import Entry
from engine.plan.route import Route
from engine.proof.judge import Kind, Question, judge_in_place

A, B = "a" * 32, "b" * 32
DAY_MS = 86_400_000
NOW_MS = 1_798_761_600_000  # 2027-01-01


def setting(**what: Any) -> Route:
    (route,) = Plan.setting("s3://bkt/p/", **what).routes
    return route


COLDER = setting(storage_class="GLACIER_IR")
TAGGED = setting(tags={"team": "cards"})


def there(etag: str = A, storage_class: str = "STANDARD", size: int = 10, restore: str = "") -> ListedObject:
    return ListedObject("p/k", size, etag, "2026-12-22T00:00:00.000Z", storage_class, "", restore)


def entry(state: State, *, etag: str = A, target_etag: str = "", proof: Proof = Proof.NONE, size: int = 10) -> Entry:
    return Entry("k", size, etag, state, etag, target_etag, proof)


# --- the plan ------------------------------------------------------------------------------------------------


def test_a_plan_that_sets_is_made_again_from_what_its_ledger_keeps() -> None:
    plan = Plan.setting(
        "s3://bkt/p/", storage_class="GLACIER_IR", tags={"a": "b"}, replace_tags=True, include=["*.png"]
    )
    assert plan.asked is not None
    again = Plan.again(plan.asked)
    assert again.routes == plan.routes and again.in_place and again.name == plan.name
    assert plan.name.startswith("p-set-")


def test_what_is_set_decides_which_ledger_it_is() -> None:
    plans = [
        Plan.setting("s3://bkt/p/", tags={"a": "b"}),
        Plan.setting("s3://bkt/p/", tags={"a": "b"}, replace_tags=True),
        Plan.setting("s3://bkt/p/", tags={"a": "c"}),
        Plan.setting("s3://bkt/p/", metadata={"a": "b"}),
        Plan.setting("s3://bkt/p/", storage_class="STANDARD"),
        Plan.setting("s3://bkt/p/", storage_class="STANDARD", min_size=5),
        Plan.of("s3://bkt/p/", "s3://bkt/q/", storage_class="STANDARD"),
    ]
    assert len({plan.name for plan in plans}) == len({plan.binding_routes for plan in plans}) == len(plans)


@pytest.mark.parametrize("what", [{}, {"metadata": {}}, {"include": ["*"]}])
def test_nothing_to_set_is_refused(what: Any) -> None:
    with pytest.raises(PlanError, match="nothing is to be set"):
        Plan.setting("s3://bkt/p/", **what)


def test_files_have_nothing_that_could_be_set() -> None:
    with pytest.raises(PlanError, match="a file has no storage class"):
        Plan.setting("/data/x/", tags={"a": "b"})


@pytest.mark.parametrize("what", [{"storage_class": "Cold"}, {"tags": {str(n): "" for n in range(11)}}])
def test_what_s3_would_refuse_is_refused_before(what: Any) -> None:
    with pytest.raises(PlanError):
        Plan.setting("s3://bkt/p/", **what)


def test_everything_else_that_an_object_carries_is_kept() -> None:
    rules = COLDER.properties
    assert {rules.content_headers, rules.metadata, rules.tags, rules.encryption} == {"preserve"}
    assert {rules.website_redirect, rules.lock, rules.acl} == {"preserve"}


# --- what it bars --------------------------------------------------------------------------------------------


def test_no_other_plan_may_write_onto_its_source() -> None:
    for target in ("s3://bkt/p/", "s3://bkt/p/q/", "s3://bkt/"):
        with pytest.raises(PlanError):
            Plan.of("s3://bkt/p/", target, storage_class="GLACIER_IR")


@pytest.mark.parametrize("key", ["in_place = true", 'in_place = "laying tags"', "lays_tags = true"])
def test_no_plan_file_can_say_that_a_route_is_in_place(key: str) -> None:
    with pytest.raises(PlanError, match="unknown key"):
        Plan.parse(f'[[routes]]\nname = "r"\nfrom = "s3://bkt/p/"\nto = "s3://bkt/q/"\n{key}\n')


def test_a_route_in_place_has_one_location_and_meets_no_other_route() -> None:
    with pytest.raises(PlanError, match="it would set what"):
        refuse_collisions([replace(COLDER, target=Location("bkt", "q/"))], {})
    other = Route("r", Location("bkt", "x/"), Location("bkt", "p/x/"))
    with pytest.raises(PlanError, match="could write one target key"):
        refuse_collisions([COLDER, other], {})


def test_nothing_that_deletes_takes_it() -> None:
    with pytest.raises(UsageError, match="its own source and target"):
        refuse_in_place([COLDER], "cleanup")
    refuse_in_place([Route("r", Location("bkt", "x/"), Location("bkt", "p/x/"))], "cleanup")


def test_tags_alone_need_no_right_to_write_objects() -> None:
    assert actions(Plan.setting("s3://bkt/p/", tags={"a": "b"}), "run") == (
        "s3:GetBucketLocation",
        "s3:GetObject",
        "s3:GetObjectTagging",
        "s3:ListBucket",
        "s3:PutObjectTagging",
    )
    needed = actions(Plan.setting("s3://bkt/p/", storage_class="GLACIER_IR"), "run")
    assert {"s3:PutObject", "s3:PutObjectTagging", "s3:PutObjectAcl", "s3:GetObjectAcl"} <= set(needed)


# --- what is decided -----------------------------------------------------------------------------------------


def test_an_object_of_another_class_is_copied_while_it_is_what_was_listed() -> None:
    choice = decide_in_place(Joined("k", there(), None, None), COLDER)
    assert choice is not None
    assert (choice.action, choice.decision.state, choice.target_condition) == (Action.COPY, State.PLANNED, A)
    assert choice.decision.held == A


def test_one_of_that_class_is_left_alone_without_a_request() -> None:
    choice = decide_in_place(Joined("k", there(storage_class="GLACIER_IR"), None, None), COLDER)
    assert choice is not None
    decision = choice.decision
    assert (choice.action, decision.state, decision.found) == (Action.RECORD, State.COPIED, True)
    assert (decision.proof, decision.compared, decision.target_etag) == (Proof.DIGEST, UNTOUCHED, A)


@pytest.mark.parametrize("state", [State.COPIED, State.VERIFIED])
def test_what_was_set_and_stands_is_not_decided_again(state: State) -> None:
    row = Joined("k", there(storage_class="GLACIER_IR"), None, entry(state, target_etag=A))
    assert decide_in_place(row, COLDER) is None


@pytest.mark.parametrize("state", [State.COPIED, State.VERIFIED])
def test_what_no_listing_tells_is_looked_at_each_time(state: State) -> None:
    choice = decide_in_place(Joined("k", there(), None, entry(state, target_etag=A)), TAGGED)
    assert choice is not None and choice.action is Action.COPY


def test_a_class_that_somebody_took_back_is_set_again() -> None:
    choice = decide_in_place(Joined("k", there(), None, entry(State.VERIFIED, target_etag=A)), COLDER)
    assert choice is not None and choice.decision.state is State.PLANNED


def test_a_copy_whose_outcome_was_not_committed_is_told_by_its_class_and_held_against_what_it_was() -> None:
    row = Joined("k", there(B, "GLACIER_IR"), None, entry(State.PLANNED))
    choice = decide_in_place(row, COLDER)
    assert choice is not None
    decision = choice.decision
    assert (choice.action, decision.state, decision.found) == (Action.RECORD, State.COPIED, False)
    assert (decision.source_etag, decision.target_etag, decision.proof) == (A, B, Proof.SIZE)


@pytest.mark.parametrize("state", [State.PLANNED, State.COPYING, State.FAILED, State.DRIFTED, State.CONFLICT])
def test_what_was_not_done_is_tried_again(state: State) -> None:
    choice = decide_in_place(Joined("k", there(), None, entry(state)), COLDER)
    assert choice is not None and choice.action is Action.COPY


@pytest.mark.parametrize("archive", ["GLACIER", "DEEP_ARCHIVE"])
def test_what_is_archived_is_set_aside_but_for_its_tags(archive: str) -> None:
    choice = decide_in_place(Joined("k", there(storage_class=archive), None, None), COLDER)
    assert choice is not None and choice.decision.state is State.ARCHIVED
    tags = decide_in_place(Joined("k", there(storage_class=archive), None, None), TAGGED)
    assert tags is not None and tags.action is Action.COPY
    there_already = decide_in_place(
        Joined("k", there(storage_class=archive), None, None), setting(storage_class=archive)
    )
    assert there_already is not None and there_already.decision.state is State.COPIED


def test_a_failure_that_lost_something_stays_until_somebody_sees_to_it() -> None:
    """What a server did not keep is not there to be read any more: a look would call the object as it is wanted."""
    for route, source in ((COLDER, there(storage_class="GLACIER_IR")), (setting(metadata={"a": "b"}), there())):
        assert decide_in_place(Joined("k", source, None, entry(State.FAILED, target_etag=A)), route) is None


@pytest.mark.parametrize(
    ("known", "state"),
    [
        (entry(State.COPIED, target_etag=A), State.WITHDRAWN),
        (entry(State.VERIFIED, target_etag=A), State.WITHDRAWN),
        (entry(State.PLANNED), State.DRIFTED),
        (entry(State.WITHDRAWN, target_etag=A), None),
        (entry(State.DRIFTED), None),
    ],
)
def test_an_object_that_is_gone(known: Entry, state: State | None) -> None:
    outcome = ended_in_place(Joined("k", None, None, known))
    assert (outcome.state if outcome is not None else None) == state


def test_what_was_never_written_is_forgotten_with_its_object() -> None:
    choice = decide_in_place(Joined("k", None, None, entry(State.DRIFTED)), COLDER)
    assert choice is not None and choice.action is Action.FORGET
    assert decide_in_place(Joined("k", None, None, entry(State.COPIED, target_etag=A)), COLDER) is None


@pytest.mark.parametrize("state", list(State))
def test_every_decision_is_a_step_that_the_ledger_allows(state: State) -> None:
    if state in (State.DELETING, State.DELETED, State.LOST, State.DAMAGED):
        return  # never of such a route
    for source in (there(), there(B), there(storage_class="GLACIER_IR"), there(storage_class="GLACIER"), None):
        for target_etag in ("", A):
            row = Joined("k", source, None, entry(state, target_etag=target_etag))
            choice, end = decide_in_place(row, COLDER), ended_in_place(row)
            if choice is not None and choice.action is not Action.FORGET:
                assert choice.decision.state in TRANSITIONS[state]
            if end is not None:
                assert end.state in TRANSITIONS[state]
    fresh = decide_in_place(Joined("k", there(), None, None), COLDER)
    assert fresh is not None and fresh.decision.state in FIRST


def test_what_was_written_after_it_was_set_has_drifted() -> None:
    assert drift_in_place(Joined("k", there(), None, entry(State.COPIED, target_etag=A))) is None
    outcome = drift_in_place(Joined("k", there(B), None, entry(State.COPIED, target_etag=A)))
    assert outcome is not None and outcome.state is State.DRIFTED


# --- what a verification says --------------------------------------------------------------------------------

COLD = there(storage_class="GLACIER_IR")


@pytest.mark.parametrize(
    ("source", "known", "kind", "question"),
    [
        (COLD, entry(State.COPIED, target_etag=A, proof=Proof.DIGEST), Kind.OK, Question.NOTHING),
        (COLD, entry(State.COPIED, target_etag=A, proof=Proof.SIZE), Kind.OK, Question.ENCRYPTION),
        (COLD, entry(State.COPIED, etag=B, target_etag=A, proof=Proof.SIZE), Kind.OK, Question.NOTHING),
        (COLD, entry(State.COPIED, target_etag=B), Kind.DRIFTED, Question.NOTHING),
        (COLD, entry(State.COPIED, target_etag=A, size=11), Kind.DRIFTED, Question.NOTHING),
        (there(), entry(State.COPIED, target_etag=A, proof=Proof.DIGEST), Kind.PROPERTIES, Question.NOTHING),
        (COLD, entry(State.PLANNED), Kind.PENDING, Question.NOTHING),
        (COLD, entry(State.FAILED), Kind.PENDING, Question.NOTHING),
        (COLD, None, Kind.NEW, Question.NOTHING),
        (None, entry(State.VERIFIED, target_etag=A), Kind.WITHDRAWN, Question.NOTHING),
        (None, entry(State.PLANNED), Kind.PENDING, Question.NOTHING),
    ],
)
def test_an_object_is_held_against_what_it_was_before(
    source: ListedObject | None, known: Entry | None, kind: Kind, question: Question
) -> None:
    finding = judge_in_place(Joined("k", source, source, known), COLDER)
    assert finding is not None and (finding.kind, finding.question) == (kind, question)
    if finding.outcome is not None and known is not None:
        assert finding.outcome.state in TRANSITIONS[known.state]


# --- what it costs -------------------------------------------------------------------------------------------


def counted(route: Route, *objects: ListedObject) -> Change:
    change = Change.of(route)
    for item in objects:
        change.add(item, route, 1, 4, NOW_MS)
    return change


def test_a_month_before_and_after_and_what_the_requests_cost() -> None:
    change = counted(COLDER, there(size=GIB), there(size=GIB))
    assert (change.objects, change.bytes, change.is_certain) == (2, 2 * GIB, True)
    assert change.before_dollars == pytest.approx(0.046) and change.after_dollars == pytest.approx(0.008)
    assert change.write_dollars == pytest.approx(2 * 0.00002)  # by the price of the class that they go into
    assert change.read_dollars == pytest.approx(8 * 0.0000004)
    assert (change.early_objects, change.retrieval_dollars, change.small) == (0, 0, 0)


def test_leaving_a_class_before_its_time_and_reading_out_of_it_are_billed() -> None:
    change = counted(setting(storage_class="STANDARD"), there(storage_class="GLACIER_IR", size=GIB))  # ten days old
    assert change.early_objects == 1 and change.retrieval_dollars == pytest.approx(0.03)
    assert change.early_dollars == pytest.approx(0.004 * 80 / 30)


def test_small_objects_and_those_without_a_price_are_counted() -> None:
    change = counted(COLDER, there(size=10), there(storage_class="AT_HOME"))
    assert (change.small, change.unpriced) == (1, 1)
    assert change.after_dollars > change.before_dollars > 0


def test_tags_cost_requests_and_nothing_else() -> None:
    change = counted(TAGGED, there(size=GIB))
    assert (change.objects, change.before_dollars, change.is_certain) == (0, 0, False)
    assert change.write_dollars == pytest.approx(0.000005)
    assert change.tag_dollars == pytest.approx(0.0065 / 10_000)


def test_looks_cost_what_the_class_asks_for_them() -> None:
    assert counted(TAGGED, there(storage_class="GLACIER_IR")).read_dollars == pytest.approx(4 * 0.00001)
