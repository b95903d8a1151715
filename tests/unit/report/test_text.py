"""Other people's text in what people read, and in what they are told to type."""

from __future__ import annotations

import shlex
import subprocess
from types import SimpleNamespace

import pytest

from engine.plan.noted import noted
from engine.plan.shell import shell_word
from engine.report.delete import stays_text
from engine.report.ndjson import rounded
from engine.report.text import key_text, safe

NASTY = ["a b", "$(touch x);`x`|x", "'", "it's", '"', "-rf", "*", "~", "", "a\\b", "!x", "ü", "{a,b}", "#x", "$HOME"]


def test_a_folder_s_placeholder_is_not_called_the_one_key() -> None:
    assert key_text("") == "(the location itself)" and key_text("a") == "a"
    assert noted([("raw", "", "gone")]).first == "raw: (the location itself)"
    assert noted([("raw", "a", "gone")]).first == "raw: 'a'"


@pytest.mark.parametrize("text", NASTY)
def test_a_word_of_a_command_is_one_word_to_a_shell(text: str) -> None:
    assert shlex.split(shell_word(text)) == [text]


def test_a_shell_runs_nothing_of_its_words() -> None:
    line = " ".join(map(shell_word, NASTY))
    done = subprocess.run(["sh", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True)
    assert done.stdout.split("\0")[:-1] == NASTY


@pytest.mark.parametrize("text", ["a\nb", "it's\t\\n", "\x1b[2J", "\u202egnp.exe"])
def test_what_is_escaped_is_still_the_same_word(text: str) -> None:
    done = subprocess.run(["bash", "-c", f"printf %s {shell_word(text)}"], capture_output=True, check=True)
    assert done.stdout.decode() == text


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\u202egnp.exe", "\x9b31m", "\0"])
def test_what_would_write_on_the_terminal_is_escaped(text: str) -> None:
    for shown in (safe(text), shell_word(text)):
        assert shown.isprintable()


def test_one_stays_and_two_stay() -> None:
    assert stays_text(1, "source") == "1 source stays"
    assert stays_text(1_002, "source") == "1,002 sources stay"
    assert (stays_text(1), stays_text(2)) == ("1 stays", "2 stay")


def test_dollars_that_come_to_nothing_have_no_sign() -> None:
    values = rounded(SimpleNamespace(saved=-0.00001, once=-0.5), "saved once")
    assert [repr(value) for value in values.values()] == ["0.0", "-0.5"]
