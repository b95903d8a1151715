"""What is missing is said with the command that installs it; a mistake of our own stays a mistake."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from engine.errors import ExtraMissing
from engine.extras import DISTRIBUTION, needs

PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text("utf-8"))["project"]


def test_a_missing_package_is_said_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sortedcontainers", None)  # as if it were not installed
    with pytest.raises(ExtraMissing) as raised, needs("sandbox"):
        import sortedcontainers  # noqa: F401
    assert str(raised.value) == (
        "this needs sortedcontainers, which is not installed: pip install 'cartage-s3[sandbox]'"
    )
    assert raised.value.exit_code == 2


def test_a_missing_part_of_a_package_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.x509", None)
    with pytest.raises(ExtraMissing) as raised, needs("sandbox"):
        import cryptography.x509  # noqa: F401
    assert raised.value.package == "cryptography"


def test_a_module_of_our_own_that_is_missing_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "engine.sandbox.certificates", None)
    monkeypatch.delattr("engine.sandbox.certificates", raising=False)  # another test may have imported it
    with pytest.raises(ModuleNotFoundError), needs("sandbox"):
        from engine.sandbox import certificates  # noqa: F401


def test_what_is_raised_otherwise_goes_through() -> None:
    with pytest.raises(ValueError, match="as it is"), needs("sandbox"):
        raise ValueError("as it is")


def test_every_extra_that_the_code_names_is_one_of_the_distribution() -> None:
    assert PROJECT["name"] == DISTRIBUTION
    folder = Path(__file__).resolve().parents[2] / "engine"
    named = {
        line.partition('needs("')[2].partition('"')[0]
        for path in folder.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if line.lstrip().startswith('with needs("') and path.name != "extras.py"
    }
    assert named
    assert named - PROJECT["optional-dependencies"].keys() == set()
