"""The progress bar: on stderr, on a terminal or where asked for, its total growing; and what is said beside it."""

from __future__ import annotations

import io

from engine.events import Notice, ObjectAside, Progress
from engine.report.bar import ASIDES_PRINTED, ProgressBar
from tests.cli.canned import Copied, Listing, answering
from tests.cli.commands import Terminal, write_plan


def progress(listed: int, done: int, *, listing_done: bool = False, throttled: int = 0) -> Progress:
    return Progress(listed, listed * 1_000, listing_done, done, done * 1_000, done, 0, 0, done, throttled, 0.0, 4)


def test_the_total_grows_while_the_listing_goes_on() -> None:
    stream = io.StringIO()
    bar = ProgressBar(stream, verb="run", draw=True)
    bar(progress(1_000, 10))
    bar(progress(53_000, 20_000, listing_done=True, throttled=3))
    bar.close()
    drawn = stream.getvalue()
    assert "10/1,000 objects" in drawn
    assert "10 kB of 1 MB, still listing" in drawn
    assert "20,000/53,000 objects" in drawn
    assert "20 MB of 53 MB, 4 in flight, 3 × SlowDown" in drawn


def test_nothing_is_drawn_unless_asked_for_and_notices_are_said_all_the_same() -> None:
    stream = io.StringIO()
    bar = ProgressBar(stream, verb="run", draw=False)
    bar(progress(10, 5))
    bar(Notice("orphan", "an upload\x1b[31m of unknown origin"))
    bar.close()
    assert stream.getvalue() == "note: an upload\\x1b[31m of unknown origin\n"


def test_the_first_objects_set_aside_are_shown_and_the_rest_counted_elsewhere() -> None:
    stream = io.StringIO()
    bar = ProgressBar(stream, verb="run", draw=False)
    for number in range(ASIDES_PRINTED + 5):
        bar(ObjectAside("raw", f"{number}\n", "failed", "AccessDenied", "access denied"))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "failed: raw: 0\\n: access denied"
    assert len(lines) == ASIDES_PRINTED + 1
    assert lines[-1].endswith("more are in the ledger")


def test_a_quiet_bar_says_nothing() -> None:
    stream = io.StringIO()
    bar = ProgressBar(stream, verb="run", draw=False, say=False)
    bar(ObjectAside("raw", "a", "failed", "AccessDenied", "access denied"))
    bar(Notice("orphan", "an upload"))
    assert stream.getvalue() == ""


def test_where_each_flag_puts_what(terminal: Terminal) -> None:
    plan = write_plan(terminal.folder)
    with answering(
        lambda asked: (
            Copied() if asked.method == "PUT" else Listing(("old/a", "old/b") if asked.prefix == "old/" else ())
        )
    ) as server:
        terminal.at(server.url)
        drawn = terminal.call("run", plan, "--progress", "--ledger", "1.ledger")
        plain = terminal.call("run", plan, "--ledger", "2.ledger")
        quiet = terminal.call("run", plan, "--quiet", "--ledger", "3.ledger")
        told = terminal.call("run", plan, "--json", "--progress", "--ledger", "4.ledger")
    assert "2/2 objects" in drawn.err and "copied 2 objects" in drawn.out
    assert plain.err == "" and plain.out == drawn.out.replace("1.ledger", "2.ledger")
    assert (quiet.out, quiet.err) == ("", "")
    assert told.err == "" and told.summary["copied"] == 2
