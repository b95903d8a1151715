"""The manual page and the shells' files are what can be typed, and roff that a manual's reader can be shown."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tomllib
from types import ModuleType

import pytest

from engine.cli.grammar.reference import reference, shared_flags
from tests.docs.pages import DOCS, REPOSITORY

MACROS = {".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".RI", ".I", ".RS", ".RE", '.\\"'}


@pytest.fixture(scope="module")
def build_man() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_man", DOCS / "build_man.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_are_current(build_man: ModuleType) -> None:
    stale = [path.name for path, text in build_man.files().items() if path.read_text("utf-8") != text]
    assert stale == [], "run python docs/build_man.py"


def test_each_of_them_comes_with_the_package(build_man: ModuleType) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert set(shared) == {path.relative_to(REPOSITORY).as_posix() for path in build_man.files()}


def test_every_command_example_and_flag_is_in_it(build_man: ModuleType) -> None:
    said = build_man.page().replace("\\-", "-")
    for verb in reference():
        section = said.partition(f".SS {verb.usage}\n")[2].partition("\n.SS ")[0]
        wanted = [flag.spelling for _, flags in verb.own for flag in flags]
        wanted += [example.line for example in verb.examples]
        assert [text for text in wanted if build_man.escaped(text).replace("\\-", "-") not in section] == []
    shared = said.partition(".SH FLAGS OF NEARLY EVERY COMMAND\n")[2].partition("\n.SH ")[0]
    assert [flag.spelling for _, flags in shared_flags() for flag in flags if flag.spelling not in shared] == []


def test_it_is_plain_roff(build_man: ModuleType) -> None:
    page = build_man.page()
    assert page.isascii()
    assert {line.split(" ")[0] for line in page.splitlines() if line.startswith((".", "'"))} <= MACROS
    assert set(re.findall(r"\\(?:f[BR]|\[u[0-9A-F]{4,5}\]|.)", page)) <= {
        *(f"\\[u{ord(character):04X}]" for character in "…–µ≥≤×·’“”"),
        *("\\-", "\\e", "\\&", '\\"', "\\fB", "\\fR"),
    }
    if shutil.which("groff"):
        command = ["groff", "-man", "-Tutf8", "-ww"]
        shown = subprocess.run(command, input=page, capture_output=True, text=True, check=True)
        assert shown.stderr == ""
        assert "EXIT STATUS" in re.sub(".\b", "", shown.stdout)  # bold is a letter struck twice


def test_text_that_looks_like_roff_is_shown_as_it_is(build_man: ModuleType) -> None:
    assert build_man.escaped(".TH\n'x' \\n --a …") == "\\&.TH\n\\&'x' \\en \\-\\-a \\[u2026]"
