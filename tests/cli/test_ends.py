"""How a command is stopped: Ctrl-C once and twice, SIGTERM, a reader of the pipe that leaves; and what is left then."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import IO

import pytest

from tests.cli.canned import Asked, Canned, Copied, Listing, answering
from tests.cli.commands import Terminal, write_plan

KEYS = tuple(f"old/{number:03}" for number in range(40))
OTHERS = tuple(f"other/{number:03}" for number in range(40))
WAIT_S = 60


class Held:
    """A server that holds every copy (or listing of the source) until it is let go, and says when the first has come.
    What was copied is in its listing of the target."""

    def __init__(self, hold: str = "PUT", keys: tuple[str, ...] = KEYS) -> None:
        self._hold = hold
        self._keys = keys
        self.come = threading.Event()
        self.go = threading.Event()
        self.copied: set[str] = set()

    def __call__(self, asked: Asked) -> Listing | Copied:
        if asked.method == self._hold or (self._hold == "LIST" and asked.prefix == "old/"):
            self.come.set()
            self.go.wait(WAIT_S)
        if asked.method == "PUT":
            self.copied.add(asked.path.removeprefix("/bucket/"))
            return Copied()
        after = asked.query.get("start-after", "")
        keys = {key for key in {*self._keys, *self.copied} if key.startswith(asked.prefix) and key > after}
        return Listing(tuple(sorted(keys)))


@pytest.fixture
def plan(terminal: Terminal) -> Path:
    return write_plan(terminal.folder)


def read_until(stream: IO[str] | None, text: str) -> str:
    """Read lines of a process up to one that holds `text`."""
    seen = ""
    assert stream is not None
    for line in stream:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"never said {text!r}: {seen}")


def resumes(terminal: Terminal, plan: Path, server: Canned) -> dict[str, object]:
    """The next run completes, on the ledger that the one before left."""
    ended = terminal.call("run", plan, "--json")
    assert ended.code == 0, ended.err
    assert ended.summary["complete"] is True
    assert ended.summary["resumed"] is True
    return ended.summary


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_finishes_what_is_in_flight_and_commits_it(
    terminal: Terminal, plan: Path, number: signal.Signals
) -> None:
    held = Held()
    with answering(held) as server:
        terminal.at(server.url)
        with terminal.start("run", plan, "--concurrency", "4") as process:
            assert held.come.wait(WAIT_S)
            process.send_signal(number)
            read_until(process.stderr, "stopping: finishing what is in flight (again to leave at once)")
            held.go.set()
            out, err = process.communicate(timeout=WAIT_S)
        assert process.returncode == 130
        assert "run the same command again to resume" in err
        assert "Traceback" not in err + out
        copied = len(server.copies)
        assert 0 < copied <= 4
        status = terminal.call("status", plan, "--json").summary
        assert status["settled"] == copied
        summary = resumes(terminal, plan, server)
        assert summary["copied"] == len(KEYS) - copied
        assert len(server.copies) == len(KEYS)


def test_a_cleanup_that_is_left_promises_no_more_than_it_does(terminal: Terminal, plan: Path) -> None:
    """What was deleted is in the ledger; what was looked at is looked at again, since nothing shows that a tag, an ACL
    or a lock changed meanwhile."""
    held = Held("LIST")
    held.go.set()
    with answering(held) as server:
        terminal.at(server.url)
        assert terminal.call("run", plan).code == 0
        held.go.clear()
        held.come.clear()
        with terminal.start("cleanup", plan) as process:
            assert held.come.wait(WAIT_S)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=WAIT_S)
        held.go.set()
    assert process.returncode == 130
    assert "interrupted: the same command again looks at all that is left anew" in err
    assert "resume" not in err


def test_a_second_signal_leaves_at_once_and_nothing_is_lost(terminal: Terminal, plan: Path) -> None:
    held = Held()
    with answering(held) as server:
        terminal.at(server.url)
        with terminal.start("run", plan, "--json", "--concurrency", "4") as process:
            assert held.come.wait(WAIT_S)
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)  # of two alike that come before the first is taken, one would be left
            out, err = process.communicate(timeout=WAIT_S)
            held.go.set()
        assert process.returncode == 130
        assert "Traceback" not in err
        assert json.loads(out.splitlines()[-1]) == {
            "event": "summary",
            "command": "run",
            "exit_code": 130,
            "interrupted": True,
        }
        resumes(terminal, plan, server)
        assert {asked.path for asked in server.copies} == {
            f"/bucket/new/raw/{key.removeprefix('old/')}" for key in KEYS
        }


@pytest.mark.parametrize("more", [(), ("--processes", "2")])
def test_one_signal_is_enough_while_s3_is_out_of_reach(terminal: Terminal, plan: Path, more: tuple[str, ...]) -> None:
    """What is in flight cannot be finished then, and would be tried for five minutes."""
    held = Held()

    def answer(asked: Asked) -> Listing | Copied:
        given = held(asked)
        if asked.method == "PUT":
            raise ConnectionError("the server is gone")
        return given

    with ExitStack() as stack:
        terminal.at(stack.enter_context(answering(answer)).url)
        with terminal.start("run", plan, "--concurrency", "4", "--progress", *more) as process:
            assert held.come.wait(WAIT_S)
            stack.close()
            held.go.set()
            read_until(process.stderr, "out of reach for")
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130
    assert "stopping" not in err
    assert "run the same command again to resume" in err


@contextmanager
def two_at_work(terminal: Terminal, plan: Path) -> Iterator[tuple[subprocess.Popen[str], Held, Canned]]:
    """A run of two routes by two processes, both with copies that the server holds. It is in a group of its own, all of
    which a terminal's Ctrl-C reaches."""
    plan.write_text(plan.read_text() + '[[routes]]\nname = "other"\nfrom = "/other/"\nto = "other/"\n')
    held = Held(keys=KEYS + OTHERS)
    with answering(held) as server:
        terminal.at(server.url)
        flags = ("--processes", "2", "--concurrency", "4")
        with terminal.start("run", plan, *flags, start_new_session=True) as process:
            meet(lambda: len(server.copies) == 4)
            yield process, held, server


