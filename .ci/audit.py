"""`python .ci/audit.py PIP_AUDIT`: known vulnerabilities in what is installed with Cartage; not in what tests it.

Every extra has to be installed. Ends with 1 where there is one. What could not be asked about, for want of a service,
is said and no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LIMIT_S = 120
REPOSITORY = Path(__file__).resolve().parents[1]
FOR_DEVELOPERS = {"dev", "docs", "all"}
"""Extras that bring nothing to a user, or nothing but what the others bring."""


def required() -> list[str]:
    """What the project asks for, with what every extra brings to its users."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    own = f"{project['name']}["
    users = [line for name, lines in extras.items() if name not in FOR_DEVELOPERS for line in lines]
    return [*project["dependencies"], *(line for line in users if not line.startswith(own))]


def runtime(lines: Iterable[str]) -> dict[str, str]:
    """Each package that these requirements bring here, directly or not, with its version."""
    found: dict[str, str] = {}
    waiting = [Requirement(line) for line in lines]
    seen: set[str] = set()
    while waiting:
        needed = waiting.pop()
        if str(needed) in seen or (needed.marker and not needed.marker.evaluate({"extra": ""})):
            continue
        seen.add(str(needed))
        package = distribution(needed.name)
        found[canonicalize_name(needed.name)] = package.version
        for line in package.requires or []:
            inner = Requirement(line)
            marker, inner.marker = inner.marker, None
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in needed.extras | {""}):
                waiting.append(inner)
    return found


def verdict(asked: int, report: dict[str, Any] | None) -> tuple[int, list[str]]:
    """The exit code, and what to say. `report` is pip-audit's JSON, or None where it gave none.

    A service that answers "not found" is told by pip-audit as a package without known vulnerabilities that was left
    out; here it is one that was not checked."""
    packages = report["dependencies"] if report is not None else []
    checked = [item for item in packages if "skip_reason" not in item]
    lines = [f"{len(checked)} of {asked} packages checked"]
    if len(checked) < asked:
        lines.append(f"NOT CHECKED: {asked - len(checked)}, about which the vulnerability service gave no answer")
    bad = [
        f"{item['name']} {item['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version'}"
        for item in checked
        for flaw in item["vulns"]
    ]
    return (1 if bad else 0), [*lines, *bad]


def ask(program: str, packages: dict[str, str]) -> dict[str, Any] | None:
    with tempfile.TemporaryDirectory() as folder:
        pins, report = Path(folder, "pins.txt"), Path(folder, "report.json")
        pins.write_text("".join(f"{name}=={version}\n" for name, version in sorted(packages.items())))
        flags = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "10", "-f", "json"]
        try:
            subprocess.run(
                [program, "-r", pins, *flags, "-o", report], capture_output=True, timeout=LIMIT_S, check=False
            )
            return dict(json.loads(report.read_text()))
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return None


if __name__ == "__main__":
    needed = runtime(required())
    code, said = verdict(len(needed), ask(sys.argv[1], needed))
    print("\n".join(said))
    sys.exit(code)
