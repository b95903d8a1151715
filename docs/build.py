"""Everything in docs/ that is made and not written: `python docs/build.py [--screens] [--site]`.

The pages that the code writes always; with --screens also the terminal's pictures, which play the whole reference
migration for a minute or two, and the report's, for which Chromium has to be there; with --site the site,
into build/site.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
PAGES = (
    ("docs/build_api.py",),  # docs/api.md
    ("docs/build_commands.py",),  # docs/commands.md
    ("docs/build_man.py",),  # docs/man/, docs/completion/
    ("docs/build_plan.py",),  # docs/plan.md
    ("-m", "bench", "--render"),  # bench/results/latest.svg and the table of docs/performance.md
)
SHOWN = {
    "run-80.svg": "run.svg",
    "report-wide-light.png": "report-wide-light.png",
    "report-narrow-dark.png": "report-narrow-dark.png",
}
"""The pictures that pages show, and their names in docs/assets; more of them are made."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--screens", action="store_true")
    arguments.add_argument("--site", action="store_true")
    given = arguments.parse_args()
    for command in PAGES:
        python(*command)
    if given.screens:
        python("docs/screens.py", "build/screens", "--width", "80", "--scale", "1")
        python("docs/report_screens.py", "build/screens")
        for made, name in SHOWN.items():
            (DOCS / "assets" / name).write_bytes((DOCS.parent / "build" / "screens" / made).read_bytes())
    if given.site:
        python("-m", "mkdocs", "build", "--strict")


def python(*command: str) -> None:
    subprocess.run([sys.executable, *command], cwd=DOCS.parent, check=True)


if __name__ == "__main__":
    main()
