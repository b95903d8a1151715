"""The documentation is true: its commands run and print what it shows, its Python runs, its links lead somewhere, and
every verb, exit code and environment variable is in it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import engine.errors
from engine.cli import codes as exit_codes
from engine.cli.ending import TRACEBACK
from engine.cli.main import VERBS
from engine.errors import EngineError
from engine.sandbox import SandboxSettings, start_sandbox
from tests.cli.commands import Terminal
from tests.docs.pages import DOCS, REPOSITORY, anchors, blocks, links, pages, sections, table_rows
from tests.servers import Endpoint

PLAYED = [
    "README.md",
    "docs/tutorial.md",
    "docs/guides.md",
    "docs/coming-from.md",
    "docs/json.md",
    "docs/storage.md",
    "docs/archived.md",
]
"""Pages whose console sessions are run, top to bottom, in an empty folder with a sandbox."""

GIVEN = ("cartage sandbox", 'eval "$(cartage sandbox')
"""What the test does itself: a sandbox of the page's own scale runs, and its variables are set."""

SCALE = re.compile(r"^\$ .*cartage sandbox .*--scale ([\d.]+)", flags=re.MULTILINE)
SHOWN = "<!-- shown -->"
"""Before a session whose figures are those of the whole migration: it is run, and its output not compared."""

FILE = re.compile(r"<!-- file: ([\w.]+) -->")
ENDS = re.compile(r"\s+# ends with (\d+)$")


# --- sessions -----------------------------------------------------------------------------------------------


@contextmanager
def stage(text: str, terminal: Terminal) -> Iterator[dict[str, str]]:
    """A sandbox with the reference migration, and the environment in which `cartage` finds it."""
    scale = float(found[1]) if (found := SCALE.search(text)) else 0.001
    with start_sandbox(SandboxSettings()) as sandbox:
        sandbox.control("reference", {"scale": scale})
        endpoint = Endpoint.of(sandbox)
        environment = endpoint.clean_env()
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        terminal.on(endpoint)
        yield environment


def play(command: str, terminal: Terminal, environment: dict[str, str]) -> tuple[int, str]:
    """Run a line of a session: in this process where it is a plain call of `cartage`, else in a shell."""
    if command.startswith("cartage ") and not re.search(r"[|<>&;$`]", command):
        ended = terminal.call(*shlex.split(command)[1:])
        return ended.code, ended.out + ended.err
    done = run(["bash", "-c", command], terminal.folder, environment)
    return done.returncode, done.stdout


