"""docs/api.md is what the docstrings say, its Python runs, and the library gives all that it should."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import inspect
import re
import signal
import subprocess
import sys
from typing import Any, is_typeddict

import pytest

import engine
import engine.errors
import engine.events
from engine.cli.main import VERBS
from engine.sandbox import SandboxSettings, start_sandbox
from tests.cli.commands import Terminal, write_plan
from tests.docs.pages import DOCS, REPOSITORY, play_python
from tests.servers import Endpoint

PAGE = DOCS / "api.md"
CALLS = {
    "report": "report_on",
    "sync": "synchronize",
    "run": "migrate",
    "cp": "migrate",
    "set": "migrate",
    "plan": "survey",
    "init": "starter_plan",
}
"""Verbs whose call has another name: a plan and a run are things here, a copy without a file is `Plan.of` and a run."""
WITHOUT_CALL = {"demo", "sandbox", "help", "completion"}
"""They start a server, or are about the command line itself."""


def functions() -> dict[str, Any]:
    found = {name: getattr(engine, name) for name in engine.__all__}
    return {name: thing for name, thing in found.items() if inspect.isfunction(thing)}


def test_the_page_is_what_the_docstrings_say() -> None:
    spec = importlib.util.spec_from_file_location("build_api", DOCS / "build_api.py")
    assert spec is not None and spec.loader is not None
    built = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(built)
    assert PAGE.read_text(encoding="utf-8") == built.page(), "write it anew: python docs/build_api.py"


async def test_every_example_on_the_page_runs(terminal: Terminal) -> None:
    """One after another, as a reader would type them: each may use what those before it made."""
    names: dict[str, Any] = {}
    with start_sandbox(SandboxSettings()) as sandbox:
        sandbox.control("fill", {"bucket": "bucket", "prefix": "old/", "count": 12, "size": 100})
        terminal.on(Endpoint.of(sandbox))
        written = write_plan(terminal.folder)
        written.write_text(written.read_text() + "expect = { objects = 13 }\n[cleanup]\nhold = '0s'\n")
        written.rename(terminal.folder / "plan.toml")
        assert await play_python(PAGE, names) > 4
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    assert names["report"].agrees and names["result"].complete
    assert [item.because for item in (await engine.acceptances(names["plan"])).accepted] == ["two images a card"]


def test_every_verb_is_a_call() -> None:
    wanted = {CALLS.get(verb, verb) for verb in VERBS} - WITHOUT_CALL
    assert sorted(wanted - set(functions())) == []


def test_every_call_says_what_it_raises() -> None:
    calls = [name for name, thing in functions().items() if not inspect.isclass(thing)]
    silent = {"ledger_path", "starter_plan"}  # nothing
    assert [name for name in calls if "Raises" not in (functions()[name].__doc__ or "")] == sorted(silent)


def test_every_error_and_event_is_given() -> None:
    for module in (engine.errors, engine.events):
        own = {name for name, thing in vars(module).items() if getattr(thing, "__module__", "") == module.__name__}
        own -= {name for name in own if is_typeddict(getattr(module, name))}  # what a constructor takes
        assert sorted({name for name in own if name[:1].isupper()} - set(engine.__all__)) == []


def test_types_and_names_are_of_one_list() -> None:
    """What a type checker sees is what there is; and no name is a module's, which an import would put in its place."""
    stub = ast.parse((REPOSITORY / "engine" / "__init__.pyi").read_text(encoding="utf-8"))
    seen = {name.asname: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert seen.pop("sync") == "engine"  # the one module that is to be found under its name
    assert seen == engine._HOMES
    inside = {path.stem for path in (REPOSITORY / "engine").iterdir()}
    assert sorted(inside & set(engine.__all__)) == []


def test_the_library_costs_nothing_until_a_name_is_asked_for() -> None:
    script = "import sys, engine; print(*sorted(name for name in sys.modules if name.startswith('engine')))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert loaded.stdout.split() == ["engine"]
    assert not hasattr(engine, "no_such_name")
    with pytest.raises(AttributeError, match=re.escape("module 'engine' has no attribute 'look'")):
        getattr(engine, "look")  # noqa: B009
