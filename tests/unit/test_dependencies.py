"""A known vulnerability in what Cartage runs on fails CI, and what could not be asked about is never called safe."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", REPOSITORY / ".ci" / "audit.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SAFE = {"name": "anyio", "version": "4.6", "vulns": []}
SKIPPED = {"name": "click", "skip_reason": "it could not be audited"}
FLAWED = {
    "name": "idna",
    "version": "3.4",
    "vulns": [{"id": "PYSEC-2024-60", "fix_versions": ["3.7"], "aliases": [], "description": ""}],
}


@pytest.mark.parametrize(
    ("report", "code", "said"),
    [
        ([SAFE, SAFE], 0, ["2 of 2 packages checked"]),
        ([SAFE, FLAWED], 1, ["2 of 2 packages checked", "idna 3.4: PYSEC-2024-60, mended in 3.7"]),
        ([SAFE, SKIPPED], 0, ["1 of 2 packages checked", "NOT CHECKED: 1, "]),
        ([SKIPPED, FLAWED], 1, ["1 of 2 packages checked", "NOT CHECKED: 1, ", "idna 3.4: "]),
        (None, 0, ["0 of 2 packages checked", "NOT CHECKED: 2, "]),
    ],
)
def test_only_a_known_vulnerability_fails(audit: ModuleType, report: Any, code: int, said: list[str]) -> None:
    ended, lines = audit.verdict(2, None if report is None else {"dependencies": report})
    assert ended == code
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True))


def test_a_program_that_hangs_or_is_not_there_gives_no_report(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert audit.ask(str(tmp_path / "nothing"), {"anyio": "4.6"}) is None
    monkeypatch.setattr(audit, "LIMIT_S", 0.2)
    hanging = tmp_path / "hanging"
    hanging.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    hanging.chmod(0o700)
    assert audit.ask(str(hanging), {"anyio": "4.6"}) is None


def test_what_is_asked_about_is_what_cartage_runs_on(audit: ModuleType) -> None:
    lines = audit.required()
    assert {line.partition(">")[0] for line in lines} >= {"anyio", "cryptography", "sortedcontainers"}
    asked = audit.runtime(lines[: lines.index("xxhash>=3.5") + 1])  # of extras not all may be installed
    assert {"botocore", "httptools", "anyio", "xxhash", "idna"} <= set(asked)
    assert {"pytest", "hypothesis", "moto", "ruff", "cartage-s3"} & set(asked) == set()


def test_no_program_of_ci_stands_before_a_package_of_its_name() -> None:
    """Python looks beside a program first: a packaging.py there would be the audit's `packaging`."""
    programs = {path.stem for path in (REPOSITORY / ".ci").glob("*.py")}
    assert [name for name in programs if importlib.util.find_spec(name) is not None] == []