def meet(condition: Callable[[], bool]) -> None:
    """Wait for what another process does soon."""
    until_s = monotonic() + WAIT_S
    while not condition():
        assert monotonic() < until_s
        sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_has_every_process_finish_what_is_in_flight(
    terminal: Terminal, plan: Path, number: signal.Signals
) -> None:
    with two_at_work(terminal, plan) as (process, held, server):
        os.killpg(process.pid, number)
        meet((plan.with_suffix(".ledger") / "at-work" / "stop").exists)
        held.go.set()
        _, err = process.communicate(timeout=WAIT_S)
        assert process.returncode == 130
        assert "stopping: finishing what is in flight (again to leave at once)" in err
        assert "Traceback" not in err
        assert terminal.call("status", plan, "--json").summary["settled"] == len(server.copies)
        resumes(terminal, plan, server)
        assert len(server.copies) == len(KEYS + OTHERS), "none was copied twice"


def test_a_second_signal_ends_every_process_at_once_and_nothing_is_lost(terminal: Terminal, plan: Path) -> None:
    with two_at_work(terminal, plan) as (process, held, server):
        os.killpg(process.pid, signal.SIGINT)
        meet((plan.with_suffix(".ledger") / "at-work" / "stop").exists)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=WAIT_S)  # to the end of what every process of it could write to
        assert held.copied == set(), "it did not wait for the server"
        assert process.returncode == 130
        assert "interrupted: run the same command again to resume" in err
        assert "Traceback" not in err
        assert terminal.call("status", plan, "--json").summary["settled"] == 0
        held.go.set()
        resumes(terminal, plan, server)
        assert {asked.key for asked in server.copies} == {
            *(key.replace("old/", "new/raw/") for key in KEYS),
            *(key.replace("other/", "new/other/") for key in OTHERS),
        }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_has_nothing_to_end_gently_ends_at_the_first_signal(
    terminal: Terminal, plan: Path, number: signal.Signals
) -> None:
    held = Held("LIST")
    with answering(held) as server:
        terminal.at(server.url)
        with terminal.start("plan", plan, "--json") as process:
            assert held.come.wait(WAIT_S)
            process.send_signal(number)
            out, err = process.communicate(timeout=WAIT_S)
            held.go.set()
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert json.loads(out.splitlines()[-1])["interrupted"] is True
    assert server.writes == []


def test_a_verification_that_is_stopped_says_so(terminal: Terminal, plan: Path) -> None:
    free, held = Held(), Held("LIST")
    free.go.set()
    held.copied = free.copied
    answer = free
    with answering(lambda asked: answer(asked)) as server:
        terminal.at(server.url)
        assert terminal.call("run", plan).code == 0
        answer = held
        with terminal.start("verify", plan) as process:
            assert held.come.wait(WAIT_S)
            process.send_signal(signal.SIGINT)
            read_until(process.stderr, "stopping")
            held.go.set()
            out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130
    assert "run the same command again" in err
    assert "Traceback" not in err + out


def test_a_reader_that_leaves_ends_the_run_quietly(terminal: Terminal, plan: Path) -> None:
    held = Held()
    with answering(held) as server:
        terminal.at(server.url)
        with terminal.start("run", plan, "--json", "--concurrency", "4") as process:
            assert process.stdout is not None and process.stderr is not None
            assert held.come.wait(WAIT_S)
            process.stdout.readline()
            process.stdout.close()
            held.go.set()
            err = process.stderr.read()
            process.wait(WAIT_S)
            process.stdout = None
        assert process.returncode == 1
        assert err == ""
        resumes(terminal, plan, server)


def test_a_killed_run_is_taken_up(terminal: Terminal, plan: Path) -> None:
    held = Held()
    with answering(held) as server:
        terminal.at(server.url)
        with terminal.start("run", plan, "--concurrency", "4") as process:
            assert held.come.wait(WAIT_S)
            process.kill()
            process.communicate(timeout=WAIT_S)
            held.go.set()
        assert process.returncode == -signal.SIGKILL
        status = terminal.call("status", plan)
        assert status.code == 0
        assert "40" in status.out
        resumes(terminal, plan, server)
