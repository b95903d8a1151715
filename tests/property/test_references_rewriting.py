"""For any text: a rewrite done twice is one rewrite, its inverse gives the bytes back, and look-alikes stay."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import Location
from engine.plan.route import Route
from engine.references.filetext import Edit, View, edited, read_text
from engine.references.judging import Moves, Presence
from engine.references.local_files import replace_file, restore_file
from engine.references.references import examine
from engine.references.replacing import Restored, mark_of
from tests.faults.amount import examples

BUCKET = "cards-bucket"
NEW = "project/x/"
ROUTES = (
    Route("raw", Location(BUCKET, "data/raw/"), Location(BUCKET, NEW + "data/raw/")),
    Route("other", Location(BUCKET, "data/caf\u00e9 1/"), Location(BUCKET, NEW + "caf\u00e9 1/")),
    Route("one", Location(BUCKET, "old/model.bin"), Location(BUCKET, NEW + "model.bin")),
)
MOVES = Moves(ROUTES, ("http://127.0.0.1:9000",))
PIECES = [
    f"s3://{BUCKET}/",
    f"https://{BUCKET}.s3.amazonaws.com/",
    f"https://s3.us-east-2.amazonaws.com/{BUCKET}/",
    f"http://127.0.0.1:9000/{BUCKET}/",
    f"arn:aws:s3:::{BUCKET}/",
    f'Bucket="{BUCKET}", Key="',
    f"bucket: {BUCKET}\n",
    "prefix = ",
    "key: ",
    f"{BUCKET},",
    BUCKET,
    "data/",
    "data/raw/",
    "data/raw",
    "data/raw2/",
    "data/raw-old/",
    "data%2Fraw%2F",
    "data/caf\u00e9 1/",
    "data/caf%C3%A9%201/",
    "old/model.bin",
    "old/model.bin2",
    NEW,
    "a.png",
    "b/",
    "{x}",
    "$Y",
    "*",
    '"',
    "'",
    "`",
    " ",
    "\n",
    "\r\n",
    ",",
    ";",
    ":",
    "&a=",
    ")![](",
    ")",
    "(",
    "\\",
    "\u00fc",
]
WRITTEN = st.builds(
    lambda before, key, after: before + key + after,
    st.sampled_from(PIECES[:6]),
    st.sampled_from(
        ["data/raw/", "data/raw/a.png", "data/raw", "data/raw/b/{x}.png", "data/caf%C3%A9%201/a.png", "old/model.bin"]
    ),
    st.sampled_from(["", '"', " ", "\n", ")", ",", "."]),
)
TEXTS = st.lists(
    st.one_of(
        WRITTEN, WRITTEN, st.sampled_from(PIECES), st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=3)
    ),
    max_size=8,
).map("".join)
NAMES = st.sampled_from(["a.py", "a.sh", "a.csv", "a.md", "a.yaml", "a.txt"])


def all_there(route: str, key: str) -> Presence:
    folder = key == "" or key.endswith("/")
    return Presence(None if folder and route != "one" else True, True if folder else None)


def nothing_there(route: str, key: str) -> Presence:
    return Presence()


@given(TEXTS, NAMES)
@settings(max_examples=examples(300))
def test_a_second_rewrite_changes_nothing(text: str, name: str) -> None:
    file = read_text(text.encode("utf-8", "surrogatepass"))
    if file is None:
        return
    after = examine(name, file, MOVES, all_there).after
    again = read_text(file.encode(after))
    assert again is not None
    assert examine(name, again, MOVES, all_there).after == after


@given(TEXTS, NAMES)
@settings(max_examples=examples(300))
def test_only_new_heads_are_put_in_and_lines_stay(text: str, name: str) -> None:
    file = read_text(text.encode("utf-8", "surrogatepass"))
    if file is None:
        return
    found = examine(name, file, MOVES, all_there)
    assert found.after.count("\n") == file.text.count("\n")
    assert found.after.count("\r") == file.text.count("\r")
    for alike in ("data/raw2/", "data/raw-old/", "old/model.bin2"):
        assert found.after.count(alike) == file.text.count(alike)
        assert NEW + alike not in found.after.replace(NEW + NEW, "") or NEW + alike in file.text
    if not any(item.becomes for item in found.findings):
        assert found.after == file.text


@given(TEXTS, NAMES)
@settings(max_examples=examples(150))
def test_nothing_is_changed_that_the_ledger_does_not_know(text: str, name: str) -> None:
    file = read_text(text.encode("utf-8", "surrogatepass"))
    if file is not None:
        assert examine(name, file, MOVES, nothing_there).after == file.text


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 1, 2]), st.booleans())
@settings(max_examples=examples(200))
def test_json_stays_json_of_the_same_shape(value: object, plain: bool, indent: int | None, slashes: bool) -> None:
    text = json.dumps({"v": value}, ensure_ascii=plain, indent=indent)
    text = text.replace("/", "\\/") if slashes else text
    file = read_text(text.encode("utf-8", "surrogatepass"))
    if file is None:
        return
    after = json.loads(examine("a.json", file, MOVES, all_there).after)
    assert shape(after) == shape(json.loads(file.text))


def shape(value: object) -> object:
    if isinstance(value, dict):
        return [shape(item) for item in value.values()]
    if isinstance(value, list):
        return [shape(item) for item in value]
    return "text" if isinstance(value, str) else value


@given(st.binary(max_size=60) | TEXTS.map(lambda text: text.encode("utf-16", "surrogatepass")))
def test_bytes_that_are_read_as_text_come_back_the_same(body: bytes) -> None:
    file = read_text(body)
    if file is not None:
        assert file.encode(file.text) == body


@given(st.recursive(st.text(max_size=8), lambda inner: st.lists(inner, max_size=3), max_leaves=5), st.booleans())
def test_a_view_of_json_shows_what_strings_mean(value: object, plain: bool) -> None:
    raw = json.dumps(value, ensure_ascii=plain)
    view = View(raw, is_json=True)
    texts = [value] if isinstance(value, str) else [item for item in value if isinstance(item, str)]  # type: ignore[attr-defined]
    for text in texts:
        assert text in view.text
        if text:
            start = view.text.index(text)
            edit = view.raw_edit(Edit(start, start + len(text), 'new "/'))
            assert edited(raw, [edit]) != raw or text == 'new "/'


@given(TEXTS, NAMES, st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]))
@settings(max_examples=examples(60))
def test_what_was_written_can_be_taken_back_to_the_byte(text: str, name: str, codec: str) -> None:
    before = text.encode(codec)
    file = read_text(before)
    if file is None:
        return
    after = file.encode(examine(name, file, MOVES, all_there).after)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(before)
        replace_file(path, name, before=before, after=after)
        assert path.read_bytes() == after
        restored = restore_file(path, name, mark=mark_of(after), before=before)
        assert restored is (Restored.BACK if after != before else Restored.ALREADY)
        assert path.read_bytes() == before
