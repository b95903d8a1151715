"""Reading the documentation as its tests need it: headings, tables, links, blocks of code."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import prometheus_client

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"


class Block(NamedTuple):
    """A fenced block of code, with the line that it begins on."""

    language: str
    text: str
    line: int


def pages() -> list[Path]:
    """Every page of the documentation, the README among them."""
    return [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def sections(text: str, level: int) -> Iterator[tuple[str, str]]:
    """Heading and body of each section of this level; a body ends at the next heading of its level or above."""
    mark = "#" * level
    parts = re.split(rf"^{mark} (.+)$", text, flags=re.MULTILINE)
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        yield heading, re.split(rf"^#{{1,{level}}} ", body, maxsplit=1, flags=re.MULTILINE)[0]


def table_rows(text: str) -> list[list[str]]:
    """The rows of the tables in a text, without their heads."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    heads = {index - 1 for index, row in enumerate(rows) if set("".join(row)) <= set("-| :")}
    return [
        [cell.strip().strip("|").strip() for cell in row]
        for index, row in enumerate(rows)
        if index not in heads and index - 1 not in heads
    ]


def blocks(text: str) -> list[Block]:
    """The fenced blocks of code."""
    found = []
    for match in re.finditer(r"^```(\w*)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        found.append(Block(match[1], match[2], text[: match.start()].count("\n") + 1))
    return found


async def play_python(page: Path, names: dict[str, Any]) -> int:
    """Run a page's Python, one block after another in one world of names, and say how many blocks there were.

    What an example registers with Prometheus' one registry of a process is gone with the page: another page registers
    the same figures, and the tests of both may run in one process.
    """
    names["__name__"] = "example"
    examples = [block for block in blocks(page.read_text(encoding="utf-8")) if block.language == "python"]
    with patch.object(prometheus_client, "REGISTRY", prometheus_client.CollectorRegistry()):
        for example in examples:
            code = compile(example.text, f"{page}:{example.line}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if inspect.iscoroutine(running := eval(code, names)):
                await running
    return len(examples)


def links(text: str) -> list[str]:
    """Where the page's links go, those in blocks of code left out."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", prose)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), flags=re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.replace(" ", "-"))
    return found
