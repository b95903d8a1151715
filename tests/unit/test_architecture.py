"""The floors of docs/design.md, and the house rules that a program can check.

A module imports from floors below its own, or from its own part. Everything is read from the source text (ast), so
that an import inside a function counts as much as one at the top.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from engine.cli.main import VERBS

REPOSITORY = Path(__file__).resolve().parents[2]

# From the ground up. A part is a folder of engine/, or one of its single modules; those on one line stand beside
# each other and know nothing of each other, but for the single modules of one line, which share a folder.
FLOORS: tuple[tuple[str, ...], ...] = (
    (
        "errors",
        "model",
        "events",
        "crc",
        "checksums",
        "bucket_facts",
        "freshness",
        "at_once",
        "to_the_end",
        "process",
        "extras",
        "logs",
        "shown",
        "version",
    ),
    ("plan", "store", "decorator", "bodies", "windows"),
    ("s3", "ledger", "listing", "folder"),
    ("sites", "journal"),
    ("transfer",),
    ("proof", "archive"),
    ("finish", "references", "shards"),
    ("api",),
    ("", "sync"),  # engine/__init__.py
    ("report",),
    ("cli",),
)
SANDBOX = "sandbox"
"""Stands apart: an S3 server that shares no code with what it tests but the values of the ground floor."""

KNOWS_S3 = {
    "engine/api/check.py: engine.s3.session",  # who one is
    "engine/finish/sending.py: engine.s3.request_xml",  # which keys a batch of deletes can name
    "engine/cli/versions.py: engine.s3.trust",  # whose OpenSSL does TLS
    "engine/sites/links.py: engine.s3.session",  # a link is a signature, and no request
    "engine/sites/links.py: engine.s3.signing",
    "engine/sites/listings.py: engine.s3.request_xml",  # which keys a listing can show
    "engine/sites/opening.py: engine.s3.boto_store",
    "engine/sites/opening.py: engine.s3.logged",
    "engine/sites/opening.py: engine.s3.s3_store",
    "engine/sites/opening.py: engine.s3.session",
    "engine/sites/opening.py: engine.s3.wire_store",
    "engine/sites/site.py: engine.s3.session",
}
"""Who knows more of S3 than its store. Retrying, pacing, tolerating and doubting do not."""

MAY_IMPORT_SANDBOX = {"cli", SANDBOX}
MAY_PRINT = ("engine/cli/", "engine/report/", "engine/sandbox/__main__.py")

# What waits, talks, remembers or asks the machine. plan/ decides, and needs none of it.
IMPURE = {
    "aioboto3", "aiobotocore", "anyio", "asyncio", "boto3", "botocore", "concurrent", "ftplib", "http", "httptools",
    "io", "logging", "multiprocessing", "os", "random", "requests", "secrets", "select", "selectors", "shutil",
    "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "tqdm", "urllib3",
    "uvloop",
}  # fmt: skip

LONGEST_FILE = 450
"""Lines. 400 is where to look twice; this is where it stops."""

SHAPELESS = {"utils", "util", "helpers", "helper", "manager", "managers", "misc", "common_utils"}


def sources(folder: str) -> Iterator[Path]:
    return iter(sorted((REPOSITORY / folder).rglob("*.py")))


def shown(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def part_of(path: Path) -> str:
    """The part of engine/ that a file belongs to."""
    first = path.relative_to(REPOSITORY / "engine").parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def floor_of(part: str) -> int:
    return next(number for number, parts in enumerate(FLOORS) if part in parts)


def share_a_folder(one: str, other: str) -> bool:
    """Whether both are single modules, and so stand in engine/ itself."""
    return not any((REPOSITORY / "engine" / part).is_dir() for part in (one, other) if part)


@cache
def imports(path: Path) -> tuple[tuple[int, str], ...]:
    """Every module that a file names in an import, with the line. `from engine import api` names engine.api."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{shown(path)}:{node.lineno}: a relative import"
            module = node.module or ""
            if module == "engine":
                for name in node.names:
                    part = REPOSITORY / "engine" / name.name
                    is_module = part.is_dir() or part.with_suffix(".py").is_file()
                    yield node.lineno, f"engine.{name.name}" if is_module else "engine"
            else:
                yield node.lineno, module


