"""Writes docs/api.md from the docstrings of everything that `engine` gives: `python docs/build_api.py`.

A test holds the page equal to what `page` gives here.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import engine
import engine.api
from engine.errors import EngineError
from engine.events import Event

VALUES = ("engine.plan", "engine.model")


class Entry:
    """One name of the library, with what its source says of it."""

    def __init__(self, name: str, thing: Any) -> None:
        self.name = name
        self.thing = thing

    @cached_property
    def lines(self) -> list[str]:
        return inspect.getsource(self.thing).splitlines()

    @cached_property
    def node(self) -> ast.stmt:
        return ast.parse("\n".join(self.lines)).body[0]

    @property
    def is_type(self) -> bool:
        return inspect.isclass(self.thing)

    @property
    def module(self) -> str:
        return str(self.thing.__module__)

    def is_a(self, kind: type) -> bool:
        return inspect.isclass(self.thing) and issubclass(self.thing, kind)

    def markdown(self) -> str:
        if not self.is_type and not inspect.isfunction(self.thing):
            return f"### `{self.name}`\n\n`{shown(self.thing)}`\n"
        head = class_head(self) if self.is_type else signature(self.node)
        parts = [f"### `{self.name}`", f"```text\n{head}\n```", prose(inspect.getdoc(self.thing) or "")]
        if isinstance(self.node, ast.ClassDef):
            parts += members(self.node)
        return "\n\n".join(filter(None, parts)) + "\n"


def signature(node: ast.stmt, owner: str = "") -> str:
    """A function as one calls it; a long one with an argument a line."""
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = node.args
    if owner and arguments.args[:1]:
        arguments.args.pop(0)
    word = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    gives = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    line = f"{word}{owner}{node.name}({ast.unparse(arguments)}){gives}"
    if len(line) <= 100:
        return line
    parts = re.split(r", (?=[*\w]+[:=,]|\*)", ast.unparse(arguments))
    return "\n".join([f"{word}{owner}{node.name}(", *(f"    {part}," for part in parts), f"){gives}"])


def class_head(entry: Entry) -> str:
    """A class with its bases and fields, as its source has them."""
    assert isinstance(entry.node, ast.ClassDef)
    bases = [ast.unparse(base) for base in entry.node.bases]
    lines = [f"class {entry.name}({', '.join(bases)})" if bases else f"class {entry.name}"]
    for item in entry.node.body:
        named = isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.target.id[:1] != "_"
        hidden = named and "ClassVar" in ast.unparse(item.annotation)  # type: ignore[attr-defined]
        if (named and not hidden) or (isinstance(item, ast.Assign) and issubclass(entry.thing, Enum)):
            text = " ".join(line.strip() for line in entry.lines[item.lineno - 1 : item.end_lineno])
            lines.append("    " + re.sub(r"field\(default_factory=(?:lambda: )?(\w+)(\(.*\))?.*\)$", r"\1()", text))
    return "\n".join(lines)


def members(node: ast.ClassDef) -> Iterator[str]:
    """Properties and methods that say what they are."""
    for item in node.body:
        if not isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) or item.name.startswith("_"):
            continue
        said = ast.get_docstring(item)
        if not said:
            continue
        kinds = {ast.unparse(mark) for mark in item.decorator_list}
        if kinds & {"property", "cached_property"}:
            gives = f": {ast.unparse(item.returns)}" if item.returns is not None else ""
            yield f"`.{item.name}{gives}` {prose(said)}"
        else:
            owner = f"{node.name}." if "classmethod" in kinds else "."
            yield f"```text\n{signature(item, owner)}\n```\n\n{prose(said)}"


def prose(text: str) -> str:
    """A docstring as Markdown: a paragraph a line, what is indented as Python."""
    out = []
    for block in re.split(r"\n{2,}(?=\S)", text.strip()):
        lines = block.splitlines()
        if all(line.startswith("    ") or not line for line in lines):
            out.append("```python\n" + "\n".join(line[4:] for line in lines).strip("\n") + "\n```")
        elif lines[0].startswith(("- ", "* ")):
            out.append(re.sub(r"\n {2,}", " ", block))
        else:
            out.append(" ".join(line.strip() for line in lines))
    return "\n\n".join(out)


def shown(thing: Any) -> str:
    return re.sub(r"\b(collections\.abc|engine\.events|typing)\.", "", str(thing)).replace("NoneType", "None")


def entries() -> list[Entry]:
    """Every name of the library, in the order in which its modules have it."""
    order = list(engine._NAMES)  # by floor would be no help: a reader looks for a verb
    found = [Entry(name, getattr(engine, name)) for name in engine.__all__]
    return sorted(found, key=lambda entry: (order.index(engine._HOMES[entry.name]), entry.name.lower()))


def held(results: Iterable[Entry]) -> list[Entry]:
    """The engine's classes that the fields and properties of these hold, and theirs in turn."""
    known = {entry.thing for entry in entries()}
    found: dict[str, Entry] = {}
    waiting = list(results)
    while waiting:
        entry = waiting.pop()
        module: ModuleType = sys.modules[entry.module]
        for item in ast.walk(entry.node):
            if isinstance(item, ast.AnnAssign):
                names = [part.id for part in ast.walk(item.annotation) if isinstance(part, ast.Name)]
                for thing in (getattr(module, name, None) for name in names):
                    if inspect.isclass(thing) and thing.__module__.startswith("engine.") and thing not in known:
                        known.add(thing)
                        found[thing.__name__] = Entry(thing.__name__, thing)
                        waiting.append(found[thing.__name__])
    return [found[name] for name in sorted(found, key=str.lower)]


def page() -> str:
    """The whole of docs/api.md."""
    rest = entries()

    def take(which: Callable[[Entry], bool]) -> list[Entry]:
        taken = [entry for entry in rest if which(entry)]
        rest[:] = [entry for entry in rest if not which(entry)]
        return taken

    errors = take(lambda entry: entry.is_a(EngineError) or entry.module == "engine.errors")
    events = take(lambda entry: entry.is_a(Event) or entry.name == "Listener")
    plan = take(lambda entry: entry.module.startswith(VALUES) or entry.name == "load_plan")
    verbs = take(lambda entry: inspect.iscoroutinefunction(entry.thing) or inspect.isasyncgenfunction(entry.thing))
    results = take(lambda entry: entry.is_type and entry.name.endswith(RESULTS))
    sections = {
        "The verbs": verbs,
        "What they take": rest,
        "What they give": results,
        "What results hold": held(results),
        "Plans": plan,
        "Events": events,
        "Errors": errors,
    }
    text = ["# The library", HEAD, prose(inspect.getdoc(engine) or ""), prose(inspect.getdoc(engine.api) or "")]
    for title, items in sections.items():
        names = ", ".join(f"[`{item.name}`](#{item.name.lower()})" for item in items)
        text += [f"## {title}", names, *(item.markdown().rstrip() for item in items)]
    return "\n\n".join(text) + "\n"


RESULTS = ("Result", "Report", "Check", "Row", "Status", "Verification", "Acceptances", "Accepted", "Summary")
HEAD = (
    "<!-- written by docs/build_api.py from the docstrings; change those -->\n\n"
    "What `import engine` gives. The command line is made of these calls, so that whatever it does, a program can."
)

if __name__ == "__main__":
    (Path(__file__).parent / "api.md").write_text(page(), encoding="utf-8")