def run(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def commands(session: str) -> Iterator[tuple[str, int, list[str]]]:
    """Each command of a session, the exit code that the page gives it, and the lines that it shows."""
    for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        code = int(found[1]) if (found := ENDS.search(line)) else 0
        yield ENDS.sub("", line), code, [shown for shown in output.splitlines() if shown.strip() not in ("", "…")]


VARYING = [
    (re.compile(r"http://127\.0\.0\.1:\d+"), "URL"),
    (re.compile(r"\b[0-9a-f]{16,}\b"), "HEX"),
    (re.compile(r"[+-]\d+ s from"), "N s from"),
    (re.compile(r"\s+"), " "),
]


def plain(line: str) -> str:
    for pattern, word in VARYING:
        line = pattern.sub(word, line)
    return line.strip()


def assert_shows(expected: list[str], output: str, where: str) -> None:
    """Each expected line is there, in order; "…" stands for anything within a line."""
    actual = iter([plain(line) for line in output.splitlines()])
    for line in expected:
        pattern = re.compile(".*".join(re.escape(part.strip()) for part in plain(line).split("…")).replace(r".*", ".*"))
        assert any(re.fullmatch(rf"\s*{pattern.pattern}\s*", shown) or pattern.fullmatch(shown) for shown in actual), (
            f"{where}: the page shows\n  {line}\nand the command printed\n{output}"
        )


@pytest.mark.parametrize("page", PLAYED)
def test_the_sessions_of_a_page_run_and_print_what_it_shows(page: str, terminal: Terminal) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    folder = terminal.folder
    ran = 0
    with stage(text, terminal) as environment:
        if page == "README.md":
            (folder / "examples").mkdir()
            (folder / "examples" / "pokemon.toml").write_bytes((REPOSITORY / "examples" / "pokemon.toml").read_bytes())
        for block in blocks(text):
            before = text.splitlines()[block.line - 2] if block.line > 1 else ""
            where = f"{page}:{block.line}"
            if found := FILE.search(before):
                (folder / found[1]).write_text(block.text, encoding="utf-8")
            elif block.language == "python":
                ended = run([sys.executable, "-c", block.text], folder, environment)
                assert ended.returncode == 0, f"{where}: {ended.stdout}"
                ran += 1
            elif block.language == "console":
                for command, code, expected in commands(block.text):
                    if command.startswith(GIVEN):
                        continue
                    ended_with, output = play(command, terminal, environment)
                    assert ended_with == code, f"{where}: {command}: {ended_with}\n{output}"
                    assert "Traceback" not in output
                    if SHOWN not in before:
                        assert_shows(expected, output, f"{where}: {command}")
                    ran += 1
    assert ran, f"{page} has nothing to run"


@pytest.mark.parametrize("page", PLAYED)
def test_a_page_begins_with_the_sandbox_that_its_commands_are_for(page: str) -> None:
    """Typed as they stand, they would go to a bucket of that name on AWS else."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    typed = [line for block in blocks(text) if block.language == "console" for line, _, _ in commands(block.text)]
    assert typed[0].startswith('eval "$(cartage sandbox --env')


def test_every_page_with_a_session_is_played_or_shows_only_the_sandbox() -> None:
    others = [page for page in pages() if page.relative_to(REPOSITORY).as_posix() not in PLAYED]
    unplayed = [
        f"{page.name}:{block.line}: {command}"
        for page in others
        for block in blocks(page.read_text(encoding="utf-8"))
        if block.language == "console"
        for command, _, _ in commands(block.text)
        if not command.startswith(GIVEN)
    ]
    assert unplayed == []


def test_the_readmes_two_commands_are_those_that_set_up_and_test() -> None:
    first_screen = "\n".join((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()[:70])
    (setup,) = [block for block in blocks(first_screen) if block.language == "sh" and "venv" in block.text]
    demo, tests = [line.partition("  #")[0].rstrip() for line in setup.text.splitlines()]
    assert demo == "python3 -m venv .venv && . .venv/bin/activate && pip install -q -e '.[sandbox]' && cartage demo"
    assert tests == ".venv/bin/pip install -q -e '.[dev]' && .venv/bin/python -m pytest"
    (python,) = [block for block in blocks(first_screen) if block.language == "python"]
    assert len([line for line in python.text.splitlines() if line.strip()]) <= 6


def test_the_readmes_first_screen_works_as_it_is_typed(tmp_path: Path) -> None:
    """In one shell, from the clone's folder; the sandbox is a hundredth of the size. Its figures are those of the page,
    but for the counts."""
    first_screen = (REPOSITORY / "README.md").read_text(encoding="utf-8").partition("\n## ")[0]
    (session,) = [block.text for block in blocks(first_screen) if block.language == "console"]
    typed = [command for command, _, _ in commands(session)]
    assert typed[0].startswith('eval "$(cartage sandbox --env')
    typed[0] = typed[0].replace("sandbox --env", "sandbox --env --scale 0.01").replace("--latency-ms 30", "")
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "pokemon.toml").write_bytes((REPOSITORY / "examples" / "pokemon.toml").read_bytes())
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # as the activated environment has it
    done = run(["bash", "-ec", "\n".join(typed)], tmp_path, {"PATH": path, "HOME": str(tmp_path)})
    assert done.returncode == 0, done.stdout
    assert re.search(r"^processed.objects .* DIFFERS$", done.stdout, flags=re.MULTILINE)
    assert "next: cartage verify examples/pokemon.toml" in done.stdout
    assert "pokemon-consolidation: everything agrees" in done.stdout


# --- links --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in links(page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


def test_every_page_is_in_the_readmes_index() -> None:
    linked = {link.partition("#")[0] for link in links((REPOSITORY / "README.md").read_text(encoding="utf-8"))}
    assert [page.name for page in DOCS.glob("*.md") if f"docs/{page.name}" not in linked] == []


# --- nothing is left out ------------------------------------------------------------------------------------


def everything() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in pages())


def test_every_verb_is_documented_and_in_the_table_of_exit_codes() -> None:
    text = everything()
    assert [verb for verb in VERBS if f"cartage {verb}" not in text] == []
    codes = (DOCS / "exit-codes.md").read_text(encoding="utf-8")
    body = dict(sections(codes, 2))["Which command ends with which"]
    listed = [verb for row in table_rows(body) for verb in re.findall(r"`(\w+)`", row[0])]
    assert sorted(listed) == sorted(VERBS)


def test_every_exit_code_is_documented() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    for item in vars(engine.errors).values():
        if isinstance(item, type) and issubclass(item, EngineError):
            codes.add(item.exit_code)
    text = (DOCS / "exit-codes.md").read_text(encoding="utf-8").split("## ")[0]
    assert {int(row[0]) for row in table_rows(text)} == codes


def test_no_command_is_named_that_there_is_not() -> None:
    named = set(re.findall(r"`?cartage ([a-z]+)\b", everything()))
    prose = {"is", "has", "finishes", "follows", "copies", "itself", "moves", "refuses", "that"}
    assert named - set(VERBS) - prose == set()


def test_the_variable_for_a_traceback_is_documented() -> None:
    assert f"`{TRACEBACK}=1`" in everything()