def imported_parts(path: Path) -> Iterator[tuple[int, str]]:
    for line, module in imports(path):
        names = module.split(".")
        if names[0] == "engine":
            yield line, names[1] if len(names) > 1 else ""


def test_every_part_of_the_engine_has_a_floor() -> None:
    known = {part for parts in FLOORS for part in parts} | {SANDBOX}
    assert sorted({part_of(path) for path in sources("engine")} - known) == []


def test_the_floors_are_those_that_the_design_shows() -> None:
    text = (REPOSITORY / "docs" / "design.md").read_text(encoding="utf-8")
    table = text.partition("## Floors")[2].partition("engine/\n")[2].partition("\nbench/")[0]
    shown: dict[str, int] = {}
    number = 0
    for left, floor in re.findall(r"^  (?=\w)(.{32,33}) ?( \d|\d\d|–|  )  ", table, flags=re.MULTILINE):
        number = int(floor) if floor.strip().isdigit() else number
        if floor.strip() != "–":
            shown |= {"" if name == "__init__" else name: number for name in re.findall(r"(\w+)(?:/|\.py)", left)}
    assert shown == {part: number for number, parts in enumerate(FLOORS) for part in parts}


def test_imports_point_down_or_stay_in_their_part() -> None:
    offences = []
    for path in sources("engine"):
        part = part_of(path)
        if part == SANDBOX:
            continue
        for line, other in imported_parts(path):
            if other in (part, SANDBOX):
                continue
            beside = floor_of(other) == floor_of(part) and share_a_folder(part, other)
            if floor_of(other) >= floor_of(part) and not beside:
                offences.append(f"{shown(path)}:{line}: {part or 'engine'} may not import {other or 'engine'}")
    assert offences == []


def test_no_modules_of_the_plan_import_each_other() -> None:
    above = {
        path.stem: {module.split(".")[2] for _, module in imports(path) if module.startswith("engine.plan.")}
        for path in sources("engine/plan")
    }
    while free := [name for name, needed in above.items() if not needed & above.keys()]:
        for name in free:
            del above[name]
    assert above == {}, "these stand in a circle"


def test_nothing_above_the_sites_knows_how_s3_is_spoken() -> None:
    assert sorted(
        {
            f"{shown(path)}: {module}"
            for path in sources("engine")
            for _, module in imports(path)
            if module.startswith("engine.s3") and part_of(path) not in ("s3", SANDBOX)
        }
    ) == sorted(KNOWS_S3)


def test_only_the_command_line_imports_the_sandbox() -> None:
    assert [
        f"{shown(path)}:{line}"
        for path in sources("engine")
        for line, other in imported_parts(path)
        if other == SANDBOX and part_of(path) not in MAY_IMPORT_SANDBOX
    ] == []


def test_the_sandbox_shares_nothing_with_the_engine_but_its_ground_floor() -> None:
    assert [
        f"{shown(path)}:{line}: {other}"
        for path in sources(f"engine/{SANDBOX}")
        for line, other in imported_parts(path)
        if other != SANDBOX and other not in FLOORS[0]
    ] == []


def test_the_library_neither_prints_nor_exits() -> None:
    offences = []
    for path in sources("engine"):
        if shown(path).startswith(MAY_PRINT):
            continue
        for node in ast.walk(tree(path)):
            match node:
                case ast.Call(func=ast.Name(id="print" | "exit" | "quit" | "input")):
                    offences.append(f"{shown(path)}:{node.lineno}")
                case ast.Attribute(value=ast.Name(id="sys"), attr="exit" | "stdout" | "stderr" | "stdin"):
                    offences.append(f"{shown(path)}:{node.lineno}")
                case ast.Attribute(value=ast.Name(id="os"), attr="_exit"):
                    offences.append(f"{shown(path)}:{node.lineno}")
                case ast.Name(id="SystemExit"):
                    offences.append(f"{shown(path)}:{node.lineno}")
                case _:
                    pass
    assert offences == []


