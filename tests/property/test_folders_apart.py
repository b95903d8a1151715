"""Whatever links folders are reached by, a route between two is refused exactly where one lies in the other."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.errors import PlanError
from engine.folder.apart import refuse_nested
from engine.model import FILE_SITE, Location
from engine.plan.route import Route

PLACES = ["", "a", "a/b", "a/b/c", "d", "d/e"]
LINKS = ["l", "m", "a/n", "d/o"]
BELOW = st.sampled_from(["", "/b", "/b/c", "/e", "/new", "/new/er"])


@given(st.lists(st.sampled_from(PLACES + LINKS[:2]), min_size=4, max_size=4), st.data())
def test_folders_are_refused_where_one_lies_in_the_other(leads_to: list[str], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as made:
        top = Path(os.path.realpath(made))
        for place in PLACES:
            (top / place).mkdir(exist_ok=True)
        for link, there in zip(LINKS, leads_to, strict=True):
            (top / link).symlink_to(top / there)
        names = st.sampled_from(PLACES[1:] + LINKS).flatmap(lambda place: BELOW.map(lambda below: place + below))
        source = top / data.draw(names.filter(lambda name: (top / name).is_dir()))
        target = top / data.draw(names)
        if not (real_target := reached(target)) or not (real_source := reached(source)):
            return  # a link that leads to itself
        route = Route("r", Location(str(source), "", FILE_SITE), Location(str(target), "", FILE_SITE))
        nested = real_target.is_relative_to(real_source) or real_source.is_relative_to(real_target)
        try:
            refuse_nested([route])
        except PlanError:
            assert nested
        else:
            assert not nested


def reached(path: Path) -> Path | None:
    """Where a path leads, with what is not there yet; None where it leads nowhere."""
    try:
        return path.resolve(strict=False)
    except (OSError, RuntimeError):
        return None
