"""The site is built of the pages without a warning, shows them as they were meant, and loads nothing from elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, REPOSITORY

LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}


class Seen(HTMLParser):
    """What a page loads, and the text of its paragraphs and headings."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.paragraphs: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag in LOADS and (url := given.get(LOADS[tag])) and given.get("rel") != "canonical":
            self.loaded.append(url)
        if tag == "p":
            self._inside = tag
            self.paragraphs.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.paragraphs[-1] += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=REPOSITORY,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, ""), done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def seen(site: Path) -> dict[str, Seen]:
    found = {}  # but for the page of a server that has no such page
    for path in set(site.rglob("*.html")) - {site / "404.html"}:
        found[path.relative_to(site).as_posix()] = page = Seen()
        page.feed(path.read_text("utf-8"))
    return found


def test_every_page_is_there(seen: dict[str, Seen]) -> None:
    pages = {f"{path.stem}.html" for path in DOCS.glob("*.md")} | {"index.html", "changelog.html"}
    assert pages - seen.keys() == set()


def test_nothing_is_loaded_from_elsewhere(site: Path, seen: dict[str, Seen]) -> None:
    elsewhere = re.compile(r"^(\w+:)?//")
    assert {url for page in seen.values() for url in page.loaded if elsewhere.match(url)} == set()
    for name, page in seen.items():
        here = [site / name / ".." / url.partition("?")[0].partition("#")[0] for url in page.loaded]
        assert [path for path in here if not Path(os.path.normpath(path)).is_file()] == []
    styles = [url for path in site.rglob("*.css") for url in re.findall(r"url\(([^)]*)\)|@import", path.read_text())]
    assert [url for url in styles if elsewhere.match(url.strip("'\""))] == []


def test_lists_and_tables_are_shown_as_such(seen: dict[str, Seen]) -> None:
    """Markdown is not one language: what GitHub takes for a list has to be one here too."""
    broken = [
        f"{name}: {line}"
        for name, page in seen.items()
        for text in page.paragraphs
        for line in text.splitlines()
        if re.match(r"\s*([-*] |\d+\. |\|.*\||```)", line)
    ]
    assert broken == []


def test_the_search_knows_the_pages_without_a_server(site: Path) -> None:
    index = (site / "search" / "search_index.js").read_text("utf-8")
    documents = json.loads(index.removeprefix("var __index = "))["docs"]
    found = {item["location"].partition("#")[0] for item in documents if "SlowDown" in item["text"]}
    assert {"index.html", "guides.html", "performance.html"} <= found
    assert "iframe-worker" in (site / "index.html").read_text("utf-8")
