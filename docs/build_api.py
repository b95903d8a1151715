"""Writes docs/api.md from the docstrings of everything that `engine` gives: `python docs/build_api.py`.

What is read is the source (ast), so that a default stands as it was written and a comment beside a value is kept. A
docstring's indented lines are Python, and run in a test; a test too holds the page equal to what `page` gives here.
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
from typing import Any

import engine
import engine.api
from engine.cli.main import VERBS
from engine.errors import EngineError
from engine.events import Event

WIDTH = 100
RESULTS = (
    "Result",
    "Report",
    "Check",
    "Row",
    "Status",
    "Verification",
    "Acceptances",
    "Accepted",
    "Summary",
    "Policy",
    "Shared",
    "SharedObject",
)
WRITTEN = "<!-- written by docs/build_api.py from the docstrings: change those -->"

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Entry:
    """One name, with what its source says of it. `held`: a reader has it of a result, and changes nothing in it."""

    def __init__(self, name: str, thing: Any, *, held: bool = False) -> None:
        self.name = name
        self.thing = thing
        self.held = held
        self.is_type = inspect.isclass(thing)
        self.module = str(thing.__module__)

    @property
    def verb(self) -> str:
        """The command that a call carries out, where it has another name."""
        name = self.module.removeprefix("engine.api.")
        return name if name in VERBS and name != self.name else ""

    @property
    def title(self) -> str:
        return f"class {self.name}" if self.is_type else self.name

    @cached_property
    def definitions(self) -> list[tuple[ast.ClassDef, list[str]]]:
        """A class's source and its lines, after those of its bases that the page does not have by themselves."""
        given = {getattr(engine, name) for name in engine.__all__} - {self.thing}
        shown = [item for item in self.thing.__mro__ if item.__module__.startswith("engine.") and item not in given]
        return [(node, lines) for node, lines in map(source_of, reversed(shown)) if isinstance(node, ast.ClassDef)]

    def is_a(self, kind: type) -> bool:
        return self.is_type and issubclass(self.thing, kind)

    def markdown(self) -> str:
        if self.is_type:
            code = class_text(self)
        elif inspect.isfunction(self.thing):
            code = signature(source_of(self.thing)[0])
        else:
            code = re.sub(r"\b(collections\.abc|engine\.events|typing)\.", "", str(self.thing))
        parts = [f"### `{self.title}`", fenced(code, "text"), prose(inspect.getdoc(self.thing) or "")]
        if self.is_type:
            parts += [text for node, _ in self.definitions for text in members(node, changing=not self.held)]
        elif self.verb:
            parts.append(f"On the command line: `cartage {self.verb}`.")
        return "\n\n".join(filter(None, parts))


def source_of(thing: Any) -> tuple[ast.stmt, list[str]]:
    source = inspect.getsource(thing)
    return ast.parse(source).body[0], source.splitlines()


def fenced(code: str, language: str) -> str:
    return f"```{language}\n{code}\n```"


def arguments(node: Function, *, method: bool) -> Iterator[str]:
    """Each argument with its type and default, as the source has them."""
    named = [*node.args.posonlyargs, *node.args.args]
    defaults = [None] * (len(named) - len(node.args.defaults)) + node.args.defaults
    for argument, default in list(zip(named, defaults, strict=True))[1 if method else 0 :]:
        yield ast.unparse(argument) + (f" = {ast.unparse(default)}" if default is not None else "")
    if node.args.vararg is not None:
        yield f"*{ast.unparse(node.args.vararg)}"
    elif node.args.kwonlyargs:
        yield "*"
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        yield ast.unparse(argument) + (f" = {ast.unparse(default)}" if default is not None else "")


def signature(node: ast.stmt, owner: str = "") -> str:
    """A function as one calls it; a long one with an argument a line."""
    assert isinstance(node, Function)
    given = list(arguments(node, method=bool(owner)))
    head = f"{'async ' if isinstance(node, ast.AsyncFunctionDef) else ''}{owner}{node.name}("
    tail = f") -> {ast.unparse(node.returns)}" if node.returns is not None else ")"
    line = head + ", ".join(given) + tail
    return line if len(line) <= WIDTH else "\n".join([head, *(f"    {item}," for item in given), tail])


def class_text(entry: Entry) -> str:
    """A class with its fields or values. What it takes from a base is its own here."""
    bases = [ast.unparse(base) for base in entry.definitions[-1][0].bases]
    bases = [base for base in bases if base not in {node.name for node, _ in entry.definitions}]
    lines = [f"class {entry.name}({', '.join(bases)})" if bases else f"class {entry.name}"]
    for node, source in entry.definitions:
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and is_field(item):
                lines.append(f"    {ast.unparse(item.target)}: {ast.unparse(item.annotation)}{default_of(item.value)}")
            elif isinstance(item, ast.Assign) and issubclass(entry.thing, Enum):
                lines.append(f"    {source[item.lineno - 1].strip()}")
    return "\n".join(lines)