def test_the_plan_decides_without_touching_the_world() -> None:
    offences = []
    for path in sources("engine/plan"):
        for line, module in imports(path):
            if module.partition(".")[0] in IMPURE or module == "urllib.request":
                offences.append(f"{shown(path)}:{line}: imports {module}")
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module == "pathlib":  # pure paths are names, and no files
                names = [name.name for name in node.names if not name.name.startswith("Pure")]
                offences += [f"{shown(path)}:{node.lineno}: imports pathlib.{name}" for name in names]
            if isinstance(node, ast.Import) and any(name.name == "pathlib" for name in node.names):
                offences.append(f"{shown(path)}:{node.lineno}: imports all of pathlib")
            if isinstance(node, ast.AsyncFunctionDef | ast.Await):
                offences.append(f"{shown(path)}:{node.lineno}: async")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
                offences.append(f"{shown(path)}:{node.lineno}: opens a file")
            if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today"):
                offences.append(f"{shown(path)}:{node.lineno}: reads the clock")
    assert offences == []


def test_no_file_is_too_long_to_read() -> None:
    lengths = {shown(path): len(path.read_text().splitlines()) for path in [*sources("engine"), *sources("bench")]}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_no_module_is_named_for_what_it_is_not() -> None:
    assert [
        shown(path)
        for folder in ("engine", "bench", "tests")
        for path in sources(folder)
        if {path.stem, path.parent.name} & SHAPELESS
    ] == []


SHARED = {
    "api": {
        "asked", "blocking", "carrying", "commands", "consent", "following", "history", "lists", "load",
        "metrics", "opening", "options", "returning", "stopping", "watching",
    },
    "report": {
        "arrow", "bar", "diff", "drawing", "elements", "markup", "meter", "ndjson",
        "notebook", "page", "pictures", "sections", "series",
        "standing", "tallies", "text", "verdicts", "webpage",
    },
    "cli": {
        "choices", "codes", "confirming", "ending", "entry", "everyday", "invocation", "keeping",
        "ledgers", "logs", "look", "main", "mistakes", "move", "project", "reference", "route_flags", "shared",
        "signals", "trying", "versions", "words",
    },
}  # fmt: skip
"""What several verbs use, named for what it is."""


@pytest.mark.parametrize("part", SHARED)
def test_a_verb_has_a_module_of_its_name_on_every_floor(part: str) -> None:
    modules = {path.stem for path in sources(f"engine/{part}")} - {"__init__"}
    assert sorted(modules - SHARED[part] - set(VERBS)) == []
    assert sorted(SHARED[part] - modules) == []


def test_every_module_says_what_it_is_for() -> None:
    begins = re.compile(r'(?:#.*\n|\s)*(?:r?"""|\Z)')  # or is empty; without parsing the tests, which takes seconds
    assert [
        shown(path)
        for folder in ("engine", "bench", "tests")
        for path in sources(folder)
        if not begins.match(path.read_text())
    ] == []


def tracked_texts() -> Iterator[tuple[str, str]]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True, text=True)
    for name in listed.stdout.split("\0"):
        path = REPOSITORY / name
        if not name or not path.is_file():  # deleted in the working tree, not committed yet
            continue
        data = path.read_bytes()
        if b"\0" not in data:
            yield name, data.decode("utf-8")


# Spelled in pieces, so that this file does not find itself.
FOREIGN = re.compile(
    "|".join(
        [
            r"(?<![\w.:*/-])/(?:wo" r"rk|ro" r"ot|ho" r"me)/\w",
            r"/op" r"t/(?:pypi|wheels)",
            r"\.\./sha" r"red\b",
            r"pypi\.org/sim" r"ple",
            r"pythonhos" r"ted\.org",
            r"--(?:extra-)?index-u" r"rl",
            r"--find-li" r"nks",
        ]
    )
)


@pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="not a clone: there is no list of tracked files")
def test_no_tracked_file_knows_the_machine_or_the_index_it_was_made_with() -> None:
    assert [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in tracked_texts()
        for number, line in enumerate(text.splitlines(), 1)
        if FOREIGN.search(line)
    ] == []
