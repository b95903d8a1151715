"""What a person sees: commands in a pseudo-terminal, at two widths, without colours, on a dumb terminal, and piped."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from docs.screens import CARTAGE, REPOSITORY, PseudoTerminal
from engine.sandbox import Sandbox, SandboxSettings, start_sandbox
from tests import forking
from tests.cli.commands import write_plan

BUCKET = "seen-at-a-terminal"
LONG = "a-very-long-name-of-a-first-level-prefix-that-ends-in-what-tells-it-from-others-"
ENVIRONMENT = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start_sandbox(SandboxSettings()) as sandbox:
        for number in range(3):
            prefix = f"old/{LONG}{number}/"
            sandbox.control("fill", {"bucket": BUCKET, "prefix": prefix, "count": 20, "size": 1000})
        yield sandbox


class Seat:
    """Where somebody sits: a folder with a plan, and an environment."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.folder = folder
        self.plan = write_plan(folder, BUCKET).name
        self.environment = ENVIRONMENT | {
            "AWS_ENDPOINT_URL_S3": sandbox.url,
            "AWS_ACCESS_KEY_ID": sandbox.access_key,
            "AWS_SECRET_ACCESS_KEY": sandbox.secret_key,
            "AWS_REGION": sandbox.region,
        }

    def at(self, width: int, *words: str, **environment: str) -> PseudoTerminal:
        return PseudoTerminal(
            [*CARTAGE, *words],
            width=width,
            folder=self.folder,
            environment=self.environment | environment,
            begin=forking.Popen,
        )

    def see(self, width: int, *words: str, **environment: str) -> tuple[int, list[str], bytes]:
        """Exit code, the screen at the end, and every byte that was written."""
        with self.at(width, *words, **environment) as shown:
            code = shown.end()
            assert shown.cursor == (0, True)
            return code, shown.lines(), shown.raw

    def piped(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *CARTAGE, *words],
            cwd=self.folder,
            env=self.environment | {"PYTHONPATH": str(REPOSITORY)} | environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def seat(sandbox: Sandbox, tmp_path: Path) -> Iterator[Seat]:
    yield Seat(sandbox, tmp_path)
    sandbox.control("settings", {"faults": [], "latency_ms": 0})


WEEK = (
    ("plan", "next: cartage run moving.toml"),
    ("run", "next: cartage verify moving.toml"),
    ("verify", "next: cartage cleanup moving.toml"),
    ("status", "next: cartage cleanup moving.toml"),
    ("cleanup", "next: cartage cleanup moving.toml"),  # the hold has not passed
)


@pytest.mark.parametrize("width", [80, 140])
def test_a_week_fits_the_terminal_and_each_day_ends_with_the_next(seat: Seat, width: int) -> None:
    for verb, last in WEEK:
        code, lines, raw = seat.see(width, verb, seat.plan, *(["--yes"] if verb == "run" else []))
        assert code == (5 if verb == "cleanup" else 0), lines
        assert lines[-1] == last
        assert b"\x1b[36mnext: " in raw
        for row in (line for line in lines if line.startswith(("raw ", "total "))):
            assert re.search(r"\d", row) and row.endswith(
                ("kB", "0", "digest")
            )  # a row is one line, to its last figure


def test_names_give_way_and_figures_do_not(seat: Seat) -> None:
    for width in (80, 160):
        _, lines, _ = seat.see(width, "ls", f"s3://{BUCKET}/old/", "--summarize")
        rows = [line for line in lines if "20.0 kB" in line or "20 kB" in line]
        assert len(rows) == 3
        for number, row in enumerate(rows):
            assert row.startswith("a-v") and f"thers-{number}/ " in row
            assert ("…" in row) == (width == 80)
            assert len(row) <= width


@pytest.mark.parametrize(
    "environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=lambda environment: next(iter(environment))
)
def test_without_colours_there_is_no_escape_and_the_width_still_counts(seat: Seat, environment: dict[str, str]) -> None:
    _, lines, raw = seat.see(80, "ls", f"s3://{BUCKET}/old/", "--summarize", **environment)
    assert b"\x1b" not in raw
    assert all(len(line) <= 80 for line in lines) and "…" in lines[1]


def test_a_terminal_of_another_encoding_sees_letters_that_it_has(seat: Seat) -> None:
    coded = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    _, lines, raw = seat.see(80, "ls", f"s3://{BUCKET}/old/", "--summarize", **coded)
    assert raw.isascii() and "..." in lines[1] and "\\u" not in lines[1]


