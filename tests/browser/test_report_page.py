"""The report in a browser: at two widths, light and dark, with a keyboard. It asks for nothing and runs nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

import engine
from engine.report.status import status_values
from tests.browser.scene import Stage, made

pytestmark = pytest.mark.browser
CHROMIUM = os.environ.get("CARTAGE_BROWSER") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
SIZES = {"narrow": (390, 844), "wide": (1280, 900)}

CONTRAST = """() => {
  const linear = v => v / 255 <= .03928 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
  const bright = c => { const [r, g, b] = c.map(linear);
    return .2126 * r + .7152 * g + .0722 * b; };
  const parts = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const behind = e => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor);
    if (c.length && (c.length < 4 || c[3] > 0)) return c.slice(0, 3); } return [255, 255, 255]; };
  const low = [];
  for (const e of document.querySelectorAll("main *, header *, footer *")) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.getClientRects().length || e.tagName === "PROGRESS") continue;
    const style = getComputedStyle(e), ink = parts(e.tagName === "text" ? style.fill : style.color).slice(0, 3);
    const [a, b] = [bright(ink), bright(behind(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) low.push(`${e.tagName} ${e.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(low)];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("there is no Chromium (CARTAGE_BROWSER names one)")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])  # as root, in CI
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[Stage, Path]:
    """Written before the browser starts: its own event loop runs from then on."""
    found = {}
    for stage in (Stage.ASIDE, Stage.VERIFIED):
        folder = tmp_path_factory.mktemp(stage.value)
        report = anyio.run(engine.report_on, anyio.run(made, folder, stage))
        found[stage] = report.write(folder / "report.html")
    return found


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SIZES)
def width(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(pages: dict[Stage, Path], browser: Any, scheme: str, width: str) -> Iterator[Any]:
    """The page of a move in which something is not done; what the browser asks for or complains of is on it."""
    size = SIZES[width]
    context = browser.new_context(color_scheme=scheme, viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(pages[Stage.ASIDE].as_uri())
    yield page
    context.close()


def test_it_asks_for_nothing_complains_of_nothing_and_fits(opened: Any, pages: dict[Stage, Path], width: str) -> None:
    assert opened.asked == [pages[Stage.ASIDE].as_uri()]
    assert opened.said == []
    size, found = SIZES[width][0], opened.evaluate("[document.documentElement.scrollWidth, document.title]")
    assert found == [size, "pokemon-consolidation: Needs you"]
    opened.set_viewport_size({"width": 360, "height": 640})
    assert opened.evaluate("document.documentElement.scrollWidth") == 360


def test_every_text_can_be_read(opened: Any) -> None:
    for summary in opened.query_selector_all("summary"):
        summary.click()
    assert opened.evaluate(CONTRAST) == []


def test_one_picture_of_each_is_shown_and_has_a_name_and_a_table(opened: Any, width: str) -> None:
    other = "wide" if width == "narrow" else "narrow"
    shown = opened.eval_on_selector_all(f"figure svg.{width}", "all => all.map(e => e.getBoundingClientRect().width)")
    hidden = opened.eval_on_selector_all(f"figure svg.{other}", "all => all.map(e => e.getBoundingClientRect().width)")
    assert len(shown) == 3 and min(shown) > 200 and set(hidden) == {0}
    for name in opened.eval_on_selector_all("figure svg[role=img]", "all => all.map(e => e.ariaLabel)"):
        assert len(name) > 20
    assert opened.locator("figure details table").count() == 2  # that of the routes is on the page
    height = "all => all.map(e => Math.round(e.getBoundingClientRect().height))"
    assert min(opened.eval_on_selector_all(f"figure svg.{width} text", height)) >= 9


def test_a_keyboard_reaches_all_of_it(opened: Any) -> None:
    reached = []
    for _ in range(60):
        opened.keyboard.press("Tab")
        reached.append(opened.evaluate("document.activeElement.textContent.slice(0, 40)"))
        if reached[-1].startswith("Copying as a table"):
            break
    assert reached[0] == "Skip to the report"
    assert reached[1:4] == ["Progress", "Throughput", "Routes"]
    assert opened.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert not opened.evaluate("document.activeElement.parentElement.open")
    opened.keyboard.press("Enter")
    assert opened.evaluate("document.activeElement.parentElement.open")
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.getAttribute('role')") == "region", "a wide table can be moved"


def test_its_figures_are_those_of_status(pages: dict[Stage, Path], browser: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(pages[Stage.VERIFIED].as_uri())
    cells = "all => all.map(row => [...row.children].map(cell => cell.querySelector('data')?.value ?? cell.innerText))"
    rows = page.eval_on_selector_all("#routes table[aria-label='Every route'] tbody tr", cells)
    context.close()
    status = _status(pages[Stage.VERIFIED].parent / "pokemon-consolidation.ledger")
    for row in rows[:-1]:
        route = status["routes"][row[0]]
        assert [int(row[2]), int(row[-2]), int(row[-1])] == [
            route["states"]["verified"],
            route["objects"],
            route["bytes"],
        ]
    assert int(rows[-1][-2]) == status["settled"]


def _status(ledger: Path) -> dict[str, Any]:
    """Asked in a thread of its own: the browser has this one's event loop."""
    return status_values(engine.sync.status(ledger))
