"""How far a ledger is, as the states of its objects tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.api.status import Pulse, pulses, under_way
from engine.events import COPYING, SETTING
from engine.ledger import Moment, RunRecord, Snapshot, Worker
from engine.model import Proof
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import Tally
from engine.report.meter import Meter
from engine.report.status import how_far, lately, work_lines
from engine.sites.clock import now_ms
from tests.unit.ledger.scene import BINDING, opened


def pulse(listed: bool = True, **states: int) -> Pulse:
    tallies = [
        Tally("raw", State(name), Proof.NONE, False, objects, objects * 1_000) for name, objects in states.items()
    ]
    return Pulse(None, tallies, [Snapshot("raw", 1, 2 if listed else 0, 0, 0)])


@pytest.mark.parametrize(
    ("now", "what", "done", "whole"),
    [
        (pulse(planned=30, copying=1, copied=60, verified=5, failed=4), COPYING, 69, 100),
        (pulse(verified=60, deleting=10, deleted=30, failed=7), "deleting", 30, 100),
    ],
)
def test_what_goes_on_shows_in_the_states(now: Pulse, what: str, done: int, whole: int) -> None:
    far = how_far(now)
    assert far is not None
    doing, progress = far
    assert (doing.what, progress.done, progress.listed) == (what, done, whole)
    assert (progress.done_bytes, progress.listed_bytes) == (done * 1_000, whole * 1_000)


def test_while_a_listing_goes_on_the_whole_is_not_known() -> None:
    far = how_far(pulse(listed=False, copied=60))
    assert far is not None and far[0].what == COPYING and not far[1].listing_done
    told = how_far(pulse(listed=False, copied=60)._replace(expected=(100, 5_000)))
    assert told is not None and (told[0].objects, told[0].size_bytes) == (100, 5_000)


def test_an_object_that_failed_and_is_copied_now_ends_nothing() -> None:
    """The meter reads one state of the ledger after another."""
    meter = None
    for at_s, copied, failed in ((0.0, 10, 3), (1.0, 11, 2)):
        far = how_far(pulse(listed=False, planned=5, copied=copied, failed=failed))
        assert far is not None
        meter = meter or Meter.of(far[0])
        meter.add(far[1], at_s)
    assert meter is not None and meter.read(1.0).rate == 0.0


@pytest.mark.parametrize("now", [pulse(verified=100), pulse(copied=100), pulse(deleted=100), pulse()])
def test_where_no_state_changes_nothing_is_told(now: Pulse) -> None:
    assert how_far(now) is None


def run(command: str, *moments: Moment) -> RunRecord:
    return RunRecord(1, command, 1_000, 0, "", moments)


def test_a_verification_says_itself_how_far_it_is() -> None:
    """What is verified already does not change its state."""
    again = pulse(verified=90, copied=10)._replace(run=run("verify", Moment(5_000, done=40, done_bytes=40_000)))
    far = how_far(again)
    assert far is not None
    assert (far[0].what, far[1].done, far[1].listed, far[1].done_bytes) == ("verifying", 40, 100, 40_000)


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (pulse(planned=30, copied=70)._replace(sets=True, run=run("run")), SETTING),
        (pulse(planned=30, copied=70)._replace(run=run("revert")), ""),
        (pulse(listed=False, verified=70)._replace(run=run("cleanup")), ""),
        (pulse(verified=60, deleted=30)._replace(run=run("run")), ""),
        (pulse(planned=1, verified=60, deleted=30)._replace(run=run("cleanup")), "deleting"),
    ],
    ids=["set", "a revert copies nothing", "a cleanup that only looks", "a run deletes nothing", "a cleanup deletes"],
)
def test_what_is_done_is_what_the_command_at_work_does(now: Pulse, what: str) -> None:
    far = how_far(now)
    assert (far[0].what if far is not None else "") == what
    assert now.command == ("set" if now.sets else now.run.command if now.run is not None else "")


async def test_a_ledger_of_what_is_set_in_place_tells_that(tmp_path: Path) -> None:
    plan = Plan.setting("s3://bkt/old/", storage_class="STANDARD_IA")
    binding = replace(BINDING, routes=plan.binding_routes)
    async with opened(tmp_path / "x.ledger", binding):
        assert (await anext(pulses(tmp_path / "x.ledger"))).sets


async def test_what_has_ended_is_not_what_another_command_does_that_only_looks(tmp_path: Path) -> None:
    path = tmp_path / "x.ledger"
    async with opened(path) as ledger:
        number = await ledger.begin_run("verify", now_ms())
        during = await anext(pulses(path))
        await ledger.end_run(number, "done", now_ms())
        after = await anext(pulses(path))
    assert during.run is not None and during.run.command == "verify"
    assert after.worker is not None and after.run is None
    killed = run("run")
    assert under_way(killed, Worker(7, "here", 0.5)) is killed
    assert under_way(killed, Worker(7, "here", 2.0)) is None, "it began before whoever is at work"


def test_how_fast_is_told_by_the_runs_own_last_seconds() -> None:
    moments = [Moment(second * 1_000, done=1_000 + second * 5, throttled=3) for second in range(5)]
    now = pulse(planned=30, copied=70)._replace(run=run("run", *moments))
    reading, far = lately(now), how_far(now)
    assert reading is not None and far is not None
    assert (reading.rate, reading.left_s, reading.fraction) == (5.0, 6.0, 0.7)
    assert far[1].throttled == 3


@pytest.mark.parametrize(
    "now",
    [
        pulse(planned=30, copied=70),
        pulse(planned=30, copied=70)._replace(run=run("run", Moment(1_000, done=1), Moment(2_000, done=9))),
        pulse(listed=False, planned=30)._replace(run=run("run", Moment(1_000, done=1), Moment(9_000, done=9))),
    ],
    ids=["no run is known", "it has only begun", "what is listed counts among it"],
)
def test_no_rate_is_made_up(now: Pulse) -> None:
    assert lately(now) is None


def test_who_is_at_work() -> None:
    assert work_lines(None, "run", 1_000.0, "never said") == []
    assert work_lines(Worker(7, "here", 800.0), "run", 1_000.0) == ["at work: pid 7 on here, run for 3 min 20 s"]
    assert work_lines(Worker(0, "", 0.0), "", 1_000.0, "copying: 3%") == ["at work: another process", "copying: 3%"]
