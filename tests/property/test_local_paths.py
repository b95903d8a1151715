"""Whatever a local path is called, what is kept of it is read back as the same place, and it covers what lies in it."""

from __future__ import annotations

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.plan.document import Plan
from engine.plan.locations import covers, parse_location

FOLDER = PurePosixPath("/base/here")
PART = st.text(st.characters(blacklist_characters="/"), min_size=1, max_size=8) | st.sampled_from([".", "..", "~", "a"])


@given(st.sampled_from(["./", "../", "~/", "/", "file:///"]), st.lists(PART, max_size=5), st.booleans())
def test_a_path_is_refused_or_read_back_as_it_was_kept(start: str, parts: list[str], folder: bool) -> None:
    text = start + "/".join(parts) + ("/" if folder else "")
    try:
        location = parse_location(text, folder=FOLDER, home=FOLDER)
    except UsageError:
        assert any(character in "\0\n\r" or "\ud800" <= character <= "\udfff" for character in text)
        return
    kept = str(location)
    assert kept.startswith("/") and "//" not in kept
    assert not {".", ".."} & set(kept.split("/"))
    assert parse_location(kept, folder=PurePosixPath("/elsewhere")) == location
    assert Plan.of(kept, "s3://bucket/x/" if location.is_prefix else "s3://bucket/x").routes[0].source == location
    above = parse_location(kept[: kept.rindex("/") + 1], folder=FOLDER)
    assert covers(above, location)