def test_a_pipe_gets_plain_text_in_the_columns_that_it_had(seat: Seat) -> None:
    words = ("ls", f"s3://{BUCKET}/old/", "--summarize")
    piped = seat.piped(*words, COLUMNS="40")
    assert "\x1b" not in piped.stdout and f"{LONG}0/" in piped.stdout and piped.stderr == ""
    columns = {line.rindex("STANDARD") for line in piped.stdout.splitlines() if "STANDARD" in line}
    assert len(columns) == 1
    forced = seat.piped(*words, FORCE_COLOR="1").stdout
    assert "\x1b[" in forced and f"{LONG}0/" in forced


def slow(sandbox: Sandbox, seconds: float) -> None:
    sandbox.control("settings", {"latency_ms": seconds * 1000})


def test_a_run_shows_how_far_it_is_and_ctrl_c_leaves_the_terminal_clean(seat: Seat, sandbox: Sandbox) -> None:
    (seat.folder / seat.plan).write_text(
        (seat.folder / seat.plan).read_text().replace('prefix = "new/"', 'prefix = "slow/"')
    )
    slow(sandbox, 0.5)
    with seat.at(80, "run", seat.plan, "--yes", "--assume", "aws", "--concurrency", "2") as shown:
        shown.see("| ")
        shown.see("/s, ")
        assert re.search(r"^copying +\d+% \|.*\| \d+ of 60 objects", shown.text(), re.MULTILINE)
        assert len(shown.lines()) == 1  # drawn again in its place
        shown.type("\x03")
        assert shown.end() == 130
        assert shown.cursor == (0, True)
        lines = shown.lines()
    assert lines[0] == "stopping: finishing what is in flight (again to leave at once)"
    assert lines[1].startswith("moving: copied ")
    assert lines[-1].startswith("interrupted: everything known is committed")
    assert not any(line.startswith("copying") or "^C" in line for line in lines)


def test_what_is_neither_yes_nor_no_is_asked_again_and_the_end_of_stdin_is_a_no(seat: Seat) -> None:
    plan = seat.folder / seat.plan
    plan.write_text(plan.read_text().replace('prefix = "new/"', 'prefix = "asked/"'))
    with seat.at(100, "run", seat.plan) as shown:
        shown.see("Copy? [y/N]:")
        shown.type("maybe\n")
        shown.see('"maybe" is neither yes nor no: y copies what is shown; n, or Enter alone, ends it here')
        shown.type("\x04")  # Ctrl-D
        assert shown.end() == 1
        assert shown.lines()[-1] == "nothing was copied"
        assert shown.text().count("Copy? [y/N]:") == 2
    with seat.at(100, "run", seat.plan) as shown:
        shown.see("Copy? [y/N]:")
        shown.type("\x03")
        assert shown.end() == 130
    with seat.at(100, "run", seat.plan) as shown:
        shown.see("Copy? [y/N]:")
        shown.type(" Yes\n")
        assert shown.end() == 0
    with seat.at(100, "revert", seat.plan, "--delete") as shown:
        shown.see("type moving:")
        shown.type("\x04")
        assert (shown.end(), shown.lines()[-1]) == (1, "nothing was deleted")


def test_nothing_of_a_bar_is_left_or_mixed_into_output(seat: Seat, sandbox: Sandbox) -> None:
    seat.see(80, "run", seat.plan, "--yes")
    slow(sandbox, 0.6)
    _, lines, raw = seat.see(80, "verify", seat.plan)
    assert b"\rverifying: " in raw
    assert lines[0].startswith("route ") and not any("verifying" in line for line in lines)


def test_short_commands_draw_nothing(seat: Seat) -> None:
    seat.see(80, "run", seat.plan, "--yes")
    for words in (
        ("ls", f"s3://{BUCKET}/old/"),
        ("ls", f"s3://{BUCKET}/old/", "--summarize"),
        ("status", seat.plan),
        ("accept", seat.plan, "--list"),
    ):
        _, lines, raw = seat.see(80, *words)
        assert lines and b"\r" not in raw.replace(b"\r\n", b"")  # no line was drawn again


def test_check_says_what_it_waits_for(seat: Seat, sandbox: Sandbox) -> None:
    slow(sandbox, 4.0)
    with seat.at(120, "check", f"s3://{BUCKET}/old/") as shown:
        shown.see(f"waiting for {BUCKET} to answer at {sandbox.url}: ")
        shown.see(" of at most 5 min 0 s")
        shown.type("\x03")
        assert shown.end() == 130
        assert shown.lines() == ["interrupted: run the same command again to resume"]


