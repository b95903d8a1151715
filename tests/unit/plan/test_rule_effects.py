"""What rules do to what is listed: when, by S3's own days and preferences, and what that costs and saves."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from engine.model import GIB, LifecycleConfiguration, ListedObject, ListedVersion, Node
from engine.plan.bucket_rules import Action, Does, Rule, rules_of
from engine.plan.prices import dollars_a_month
from engine.plan.rule_effects import BY_CLASS, EVERY_CLASS, Effect, Effects, moves

TODAY = date(2026, 6, 30).toordinal()
LARGE = 10 << 20


def listed(key: str = "p/a", size: int = LARGE, day: str = "2026-06-01", of: str = "STANDARD") -> ListedObject:
    return ListedObject(key, size, "etag", f"{day}T23:59:59.000Z", of)


def move(days: int, into: str) -> Action:
    return Action(Does.MOVE, days, storage_class=into)


def expire(days: int) -> Action:
    return Action(Does.EXPIRE, days)


def rule(*actions: Action, prefix: str = "p/", rule_id: str = "r", **more: object) -> Rule:
    return Rule(rule_id, True, prefix, actions=actions, **more)  # type: ignore[arg-type]


def effects_of(*rules: Rule, objects: list[ListedObject], **more: object) -> Effects:
    effects = Effects(rules, TODAY, **more)  # type: ignore[arg-type]
    effects.add(objects)
    return effects


def days(effect: Effect) -> tuple[int, str, str]:
    """How many are due, and the first and the last day of the others."""
    first, last = (date.fromordinal(day).isoformat() if day else "" for day in (effect.first, effect.last))
    return effect.due, first, last


def test_days_are_counted_to_the_next_midnight() -> None:
    """S3 User Guide: written on 15 January at 10:30, three days: from 19 January 00:00 on."""
    (found,) = effects_of(rule(expire(40)), objects=[listed(day="2026-06-01"), listed(day="2026-06-20")]).found
    assert days(found) == (0, "2026-07-12", "2026-07-31")
    (due,) = effects_of(rule(expire(28)), objects=[listed(day="2026-06-01")]).found
    assert days(due) == (1, "", ""), "due on the 30th at 00:00, which is today"
    (tomorrow,) = effects_of(rule(expire(29)), objects=[listed(day="2026-06-01")]).found
    assert days(tomorrow) == (0, "2026-07-01", "2026-07-01")


def test_a_date_is_a_day_for_everything() -> None:
    (found,) = effects_of(rule(Action(Does.EXPIRE, None, "2026-12-24T00:00:00.000Z")), objects=[listed()]).found
    assert days(found) == (0, "2026-12-24", "2026-12-24")


def test_what_expires_saves_what_it_costs_and_what_moves_the_difference() -> None:
    objects = [listed(size=GIB) for _ in range(100)]
    effects = effects_of(rule(move(30, "GLACIER_IR"), expire(365)), objects=objects)
    moved, expired = effects.found
    assert (moved.objects, moved.bytes) == (100, 100 * GIB)
    assert moved.saved == pytest.approx(100 * (0.023 - 0.004))
    assert moved.once == pytest.approx(100 * 0.02 / 1000)
    (tiered,) = effects_of(rule(move(0, "INTELLIGENT_TIERING")), objects=[listed()]).found
    assert tiered.once == pytest.approx(0.01 / 1000), "a rule pays twice what a copy into that class does"
    assert expired.saved == pytest.approx(100 * 0.004), "what it costs by then"
    assert effects.dollars == pytest.approx(effects.saved) == pytest.approx(2.3)


def test_the_class_that_small_objects_are_billed_in_may_cost_more() -> None:
    effects = effects_of(rule(move(1, "GLACIER")), objects=[listed(size=100)], least_size=BY_CLASS)
    standard, glacier = dollars_a_month("STANDARD", 100), dollars_a_month("GLACIER", 100)
    assert standard is not None and glacier is not None
    assert effects.saved == pytest.approx(standard - glacier) and effects.saved < 0


@pytest.mark.parametrize(
    ("least_size", "into", "sizes", "moved"),
    [
        (EVERY_CLASS, "GLACIER_IR", {}, False),
        (EVERY_CLASS, "GLACIER", {}, False),
        (BY_CLASS, "GLACIER", {}, True),
        (BY_CLASS, "DEEP_ARCHIVE", {}, True),
        (BY_CLASS, "GLACIER_IR", {}, False),
        (EVERY_CLASS, "GLACIER_IR", {"less_than": 1 << 20}, True),  # a rule's own sizes count instead
        ("", "GLACIER_IR", {}, True),  # a server that knows no least size
    ],
)
def test_small_objects_are_moved_only_where_that_is_said(
    least_size: str, into: str, sizes: dict[str, Any], moved: bool
) -> None:
    small = [listed(size=(128 << 10) - 1)]
    assert effects_of(rule(move(1, into), **sizes), objects=small, least_size=least_size).found[0].objects == moved
    assert (
        effects_of(rule(move(1, into)), objects=[listed(size=128 << 10)], least_size=least_size).found[0].objects == 1
    )


def test_objects_move_downward_alone() -> None:
    assert moves("STANDARD", "DEEP_ARCHIVE") and moves("STANDARD_IA", "INTELLIGENT_TIERING")
    assert not moves("GLACIER", "GLACIER_IR") and not moves("STANDARD_IA", "STANDARD_IA")
    assert not moves("ONEZONE_IA", "GLACIER_IR") and moves("ONEZONE_IA", "GLACIER")
    assert not moves("OUTPOSTS", "GLACIER")
    there = effects_of(rule(move(1, "GLACIER_IR")), objects=[listed(of="GLACIER")])
    assert there.found[0].objects == 0


def test_a_class_that_is_left_before_its_least_time_is_paid_for_to_its_end() -> None:
    deep, infrequent = dollars_a_month("DEEP_ARCHIVE", GIB), dollars_a_month("STANDARD_IA", GIB)
    assert deep is not None and infrequent is not None
    there = listed(size=GIB, day="2026-06-20", of="DEEP_ARCHIVE")
    (gone,) = effects_of(rule(expire(19)), objects=[there]).found
    assert days(gone) == (0, "2026-07-10", "2026-07-10")
    assert gone.saved == pytest.approx(deep)
    assert gone.once == gone.early == pytest.approx(deep * (180 - 20) / 30), "it has been there for 20 days by then"
    (late,) = effects_of(rule(expire(180)), objects=[there]).found
    assert late.once == late.early == 0
    (long_due,) = effects_of(rule(expire(1)), objects=[there]).found
    assert long_due.early == pytest.approx(deep * (180 - 10) / 30), "it goes today, and not when it was due"
    moved, expired = effects_of(rule(move(0, "STANDARD_IA"), expire(37)), objects=[listed(size=GIB)]).found
    assert moved.early == 0 and moved.once == pytest.approx(0.01 / 1000), "STANDARD has no least time"
    assert expired.early == pytest.approx(infrequent * (30 - 9) / 30), "from today, when it moves, to 9 July"


def test_nothing_is_left_early_where_it_stays_as_an_older_version_or_where_its_date_is_ahead() -> None:
    new = listed(size=GIB, of="DEEP_ARCHIVE", day="2026-06-30")
    assert effects_of(rule(expire(1)), objects=[new], versions=True).once == 0
    assert effects_of(rule(expire(0)), objects=[listed(size=GIB, day="2026-07-02")]).once == 0
    effects = Effects([rule(Action(Does.EXPIRE_NONCURRENT, 1))], TODAY, versions=True)
    effects.add_version(version(of="GLACIER"), "2026-06-29T10:00:00.000Z", 0)
    assert effects.once == 0, "it was written half a year ago, whenever it became an older version"


def test_of_what_is_due_long_since_a_deletion_goes_first_too() -> None:
    moved, gone = effects_of(rule(move(1, "GLACIER"), expire(2)), objects=[listed()]).found
    assert (moved.objects, gone.objects, gone.due) == (0, 1, 1)


def test_of_several_rules_the_sooner_deletion_counts() -> None:
    late, soon = rule(expire(365), prefix="", rule_id="late"), rule(expire(30), rule_id="soon")
    found = effects_of(late, soon, objects=[listed("p/a"), listed("q/a")]).found
    assert [(item.rule.rule_id, item.objects) for item in found] == [("late", 1), ("soon", 1)]


def test_on_one_day_a_deletion_goes_before_a_move_and_the_cheaper_class_before_the_dearer() -> None:
    gone = effects_of(rule(move(30, "GLACIER_IR")), rule(expire(30), rule_id="x"), objects=[listed()]).found
    assert [item.objects for item in gone] == [0, 1]
    deep = effects_of(rule(move(30, "STANDARD_IA")), rule(move(30, "GLACIER"), rule_id="x"), objects=[listed()]).found
    assert [item.objects for item in deep] == [0, 1]


def test_an_object_goes_through_its_classes_in_order() -> None:
    effects = effects_of(rule(move(90, "GLACIER"), move(30, "STANDARD_IA")), objects=[listed(size=GIB)])
    glacier, infrequent = effects.found
    assert infrequent.saved == pytest.approx(0.023 - 0.0125)
    archived = dollars_a_month("GLACIER", GIB)
    assert archived is not None and glacier.saved == pytest.approx(0.0125 - archived)


def test_what_a_rule_asks_beside_the_prefix() -> None:
    sizes = rule(expire(1), more_than=10, less_than=20)
    objects = [listed(f"p/{size}", size) for size in (10, 11, 19, 20)]
    assert effects_of(sizes, objects=objects).found[0].objects == 2


def test_a_rule_by_tags_is_told_at_most_and_disturbs_no_other() -> None:
    tagged = rule(expire(1), tags=(("env", "test"),))
    effects = effects_of(tagged, rule(move(30, "GLACIER_IR"), rule_id="x"), objects=[listed(size=GIB)])
    by_tags, moved = effects.found
    assert (by_tags.at_most, by_tags.objects) == (True, 1)
    assert moved.objects == 1 and effects.saved == moved.saved


def test_where_versions_are_kept_an_expiry_saves_nothing() -> None:
    assert effects_of(rule(expire(1)), objects=[listed(size=GIB)], versions=True).saved == 0


def test_what_cannot_be_reckoned_is_counted() -> None:
    odd = [listed(of="OUTPOSTS"), ListedObject("p/b", 1, "e", "yesterday", "STANDARD")]
    effects = effects_of(rule(expire(1), Action(Does.ABORT_UPLOADS, 1)), objects=odd)
    assert (effects.unpriced, effects.undated, effects.found[0].unpriced) == (1, 1, 1)
    effects.add_version(ListedVersion("p/b", "1", 1, "", "STANDARD", False, False), "yesterday", 0)
    effects.add_upload("p/b", "yesterday", 1)
    assert effects.undated == 3


def test_an_unfinished_upload_goes_by_the_soonest_rule_that_takes_it() -> None:
    late, soon = (rule(Action(Does.ABORT_UPLOADS, days), rule_id=str(days)) for days in (7, 3))
    effects = Effects([late, soon], TODAY)
    effects.add_upload("p/x", "2026-06-29T10:00:00.000Z", GIB)
    effects.add_upload("q/x", "2026-06-29T10:00:00.000Z", GIB)
    assert [item.objects for item in effects.found] == [0, 1]
    assert days(effects.found[1]) == (0, "2026-07-03", "2026-07-03")
    assert effects.saved == pytest.approx(0.023)


def test_rules_are_read_from_what_s3_gives() -> None:
    days_, keep = Node("NoncurrentDays", "3"), Node("NewerNoncurrentVersions", "2")
    tag = Node("Tag", "", (Node("Key", "k"), Node("Value", "v")))
    both = Node("And", "", (Node("Prefix", "p/"), tag, Node("ObjectSizeGreaterThan", "5")))
    parts = (Node("ID", "x"), Node("Status", "Enabled"), Node("Filter", "", (both,)))
    node = Node("Rule", "", (*parts, Node("NoncurrentVersionExpiration", "", (days_, keep))))
    (only,) = rules_of(LifecycleConfiguration((node,)))
    assert (only.prefix, only.tags, only.more_than, only.only) == ("p/", (("k", "v"),), 5, (">5", "k=v"))
    assert only.actions == (Action(Does.EXPIRE_NONCURRENT, 3, keep=2),)


def version(key: str = "p/a", size: int = GIB, of: str = "STANDARD") -> ListedVersion:
    return ListedVersion(key, "v", size, "2026-01-01T00:00:00.000Z", of, False, False)


def test_an_older_version_goes_by_when_it_became_one() -> None:
    goes = rule(Action(Does.EXPIRE_NONCURRENT, 30))
    effects = Effects([goes], TODAY, versions=True)
    effects.add_version(version(), "2026-06-10T10:00:00.000Z", 0)
    effects.add_version(version(), "2026-05-01T10:00:00.000Z", 1)
    assert days(effects.found[0]) == (1, "2026-07-11", "2026-07-11")
    assert effects.saved == pytest.approx(2 * 0.023) == pytest.approx(effects.older_dollars)
    assert (effects.older, effects.older_bytes, effects.objects) == (2, 2 * GIB, 0)


def test_the_newest_older_versions_are_kept_where_a_rule_says_so() -> None:
    effects = Effects([rule(Action(Does.EXPIRE_NONCURRENT, 1, keep=2))], TODAY, versions=True)
    for newer in range(4):
        effects.add_version(version(), "2026-01-01T00:00:00.000Z", newer)
    assert effects.found[0].objects == 2


def test_older_versions_move_by_rules_of_their_own() -> None:
    effects = Effects([rule(move(1, "GLACIER"), Action(Does.MOVE_NONCURRENT, 1, "", "GLACIER_IR"))], TODAY)
    effects.add_version(version(), "2026-01-01T00:00:00.000Z", 0)
    assert [item.objects for item in effects.found] == [0, 1]


def test_a_delete_marker_behind_which_nothing_is_left() -> None:
    effects = Effects([rule(Action(Does.REMOVE_MARKERS))], TODAY, versions=True)
    effects.add_lone_marker("p/gone")
    effects.add_lone_marker("q/gone")
    assert effects.found[0].objects == 1
