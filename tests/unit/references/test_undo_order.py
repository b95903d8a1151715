"""What was written over files twice is put back by the later command first."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.ledger import Binding, Ledger
from engine.plan.document import Plan
from engine.references.undo_order import CREATED, MANIFEST, OF_REWRITE, REWRITE, Written, figure_of, undo_order, written


def changes(*made: str) -> list[Written]:
    """ "rewrite a": one change each, the newest first."""
    return [Written(verb, name, name) for verb, name in (one.split() for one in reversed(made))]


@pytest.mark.parametrize(
    "made, verbs",
    [
        ((), []),
        (("rewrite a", "rewrite b"), ["rewrite"]),
        (("rewrite a", "manifest a"), ["manifest", "rewrite"]),
        (("manifest a", "rewrite b"), ["rewrite", "manifest"]),
        (("rewrite a", "manifest b", "rewrite c"), ["rewrite", "manifest"]),
        (("rewrite a", "manifest a", "rewrite a"), ["rewrite", "manifest", "rewrite"]),
    ],
)
def test_the_later_change_goes_first(made: tuple[str, ...], verbs: list[str]) -> None:
    assert undo_order(changes(*made)) == verbs


def test_the_figure_is_of_the_very_changes() -> None:
    one, other = changes("rewrite a", "manifest a"), changes("rewrite a", "rewrite a")
    assert figure_of(one).startswith("1:") and figure_of(other).startswith("1:")
    assert figure_of(one) != figure_of(other) and figure_of(one) == figure_of(one[::-1])


async def test_a_local_file_is_one_file_whatever_either_command_calls_it(tmp_path: Path) -> None:
    plan = Plan.parse('[[routes]]\nname = "r"\nfrom = "s3://one/a/"\nto = "s3://two/a/"\n', str(tmp_path / "plan.toml"))
    bound = Binding("p", "e", plan.binding_routes)
    async with await Ledger.open(tmp_path / "p.ledger", bound, now_ms=lambda: 1) as ledger:
        await ledger.keep(OF_REWRITE, "./docs/README.md", "", b"")
        await ledger.keep(CREATED, str(tmp_path / "docs" / "README.md"), "", b"")
        found = await written(ledger, plan)
    assert [item.verb for item in found] == [MANIFEST, REWRITE]
    assert found[0].place == found[1].place
