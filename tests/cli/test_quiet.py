"""`--quiet`: nothing while all is well, a list where one was asked for, and never a failure without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import Options
from engine.cli.invocation import Invocation
from tests.cli.commands import Terminal


@pytest.fixture
def here(terminal: Terminal) -> Path:
    """A folder with `src/` of two files, and `full/`, in which a directory stands in the place of one of them."""
    for name in ("src", "full/a"):
        (terminal.folder / name).mkdir(parents=True)
    for name in "ab":
        (terminal.folder / "src" / name).write_text(name)
    return terminal.folder


def test_what_goes_well_is_not_told(terminal: Terminal, here: Path) -> None:
    ended = terminal.call("cp", "./src/", "./dst/", "-q")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_what_is_not_done_is_told_on_stderr_with_the_command_that_lists_it(terminal: Terminal, here: Path) -> None:
    ended = terminal.call("cp", "./src/", "./full/", "-q", "--ledger", "full.ledger")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.splitlines()[0] == "not done: 1 failed"
    assert ended.err.endswith("each with its reason: cartage status --failed --ledger full.ledger\n")
    listed = terminal.call("status", "--failed", "--ledger", "full.ledger", "-q")
    assert (listed.code, listed.out.splitlines()[0].split()[0]) == (0, "failed")


def test_with_json_the_summary_says_it(terminal: Terminal, here: Path) -> None:
    ended = terminal.call("cp", "./src/", "./full/", "-q", "--json")
    assert ended.summary["aside"] == {"failed": 1}
    assert ended.err == ""


def test_what_had_to_be_left_is_told(terminal: Terminal, here: Path) -> None:
    (here / "src" / "link").symlink_to("a")
    for words in (("cp", "./src/", "./dst/"), ("ls", "./src/"), ("fingerprint", "./src/")):
        ended = terminal.call(*words, "-q")
        assert ended.code == 3
        assert "left, since they cannot be objects: 1; first link" in ended.err


def test_a_difference_and_a_deletion_that_is_not_confirmed_are_told(terminal: Terminal, here: Path) -> None:
    assert terminal.call("cp", "./src/", "./dst/", "-q", "--ledger", "x.ledger").code == 0
    (here / "dst" / "a").write_text("another")
    ended = terminal.call("verify", "--ledger", "x.ledger", "-q")
    assert (ended.code, ended.out) == (4, "")
    assert ": 1 difference\n" in ended.err
    (here / "dst" / "more").write_text("more")
    ended = terminal.call("sync", "./src/", "./dst/", "--delete", "-q")
    assert (ended.code, ended.out) == (5, "")
    assert "nothing is deleted yet; to delete 1 object (4 B), exactly as listed" in ended.err


@pytest.mark.parametrize("words", [(), ("--summarize",), ("--recursive",)])
def test_a_list_is_what_was_asked_for(terminal: Terminal, here: Path, words: tuple[str, ...]) -> None:
    quiet, loud = (terminal.call("ls", "./src/", *words, *more) for more in (("-q",), ()))
    assert quiet.code == 0 and quiet.out
    assert [line.split()[-1] for line in quiet.out.splitlines()[:2]] == [
        line.split()[-1] for line in loud.out.splitlines()[:2]
    ]


@pytest.mark.parametrize(("code", "told"), [(3, "a page that has no word for it\n"), (130, ""), (0, "")])
def test_a_page_without_a_warning_is_told_whole_unless_the_reader_stopped_it(
    capsys: pytest.CaptureFixture[str], code: int, told: str
) -> None:
    invocation = Invocation("run", Options(), json=False, quiet=True, progress=None)
    invocation.say(["a page that has no word for it"])
    with pytest.raises(SystemExit):
        invocation.end(code, {})
    assert capsys.readouterr() == ("", told)
