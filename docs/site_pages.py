"""What the site has beside docs/: README as its first page, the changelog, and every file of the repository that a page
leads to. mkdocs calls this (mkdocs.yml).

Pages are written for reading them as files: their links are those of the repository, `../README.md` among them. Here
each is turned into the link of the site. A text that is no page becomes one that shows it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md"}
"""Pages outside docs/, and where they are on the site."""

PICTURES = (".svg", ".png")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?\[[^\]]*\])\(([^)\s#]+)(#[^)\s]*)?\)")
LANGUAGES = {".py": "python", ".json": "json", ".toml": "toml", ".sh": "bash"}


def place_of(path: str) -> str:
    """Where a file of the repository, by its path there, is on the site."""
    if path in PAGES:
        return PAGES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"source/{path}" if path.endswith(PICTURES) else f"source/{path}.md"


def path_of(place: str) -> str:
    """The file of the repository that a page of the site is made from."""
    return {place: path for path, place in PAGES.items()}.get(place, f"docs/{place}")


def targets(markdown: str, path: str) -> list[str]:
    """The files of the repository that a page leads to."""
    prose = FENCE.sub("", markdown)
    return [resolved(found[2], path) for found in LINK.finditer(prose) if "://" not in found[2]]


def resolved(link: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies outside docs/."""
    for path, place in PAGES.items():
        files.append(File.generated(config, place, content=(REPOSITORY / path).read_text("utf-8")))
    led_to = {
        target
        for file in files.documentation_pages()
        for target in targets(file.content_string, path_of(file.src_uri))
        if not target.startswith("docs/") and target not in PAGES and (REPOSITORY / target).is_file()
    }
    for target in sorted(led_to):
        text = (REPOSITORY / target).read_text("utf-8")
        shown = text if target.endswith(PICTURES) else page_of(target, text)
        files.append(File.generated(config, place_of(target), content=shown))
    return files


def page_of(path: str, text: str) -> str:
    """A page that shows a file, and that the search leaves out."""
    fence, language = "`" * 8, LANGUAGES.get(Path(path).suffix, "text")
    head = f"---\nsearch: {{ exclude: true }}\n---\n\n# {path}\n\n"
    return f"{head}{fence}{language}\n{text}\n{fence}\n"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the repository's links into the site's, and give comments a line of their own."""
    place = page.file.src_uri
    if place.startswith("source/"):
        return markdown

    def turned(found: re.Match[str]) -> str:
        label, link, anchor = found[1], found[2], found[3] or ""
        if "://" in link:
            return found[0]
        target = place_of(resolved(link, path_of(place)))
        return f"{label}({posixpath.relpath(target, posixpath.dirname(place) or '.')}{anchor})"

    return "".join(
        part if part.startswith("```") else LINK.sub(turned, re.sub(r"^(<!--.*-->)$", r"\n\1\n", part, flags=re.M))
        for part in re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    )
