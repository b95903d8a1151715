"""A diff says exactly what changed: whoever applies it gets the new text. And it does nothing to a terminal."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from engine.report.diff import LONGEST_LINE, unified_diff

LINES = st.lists(st.sampled_from(["", "a", "b", "c", "d e", "-x", "+y", "@@", "\tz"]), max_size=25)
HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def patched(before: str, diff: str) -> str:
    """What `patch` makes of it, checking every line on the way."""
    old, new, at = before.split("\n"), [], 0
    for line in diff.split("\n")[2:]:
        hunk = HUNK.match(line)
        if hunk:
            count = int(hunk[2]) if hunk[2] is not None else 1
            start = int(hunk[1]) - (1 if count else 0)
            new += old[at:start]
            at = start
            assert int(hunk[3]) - (1 if hunk[4] != "0" else 0) == len(new)
        elif line.startswith("+"):
            new.append(line[1:])
        else:
            assert old[at] == line[1:] and line[0] in " -"
            new += [line[1:]] if line[0] == " " else []
            at += 1
    return "\n".join(new + old[at:])


def test_the_new_text_may_have_a_name_of_its_own() -> None:
    assert unified_diff("before", "a", "b", "after").split("\n")[:2] == ["--- before", "+++ after"]
    assert unified_diff("name", "a", "b").split("\n")[:2] == ["--- name", "+++ name"]


@given(LINES, LINES)
def test_applied_it_gives_the_new_text(old: list[str], new: list[str]) -> None:
    before, after = "\n".join(old), "\n".join(new)
    diff = unified_diff("name", before, after)
    assert (diff == "") is (before.split("\n") == after.split("\n"))
    if diff:
        assert patched(before, diff) == after


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40))
def test_of_equally_many_lines_too(pairs: list[tuple[str, str]]) -> None:
    before, after = "\n".join(old for old, _ in pairs), "\n".join(new for _, new in pairs)
    assert before == after or patched(before, unified_diff("name", before, after)) == after


def test_line_ends_and_long_lines_are_shown_short_and_nothing_reaches_the_terminal() -> None:
    diff = unified_diff("a\x1b]0;x\x07", "one\r\nold\x1b[31m\u202e\r\n", "one\r\nnew\tx\r\n")
    assert diff.split("\n") == [
        "--- a\\x1b]0;x\\x07",
        "+++ a\\x1b]0;x\\x07",
        "@@ -1,3 +1,3 @@",
        " one",
        "-old\\x1b[31m\\u202e",
        "+new\tx",
        " ",
    ]
    long = unified_diff("a", "x" * 10_000 + "old" + "y" * 10_000, "x" * 10_000 + "new" + "y" * 10_000)
    assert "old" in long and "new" in long and len(long) < 3 * LONGEST_LINE