def is_field(item: ast.AnnAssign) -> bool:
    return not ast.unparse(item.target).startswith("_") and "ClassVar" not in ast.unparse(item.annotation)


def default_of(value: ast.expr | None) -> str:
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "field":
        given = {word.arg: word.value for word in value.keywords}
        if factory := given.get("default_factory"):
            made = factory.body if isinstance(factory, ast.Lambda) else ast.Call(factory, [], [])
            return f" = { ({'list()': '[]', 'dict()': '{}'}.get(ast.unparse(made), ast.unparse(made))) }"
        value = given.get("default")
    return f" = {ast.unparse(value)}" if value is not None else ""


def members(node: ast.ClassDef, *, changing: bool) -> Iterator[str]:
    """Properties and methods that say what they are; those that give nothing only where `changing`."""
    for item in node.body:
        said = ast.get_docstring(item) if isinstance(item, Function) and not item.name.startswith("_") else None
        if not isinstance(item, Function) or not said:
            continue
        marks = {ast.unparse(mark) for mark in item.decorator_list}
        if marks & {"property", "cached_property"}:
            yield f"`.{item.name}: {ast.unparse(item.returns) if item.returns is not None else 'Any'}`: {prose(said)}"
        elif changing or (item.returns is not None and ast.unparse(item.returns) != "None"):
            owner = node.name if marks & {"classmethod", "staticmethod"} else ""
            yield fenced(signature(item, f"{owner}."), "text") + f"\n\n{prose(said)}"


def prose(text: str) -> str:
    """A docstring as Markdown: a paragraph a line, what is indented as Python."""
    out = []
    for block in re.split(r"\n{2,}(?=\S)", text.strip()):
        lines = block.splitlines()
        if block.startswith("- "):
            out.append(re.sub(r"\n {2,}", " ", block))
            continue
        said = [line for line in lines if not line.startswith("    ")]
        out.append(" ".join(line.strip() for line in said if line))
        if code := [line[4:] for line in lines[len(said) - 1 :] if line.startswith("    ") or not line]:
            out.append(fenced("\n".join(code).strip("\n"), "python"))
    return "\n\n".join(filter(None, out))


def entries() -> list[Entry]:
    """Every name that the library gives: by command in the order in which a user meets them, then by module."""
    order = [*(f"engine.api.{verb}" for verb in VERBS), *sorted(set(engine._HOMES.values()))]
    found = [Entry(name, getattr(engine, name)) for name in engine.__all__]
    return sorted(found, key=lambda entry: order.index(engine._HOMES[entry.name]))


def held(holders: Iterable[Entry]) -> list[Entry]:
    """The engine's classes that are in these, and what is in them in turn."""
    known = {getattr(engine, name) for name in engine.__all__}
    found: dict[str, Entry] = {}
    waiting = list(holders)
    while waiting:
        entry = waiting.pop()
        names = vars(sys.modules[entry.module])
        for node in (item for definition, _ in entry.definitions for item in definition.body):
            for part in ast.walk(node.annotation) if isinstance(node, ast.AnnAssign) else ():
                thing = names.get(part.id) if isinstance(part, ast.Name) else None
                if inspect.isclass(thing) and thing.__module__.startswith("engine.") and thing not in known:
                    known.add(thing)
                    found[thing.__name__] = Entry(thing.__name__, thing, held=True)
                    waiting.append(found[thing.__name__])
    return [found[name] for name in sorted(found, key=str.lower)]


def page() -> str:
    """The whole of docs/api.md."""
    rest = entries()

    def take(which: Callable[[Entry], bool]) -> list[Entry]:
        taken = [entry for entry in rest if which(entry)]
        rest[:] = [entry for entry in rest if entry not in taken]
        return taken

    errors = take(lambda entry: entry.is_a(EngineError) or entry.module == "engine.errors")
    events = take(lambda entry: entry.is_a(Event) or entry.name == "Listener")
    plans = take(lambda entry: entry.module.startswith(("engine.plan", "engine.model")) or entry.name == "load_plan")
    verbs = take(lambda entry: inspect.iscoroutinefunction(entry.thing) or inspect.isasyncgenfunction(entry.thing))
    results = take(lambda entry: entry.is_type and entry.name.endswith(RESULTS))
    sections = {
        "Plans": plans,
        "Verbs": verbs,
        "What they take": rest,
        "What they give": results,
        "Events": events,
        "Errors": errors,
        "What plans and results hold": held([*(entry for entry in plans if entry.is_type), *results]),
    }
    text = ["# The library", WRITTEN, prose(inspect.getdoc(engine) or ""), prose(inspect.getdoc(engine.api) or "")]
    text += ["## Without `await`", prose(inspect.getdoc(engine.sync) or "")]
    for heading, items in sections.items():
        names = ", ".join(f"[`{item.name}`](#{item.title.lower().replace(' ', '-')})" for item in items)
        text += [f"## {heading}", names, *(item.markdown() for item in items)]
    return "\n\n".join(text) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / "api.md").write_text(page(), encoding="utf-8")
