"""What is missing is said with the command that installs it; a mistake of our own stays a mistake."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from engine.errors import ExtraMissing
from engine.extras import DISTRIBUTION, needs

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]


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
    named = {
        line.partition('needs("')[2].partition('"')[0]
        for path in (REPOSITORY / "engine").rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if line.lstrip().startswith('with needs("') and path.name != "extras.py"
    }
    assert named
    assert named - PROJECT["optional-dependencies"].keys() == set()


def test_the_page_on_installing_has_every_extra() -> None:
    text = (REPOSITORY / "docs" / "installing.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)) == PROJECT["optional-dependencies"].keys()


def requirements(name: str) -> set[str]:
    """The packages of the base (empty name), or of an extra and of those that it names."""
    lines = PROJECT["optional-dependencies"][name] if name else PROJECT["dependencies"]
    found: set[str] = set()
    for line in lines:
        package, _, extras = re.match(r"([\w.-]+)(\[([\w,-]+)\])?", line).groups()  # type: ignore[union-attr]
        found |= set().union(*map(requirements, extras.split(","))) if package == DISTRIBUTION else {package}
    return found


DISTRIBUTED_AS = {"PIL": "pillow", "ruamel": "ruamel.yaml"}
"""Packages that are not installed by the name that they are imported by."""


@cache
def third_party_imports(path: Path) -> tuple[tuple[int, str, bool], ...]:
    """Each package of someone else's that a module imports: the line, its name, and whether as soon as it is loaded."""
    return tuple(_imported(ast.parse(path.read_text("utf-8")), at_once=True))


def _imported(node: ast.AST, *, at_once: bool) -> Iterator[tuple[int, str, bool]]:
    if isinstance(node, ast.expr) or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
        return
    modules = [name.name for name in node.names] if isinstance(node, ast.Import) else []
    if isinstance(node, ast.ImportFrom):
        modules = [node.module or ""]
    for module in modules:
        top = module.partition(".")[0]
        if top != "engine" and top not in sys.stdlib_module_names:
            yield getattr(node, "lineno", 0), DISTRIBUTED_AS.get(top, top.replace("_", "-")), at_once
    at_once = at_once and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    for inner in ast.iter_child_nodes(node):
        yield from _imported(inner, at_once=at_once)


BROUGHT = {"urllib3"}
"""What botocore has always brought."""


def test_the_base_is_imported_freely_and_an_extra_only_when_it_is_used() -> None:
    base = requirements("") | BROUGHT
    extra = set().union(
        *(requirements(name) for name in PROJECT["optional-dependencies"] if name not in ("dev", "docs"))
    )
    unknown, early = [], []
    for path in sorted((REPOSITORY / "engine").rglob("*.py")):
        in_sandbox = path.is_relative_to(REPOSITORY / "engine" / "sandbox")
        for line, package, at_once in third_party_imports(path):
            if package not in base | extra:
                unknown.append(f"{path.name}:{line}: {package}")
            elif package not in base and at_once and not in_sandbox:
                early.append(f"{path.name}:{line}: {package}")
            elif package in requirements("sandbox") - requirements("tls") and not in_sandbox:
                early.append(f"{path.name}:{line}: {package} is the sandbox's")
    assert (unknown, early) == ([], [])


def test_every_requirement_of_the_base_is_imported() -> None:
    used = {package for path in (REPOSITORY / "engine").rglob("*.py") for _, package, _ in third_party_imports(path)}
    assert requirements("") - used == set()
