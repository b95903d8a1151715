"""Pictures of a report for these pages, by Chromium: `python docs/report_screens.py FOLDER` writes one for each width
and theme. Needs the extra `dev`, and a Chromium on the path or named by CARTAGE_BROWSER.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import anyio
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import engine
from tests.browser.scene import Stage, made

SIZES = {"narrow": (390, 844), "wide": (1280, 900)}


def main(folder: Path) -> None:
    """Write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scene:
        report = anyio.run(engine.report_on, anyio.run(made, Path(scene), Stage.VERIFIED))
        page = report.write(Path(scene) / "report.html")
        with sync_playwright() as playwright:
            program = os.environ.get("CARTAGE_BROWSER") or shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            for name, (width, height) in SIZES.items():
                for scheme in ("light", "dark"):
                    view = browser.new_page(viewport={"width": width, "height": height})
                    view.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                    view.goto(page.as_uri())
                    view.screenshot(path=folder / f"report-{name}-{scheme}.png")
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/assets"))
