"""The gate: every reason by itself closes it, says why with its figures, and opens again only by what it names."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from engine.bucket_facts import BucketFacts
from engine.finish.batches import DeletionReport
from engine.finish.gate import Facts, Reason, ReferencesLeft, closed, expiring, judge, names_of
from engine.finish.holding import Hold
from engine.finish.probing.answers import ProbeResult
from engine.model import LifecycleRule, Location, Proof
from engine.plan.estimate import Difference
from engine.plan.lifecycle import ENDED, State
from engine.plan.noted import Noted
from engine.plan.record import Tally
from engine.proof.audit import BAD, RouteAudit
from engine.proof.judge import Kind

DAY_MS = 86_400_000
BUCKET = BucketFacts("bucket", "us-east-1")
OPEN = Facts(
    routes=("raw",),
    open_snapshots=(),
    tallies=(Tally("raw", State.VERIFIED, Proof.DIGEST, False, 1000, 5_000_000),),
    minimum=Proof.DIGEST,
    hold=Hold(86_400, 10 * DAY_MS, 1000, 0, 0, 9 * DAY_MS),
    audits=(RouteAudit("raw", Counter({Kind.OK: 1000})),),
    expectations=(Difference("raw.objects", 1000, 1000, 0, True),),
    probes=(ProbeResult("exists a", True, "", "a is there"),),
    references=ReferencesLeft(0),
    sources=(BUCKET,),
    targets=(BUCKET,),
    under=(Location("bucket", "project/data/raw/"),),
)


def shut(facts: Facts) -> list[Reason]:
    return closed(judge(facts))


def only(facts: Facts) -> Reason:
    (reason,) = shut(facts)
    return reason


def test_all_reasons_open_and_each_says_its_figures() -> None:
    assert shut(OPEN) == []
    sentences = [reason.sentence for reason in judge(OPEN)]
    assert sentences == [
        "1 listing reached the end",
        "1,000 objects (5.00 MB) verified by digest or better",
        "24h have passed for each of 1,000 objects",
        "1,000 objects unchanged on both sides just now",
        "no difference is recorded; headers, metadata, tags and the like are compared once all else is open",
        "raw.objects: 1,000, as expected",
        "a is there",
        "nothing that was looked through names the old paths",
        "no lifecycle rule of bucket expires a target",
        "bucket keeps no versions: what is deleted is gone for good",
    ]


def test_an_open_snapshot() -> None:
    assert "raw never reached its end" in only(replace(OPEN, open_snapshots=("raw",))).sentence


@pytest.mark.parametrize(
    "state",
    [s for s in State if s not in (State.VERIFIED, State.DELETING, State.DELETED) and s not in ENDED],
)
def test_every_state_but_verified_keeps_it_closed(state: State) -> None:
    tallies = (*OPEN.tallies, Tally("raw", state, Proof.DIGEST, False, 2, 10))
    reason = only(replace(OPEN, tallies=tallies))
    assert reason.name == "proof"
    assert f"2 {state.value}" in reason.sentence


@pytest.mark.parametrize("name", ["withdrawn", "lost", "properties"])
def test_what_concerns_single_objects_closes_it_until_it_is_accepted_for_exactly_those(name: str) -> None:
    before, after = Noted(2, "2:0123456789ab", "raw: 'a'"), Noted(2, "2:ba9876543210", "raw: 'b'")
    facts, other = replace(OPEN, **{name: before}), replace(OPEN, **{name: after})  # type: ignore[arg-type]
    shut_by = only(facts)
    assert (shut_by.name, shut_by.accept, shut_by.found) == (name, name, before.figure)
    accepted = frozenset({(name, before.figure)})
    assert shut(replace(facts, accepted=accepted)) == []
    assert only(replace(other, accepted=accepted)).name == name


@pytest.mark.parametrize("why", ["misnamed", "barred"])
def test_what_no_run_mends_is_not_to_be_run_again(why: str) -> None:
    failed = Tally("raw", State.FAILED, Proof.NONE, False, 2, 10)
    reason = only(replace(OPEN, tallies=(*OPEN.tallies, failed), **{why: 2}))  # type: ignore[arg-type]
    assert "exclude" in reason.sentence and "run and verify" not in reason.sentence
    reason = only(replace(OPEN, tallies=(*OPEN.tallies, failed), **{why: 1}))  # type: ignore[arg-type]
    assert "exclude" in reason.sentence and "run and verify" in reason.sentence
    reason = only(replace(OPEN, tallies=(*OPEN.tallies, failed), barred=2))
    assert "left out" in reason.sentence and "run and verify" not in reason.sentence


def test_a_proof_below_the_plans_minimum_whether_copied_or_found() -> None:
    found = Tally("raw", State.VERIFIED, Proof.SIZE, True, 3, 10)
    assert "3 verified by less than digest" in only(replace(OPEN, tallies=(*OPEN.tallies, found))).sentence
    assert shut(replace(OPEN, tallies=(*OPEN.tallies, found), minimum=Proof.SIZE)) == []


def test_what_is_deleted_already_does_not_close_it() -> None:
    gone = Tally("raw", State.DELETED, Proof.DIGEST, False, 5, 10)
    assert shut(replace(OPEN, tallies=(*OPEN.tallies, gone))) == []
    proof = next(reason for reason in judge(replace(OPEN, tallies=(gone,))) if reason.name == "proof")
    assert proof.sentence == "0 objects verified by digest or better; 5 sources deleted before"


def test_the_hold() -> None:
    waiting = OPEN.hold._replace(waiting=7, free_ms=10 * DAY_MS + 3_600_000)
    reason = only(replace(OPEN, hold=waiting))
    assert "7 of 1,000 objects were proven less than 24h ago; the last is free in 1h" in reason.sentence
    assert reason.accept == ""


def test_a_proof_of_the_future_is_said_to_be_dated_by_a_wrong_clock() -> None:
    ahead = OPEN.hold._replace(waiting=7, free_ms=11 * DAY_MS, ahead_ms=400 * DAY_MS)
    sentence = only(replace(OPEN, hold=ahead)).sentence
    assert "the last proof is dated 1971-02-05T00:00:00.000Z, which is yet to come" in sentence
    assert "with a new --ledger" in sentence


def test_a_hold_that_no_server_clock_can_judge_stays_closed_unless_there_is_none() -> None:
    clockless = OPEN.hold._replace(now_ms=None, waiting=1000)
    assert "the server sends no date" in only(replace(OPEN, hold=clockless)).sentence
    assert shut(replace(OPEN, hold=clockless._replace(hold_s=0))) == []


def test_a_proof_without_a_date_never_passes() -> None:
    assert only(replace(OPEN, hold=OPEN.hold._replace(undated=1, hold_s=0))).name == "hold"


@pytest.mark.parametrize("kind", sorted(BAD))
def test_what_the_audit_finds(kind: Kind) -> None:
    audit = RouteAudit("raw", Counter({Kind.OK: 999, kind: 2}), "a\nb.png")
    reason = only(replace(OPEN, audits=(audit,)))
    assert reason.name == "audit"
    assert reason.sentence.startswith("2 ")
    assert "raw: 'a\\nb.png'" in reason.sentence
    assert reason.accept == ""


def test_a_listing_that_failed_is_not_an_end() -> None:
    audit = RouteAudit("raw", Counter({Kind.OK: 29_000}), error="ListObjectsV2: reset on page 30")
    assert "page 30" in only(replace(OPEN, audits=(audit,))).sentence


def test_a_difference_is_accepted_for_its_figure_only() -> None:
    differs = replace(OPEN, expectations=(Difference("processed.objects", 17_592, 34_374, 0, False),))
    reason = only(differs)
    assert reason.sentence == "processed.objects: 34,374 found, 17,592 expected"
    assert (reason.accept, reason.found) == ("processed.objects", "34374")
    assert shut(replace(differs, accepted=frozenset({("processed.objects", "34374")}))) == []
    assert only(replace(differs, accepted=frozenset({("processed.objects", "34375")}))).name == "expected"
    assert only(replace(differs, accepted=frozenset({("total.objects", "34374")}))).name == "expected"


def test_an_expectation_of_what_was_never_listed_cannot_be_accepted() -> None:
    unlisted = replace(OPEN, expectations=(Difference("raw.objects", 5, None, 0, False),))
    reason = only(replace(unlisted, accepted=frozenset({("raw.objects", "None")})))
    assert reason.accept == ""


def test_a_probe_that_fails() -> None:
    assert only(replace(OPEN, probes=(ProbeResult("npy a", False, "", "its shape is wrong"),))).name == "probe"


def test_references_left() -> None:
    left = replace(OPEN, references=ReferencesLeft(3, "pipelines/train.py:12", figure="3:0123456789ab"))
    reason = only(left)
    assert (
        reason.sentence == "3 places still name the old paths, or could not be looked into, first pipelines/train.py:12"
    )
    assert shut(replace(left, accepted=frozenset({("references", "3:0123456789ab")}))) == []
    for other in ("3", "3:ba9876543210", "2:0123456789ab"):
        reason = only(replace(left, accepted=frozenset({("references", other)})))
        assert (reason.accept, reason.found) == ("references", "3:0123456789ab")
    assert shut(replace(OPEN, references=None)) == []
    assert only(replace(OPEN, references=ReferencesLeft(0, error="denied"))).accept == ""


def test_a_lifecycle_rule_that_expires_the_target() -> None:
    rule = LifecycleRule("tidy", "project/", 30)
    expires = replace(OPEN, targets=(replace(BUCKET, lifecycle=(rule,)),))
    reason = only(expires)
    assert reason.sentence == (
        'lifecycle rules of bucket expire targets: "tidy" (everything under "project/" after 30 days)'
    )
    assert (reason.accept, reason.found) == ("lifecycle.bucket", "tidy:30:project/")
    assert shut(replace(expires, accepted=frozenset({(reason.accept, reason.found)}))) == []
    sooner = replace(expires, targets=(replace(BUCKET, lifecycle=(LifecycleRule("tidy", "project/", 1),)),))
    assert only(replace(sooner, accepted=frozenset({(reason.accept, reason.found)}))).name == "lifecycle"
    wider = replace(expires, targets=(replace(BUCKET, lifecycle=(LifecycleRule("tidy", "", 30),)),))
    assert only(replace(wider, accepted=frozenset({(reason.accept, reason.found)}))).name == "lifecycle"


def test_a_rule_for_some_objects_that_was_accepted_is_another_once_it_takes_others() -> None:
    def expiring_by(*some: str) -> Facts:
        rule = LifecycleRule("tidy", "project/", 30, only=some)
        return replace(OPEN, targets=(replace(BUCKET, lifecycle=(rule,)),))

    reason = only(expiring_by("env=test", "<1024"))
    assert '"tidy" (what is env=test and <1024 under "project/" after 30 days)' in reason.sentence
    accepted = frozenset({(reason.accept, reason.found)})
    assert shut(replace(expiring_by("env=test", "<1024"), accepted=accepted)) == []
    for other in ((), ("env=test",), ("env=prod", "<1024")):
        assert only(replace(expiring_by(*other), accepted=accepted)).name == "lifecycle"


def test_rules_that_may_not_be_read_have_to_be_accepted() -> None:
    unread = replace(OPEN, targets=(replace(BUCKET, lifecycle=None),))
    assert only(unread).found == "unknown"
    assert shut(replace(unread, accepted=frozenset({("lifecycle.bucket", "unknown")}))) == []


@pytest.mark.parametrize(
    ("prefix", "location", "meets"),
    [
        ("", "project/a/", True),
        ("project/", "project/a/", True),
        ("project/a/", "project/a/", True),
        ("project/a/tmp/", "project/a/", True),
        ("project/ab", "project/a/", False),
        ("data/", "project/a/", False),
        ("project/a", "project/a.tar.gz", True),
        ("project/a.tar.gz.old", "project/a.tar.gz", False),
    ],
)
def test_which_rules_meet_a_target(prefix: str, location: str, meets: bool) -> None:
    rules = [LifecycleRule("r", prefix, 1)]
    assert bool(expiring(rules, [Location("bucket", location)])) is meets


def test_a_versioned_bucket_says_what_a_delete_marker_means() -> None:
    versioned = replace(OPEN, sources=(replace(BUCKET, versioning="Enabled"),))
    reason = only(versioned)
    assert "only adds a delete marker" in reason.sentence and "its cost stay" in reason.sentence
    assert shut(replace(versioned, accepted=frozenset({("delete-markers.bucket", "Enabled")}))) == []
    assert only(replace(versioned, accepted=frozenset({("delete-markers.bucket", "Suspended")}))).name == "versioning"
    assert only(replace(OPEN, sources=(replace(BUCKET, versioning=None),))).found == "unknown"


def test_a_bucket_with_suspended_versions_is_not_said_to_keep_the_data() -> None:
    reason = only(replace(OPEN, sources=(replace(BUCKET, versioning="Suspended"),)))
    assert (reason.name, "gone for good" in reason.sentence) == ("versioning", True)


def test_buckets_of_one_name_at_two_sites_are_judged_and_accepted_each_by_itself() -> None:
    here, there = replace(BUCKET, versioning="Enabled"), replace(BUCKET, versioning="Enabled", site="near")
    both = replace(OPEN, sources=(here, there))
    first, second = shut(both)
    assert (first.accept, second.accept) == ("delete-markers.bucket", "delete-markers.near:bucket")
    assert "near:bucket keeps versions" in second.sentence
    assert only(replace(both, accepted=frozenset({(first.accept, first.found)}))) == second
    assert shut(both.with_delete_markers()) == []


def test_a_lifecycle_rule_expires_targets_of_its_own_site_alone() -> None:
    rule = LifecycleRule("old", "project/", 30, "")
    there = replace(BUCKET, lifecycle=(rule,), site="near")
    assert shut(replace(OPEN, targets=(there,))) == [], "the targets are in the other bucket of that name"
    reason = only(replace(OPEN, targets=(there,), under=(Location("bucket", "project/data/raw/", "near"),)))
    assert reason.accept == "lifecycle.near:bucket"


def test_markers_that_were_accepted_in_one_bucket_are_not_in_the_other_of_its_name() -> None:
    report = DeletionReport()
    report.note_markers({"bucket"}, "near", {"bucket"})
    report.note_markers({"bucket"}, "", {"bucket"})
    assert (report.unaccepted, report.stopped) == (("near:bucket",), True)


def test_no_two_pairs_of_buckets_are_accepted_by_one_name() -> None:
    pairs = [("xxx", "yyy"), ("xxx.yyy", "zzz"), ("xxx", "yyy.zzz"), ("xxx.yyy.zzz", "xxx")]
    assert len({names_of(*pair) for pair in pairs}) == len(pairs)
    assert names_of("xxx", "yyy") == "names.xxx.yyy"