@contextmanager
def running(seat: Seat, sandbox: Sandbox, target: str) -> Iterator[PseudoTerminal]:
    """A run that is under way, and has twenty seconds of work before it unless the server gets fast."""
    text = (seat.folder / seat.plan).read_text()
    (seat.folder / seat.plan).write_text(text.replace('prefix = "new/"', f'prefix = "{target}/"'))
    slow(sandbox, 0.3)
    with seat.at(100, "run", seat.plan, "--yes", "--assume", "aws", "--concurrency", "4") as run:
        run.see(" of 60 objects")
        slow(sandbox, 1.5)
        yield run


def test_the_status_of_a_run_says_who_is_at_work_how_far_and_how_fast(seat: Seat, sandbox: Sandbox) -> None:
    with running(seat, sandbox, "told") as run:
        code, lines, _ = seat.see(100, "status", seat.plan)
        assert code == 0
        assert re.fullmatch(rf"at work: pid {run.pid} on \S+, run for [\d.]+ s", lines[1])
        assert re.match(r"copying: \d+%, \d+ of 60 objects, .*/s", lines[2])
        assert lines[-1] == f"next: cartage status {seat.plan} --watch"
        before = json.loads(seat.piped("status", seat.plan, "--json").stdout)
        assert "worker" not in before
        run.type("\x03")
        assert run.end() == 130
    code, lines, _ = seat.see(100, "status", seat.plan)
    assert not any("at work" in line for line in lines)
    assert lines[-1] == f"next: cartage run {seat.plan}"


def test_watched_until_it_ends(seat: Seat, sandbox: Sandbox) -> None:
    with running(seat, sandbox, "watched") as run, seat.at(100, "status", seat.plan, "--watch") as watching:
        watching.see("copying  ")
        assert "at work: pid" in watching.text()
        slow(sandbox, 0)
        assert run.end() == 0
        assert watching.end() == 0
        lines = watching.lines()
    assert lines[-2:] == ["every object is in place", f"next: cartage verify {seat.plan}"]
    assert not any(line.startswith("copying  ") for line in lines)


def test_who_stops_watching_stops_nothing_else(seat: Seat, sandbox: Sandbox) -> None:
    with running(seat, sandbox, "left") as run, seat.at(100, "status", seat.plan, "--watch") as watching:
        watching.see("copying  ")
        watching.type("\x03")
        assert watching.end() == 130
        assert watching.cursor == (0, True)
        assert watching.lines()[-1] == "no longer watched; whoever is at work goes on"
        slow(sandbox, 0)
        assert run.end() == 0


def test_a_refusal_is_broken_between_words_unless_it_names_a_command(seat: Seat) -> None:
    code, lines, _ = seat.see(60, "ls", f"s3://{BUCKET}/older/")
    said = [line for line in lines if line]
    assert code == 2 and len(said) > 3 and max(map(len, said)) <= 60
    whole = " ".join(" ".join(said).split())
    assert (
        "holds nothing; near it hold something: s3://" in whole
        and "it may hold nothing, --allow-empty goes on" in whole
    )
    code, lines, _ = seat.see(40, "run", "nothing.toml")
    assert code == 2 and "cartage init nothing.toml" in "".join(lines)


def test_before_a_sync_asks_to_delete_it_says_what_its_copy_did_and_does_not_say_it_again(seat: Seat) -> None:
    for name, text in (("x/a", "of another size"), ("x/b", "new"), ("y/a", "older"), ("y/gone", "alone")):
        (seat.folder / name).parent.mkdir(exist_ok=True)
        (seat.folder / name).write_text(text)
    with seat.at(110, "sync", "./x/", "./y/", "--delete") as shown:
        shown.see("Copy? [y/N]:")
        shown.type("y\n")
        shown.see("for good? [y/N]:")
        before = shown.text()
        shown.type("y\n")
        assert shown.end() == 0
        after = shown.text()
    told = ("copied 2 objects", "wrote over 1 that stood at the target; the first: a", "Delete 1 object")
    copied, over, asked = map(before.find, told)
    assert 0 < copied < over < asked, before
    assert after.count("every object is in place") == 1 and "nothing was left to copy" not in after, after
    assert "1 object deleted" in after
