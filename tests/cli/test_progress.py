"""What goes on while a command works: a bar on a terminal, lines with their time where none is, and what is said beside
it."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime
from unittest import mock

import pytest

import engine
from engine.api.status import Pulse, pulses
from engine.events import Doing, Event, Notice, ObjectAside, OutOfReach, Progress, SlowedDown
from engine.report import bar
from engine.report.bar import ALIKE_PRINTED, ASIDES_PRINTED, LINE_S, Manner, ProgressBar
from engine.report.drawing import Look
from engine.report.meter import Meter
from tests.cli.canned import answering, holding
from tests.cli.commands import Terminal, write_plan

NOON = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)
TERMINAL = Look(width=80, moves=True)


class Told:
    """A bar of which a test says how late it is."""

    def __init__(self, manner: Manner, look: Look = TERMINAL, patience_s: float = 0.0, **more: bool) -> None:
        self.stream = io.StringIO()
        self.now_s = 0.0
        self.bar = ProgressBar(
            self.stream,
            what="copying",
            manner=manner,
            look=look,
            patience_s=patience_s,
            now_s=lambda: self.now_s,
            utc=lambda: NOON,
            **more,
        )

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def line(self) -> str:
        """What was drawn last."""
        return [part for part in self.text.split("\r") if part.strip()][-1].rstrip()

    def at(self, now_s: float, *events: Event) -> None:
        self.now_s = now_s
        for event in events:
            self.bar(event)
        self.bar.tick()


def progress(listed: int, done: int, *, listing_done: bool = False, throttled: int = 0) -> Progress:
    return Progress(listed, listed * 1_000, listing_done, done, done * 1_000, done, 0, 0, done, throttled, 0.0, 4)


def test_the_total_grows_while_the_listing_goes_on_and_then_there_is_a_percentage() -> None:
    told = Told(Manner.BAR)
    told.at(0, progress(1_000, 10))
    told.at(1, progress(1_000, 10))
    assert told.line.startswith("copying: 10 of 1,000 listed so far, 10 kB of 1 MB, 0.0/s")
    told.at(11, progress(53_000, 20_000, listing_done=True, throttled=3))
    assert told.line.startswith("copying  37% |")
    assert told.line.endswith("| 20,000 of 53,000 objects, 1,999/s, 17 s left, 3 SlowDown")
    assert len(told.line) < 80


def test_at_its_end_the_line_is_gone() -> None:
    told = Told(Manner.BAR)
    told.at(0, progress(1_000, 10))
    told.bar.close()
    last = told.text.rsplit("\r", 2)
    assert last[-1] == "" and last[-2].strip() == ""
    told.at(9, progress(1_000, 1_000))
    assert told.text.rsplit("\r", 2) == last


def test_what_ends_at_once_draws_nothing() -> None:
    told = Told(Manner.BAR, patience_s=2.0)
    told.at(1.9, progress(1_000, 10))
    assert told.text == ""
    told.at(2.0)
    assert "10 of 1,000" in told.line


def test_a_line_now_and_then_where_no_terminal_is() -> None:
    told = Told(Manner.LINES, Look())
    told.at(LINE_S - 1, progress(1_000, 10))
    assert told.text == ""
    told.at(LINE_S, progress(100_000, 30_000, listing_done=True))
    told.at(LINE_S + 1, progress(100_000, 31_000, listing_done=True))
    assert told.text == (
        "2026-11-28T12:00:00Z copying: 30%, 30,000 of 100,000 objects, 30 MB of 100 MB, "
        "29,990/s, 30 MB/s, 2.3 s left, 4 in flight\n"
    )
    told.bar.close()
    assert told.text.splitlines()[1:] == ["2026-11-28T12:00:00Z copying: ended after 16 s"]


def test_what_is_waited_for_is_named_with_how_long() -> None:
    told = Told(Manner.BAR)
    told.at(5, Doing("s3.example.org to answer", 300))
    told.at(17)
    assert told.line == "waiting for s3.example.org to answer: 12 s of at most 5 min 0 s"


def test_slowdown_is_counted_where_a_command_does_not_count_it() -> None:
    told = Told(Manner.BAR)
    told.at(1, SlowedDown(), SlowedDown(), progress(1_000, 10))
    assert ", 2 SlowDown" in told.line


def test_an_outage_is_told_once_it_lasts_until_somebody_answers_again() -> None:
    told = Told(Manner.BAR)
    told.at(1, progress(1_000, 10), OutOfReach(0.0, "no connection could be made"))
    assert "out of reach" not in told.line
    told.at(31, OutOfReach(29.0, "no connection could be made"))
    told.at(36)
    assert ", S3 out of reach for 34 s" in told.line
    told.at(37, OutOfReach(0.0))
    assert "out of reach" not in told.line


@pytest.mark.parametrize("columns", [40, 60])
def test_an_outage_is_told_in_a_narrow_window_too(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    told = Told(Manner.BAR, Look(width=columns, moves=True))
    told.at(1, Doing("trying what the server honours"), OutOfReach(0.0, "no connection could be made"))
    told.at(35)
    assert "S3 out of reach for 34 s" in told.line
    told.at(36, Doing("copying"), progress(53_000, 20_000, listing_done=True))
    assert "S3 out of reach for 35 s" in told.line


def test_an_outage_is_told_in_a_notebook_too(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = mock.Mock()
    monkeypatch.setattr(bar, "_tqdm", lambda: mock.Mock(return_value=drawn))
    notebook = bar.NotebookBar("copying")
    notebook(OutOfReach(34.0, "no connection could be made"))
    notebook(progress(53_000, 20_000, listing_done=True))
    assert "S3 out of reach for 34 s" in drawn.bar_format
    notebook(OutOfReach(0.0))
    notebook(progress(53_000, 20_001, listing_done=True))
    assert "out of reach" not in drawn.bar_format


def test_a_line_of_an_outage_says_why() -> None:
    told = Told(Manner.LINES, Look())
    told.at(LINE_S, progress(10, 5), OutOfReach(10.0, "no connection could be made\x1b[31m"))
    assert ", S3 out of reach for 10 s (no connection could be made\\x1b[31m), " in told.text


def test_nothing_is_drawn_unless_asked_for_and_notices_are_said_all_the_same() -> None:
    told = Told(Manner.SILENT)
    told.at(100, progress(10, 5), Notice("orphan", "an upload\x1b[31m of unknown origin"))
    told.bar.close()
    assert told.text == "note: an upload\\x1b[31m of unknown origin\n"


def test_what_is_said_where_no_terminal_is_has_its_time() -> None:
    told = Told(Manner.LINES, Look())
    told.at(1, Notice("orphan", "an upload"))
    assert told.text == "2026-11-28T12:00:00Z note: an upload\n"


def test_what_is_said_stands_above_the_bar() -> None:
    told = Told(Manner.BAR)
    told.at(1, progress(10, 5), Notice("orphan", "an upload"))
    told.at(2)
    above, below = told.text.split("note: an upload\n")
    assert above.rsplit("\r", 1)[-1] == ""  # the bar was cleared from that line
    assert "5 of 10" in below


def test_what_is_said_above_the_bar_is_broken_between_words() -> None:
    told = Told(Manner.SILENT, Look(width=40, moves=True))
    told.bar(Notice("x", "the server could not be tried for copy-source-if-match on a copy"))
    told.bar(Notice("x", "some words before it, and then cartage restore s3://mine/old/"))
    assert told.text.splitlines() == [
        "note: the server could not be tried for",
        "copy-source-if-match on a copy",
        "note: some words before it, and then cartage restore s3://mine/old/",
    ]


def test_the_first_objects_set_aside_are_shown_and_the_rest_counted_elsewhere() -> None:
    told = Told(Manner.SILENT)
    for number in range(ASIDES_PRINTED + 5):
        told.bar(ObjectAside("raw", f"{number}\n", "failed", f"{number}", "access denied"))
    lines = told.text.splitlines()
    assert lines[0] == "failed: raw: 0\\n: access denied"
    assert len(lines) == ASIDES_PRINTED + 1
    assert lines[-1] == "more are in the ledger"


def test_what_is_set_aside_for_one_reason_is_shown_by_three_examples() -> None:
    told = Told(Manner.SILENT)
    for number in range(3_000):
        told.bar(ObjectAside("raw", f"{number}", "failed", "AccessDenied", "access denied"))
    told.bar(ObjectAside("raw", "a", "conflict", "TargetDiffers", "other bytes"))
    denied = [f"failed: raw: {number}: access denied" for number in range(ALIKE_PRINTED)]
    assert told.text.splitlines() == [*denied, "more are in the ledger", "conflict: raw: a: other bytes"]


def test_a_quiet_bar_says_nothing() -> None:
    told = Told(Manner.SILENT, say=False)
    told.at(100, ObjectAside("raw", "a", "failed", "AccessDenied", "access denied"), Notice("orphan", "an upload"))
    assert told.text == ""


@pytest.mark.parametrize("look, block", [(TERMINAL, "█"), (Look(width=80, moves=True, whole_unicode=False), "#")])
def test_the_bar_is_made_of_what_the_terminal_can_show(look: Look, block: str) -> None:
    told = Told(Manner.BAR, look)
    told.at(0, progress(1_000, 500, listing_done=True))
    assert f"|{block}" in told.line


def test_where_each_flag_puts_what(terminal: Terminal) -> None:
    plan = write_plan(terminal.folder)
    with answering(holding("old/a", "old/b")) as server:
        terminal.at(server.url)
        drawn = terminal.call("run", plan, "--progress", "--ledger", "1.ledger")
        plain = terminal.call("run", plan, "--ledger", "2.ledger")
        quiet = terminal.call("run", plan, "--quiet", "--ledger", "3.ledger")
        told = terminal.call("run", plan, "--json", "--progress", "--ledger", "4.ledger")
    assert drawn.err.startswith("\rlooking") and drawn.err.endswith("\r") and "copied 2 objects" in drawn.out
    assert plain.err == "" and "copied 2 objects" in plain.out and "\r" not in plain.out
    assert (quiet.out, quiet.err) == ("", "")
    assert told.err == "" and told.summary["copied"] == 2


def test_what_a_plan_counted_is_what_a_run_expects_and_a_status_tells(terminal: Terminal) -> None:
    plan = write_plan(terminal.folder)
    told: list[Event] = []
    with answering(holding("old/a", "old/b")) as server:
        terminal.at(server.url)
        assert terminal.call("plan", plan).code == 0
        asyncio.run(engine.migrate(engine.load_plan(plan), engine.Options(listener=told.append, assume="aws")))
    (copying,) = [event for event in told if isinstance(event, Doing) and event.what == "copying"]
    assert copying.objects == 2

    async def pulse() -> Pulse:
        return await anext(pulses(plan.with_suffix(".ledger")))

    assert asyncio.run(pulse()).expected == (2, copying.size_bytes)


@pytest.mark.parametrize("verb", ["cp", "sync", "set"])
def test_nothing_is_said_to_be_copied_or_set_before_it_is(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    said: list[str] = []
    begin = ProgressBar._begin

    def heard(bar: ProgressBar, doing: Doing, before: Meter | None) -> None:
        said.append(doing.what)
        begin(bar, doing, before)

    monkeypatch.setattr(ProgressBar, "_begin", heard)
    places = ("--storage-class", "STANDARD_IA") if verb == "set" else ("s3://cards-us/new/",)
    words = (verb, "s3://cards-us/old/", *places, "--assume", "aws")
    with answering(holding("old/a", "old/b")) as server:
        terminal.at(server.url)
        assert terminal.call(*words, "--dry-run").code == 0
        assert said == ["looking", "listing both sides"]
        said.clear()
        terminal.call(*words, "--yes")
        doing = ["trying what the server honours", "setting" if verb == "set" else "copying"]
        assert said == ["looking", *doing]
        said.clear()
        terminal.call(*words, "--yes")
        assert said == ["looking", "checking the ledger", *doing]


def test_an_export_tells_how_far_it_is(terminal: Terminal) -> None:
    plan = write_plan(terminal.folder)
    with answering(holding("old/a", "old/b")) as server:
        terminal.at(server.url)
        assert terminal.call("run", plan).code == 0
        ended = terminal.call("export", plan, "--output", terminal.folder / "proof.csv", "--json")
    told = [line for line in ended.lines if line["event"] == "progress"]
    assert [(line["listed"], line["listing_done"], line["done"]) for line in told] == [(2, True, 2)]
