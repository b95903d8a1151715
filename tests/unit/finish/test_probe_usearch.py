"""The probe of a vector index: what its header says, to the byte, and whether it finds its own vectors."""

from __future__ import annotations

import errno
import importlib.util
import shutil
import struct
import tempfile
from pathlib import Path

import pytest

from engine.finish.probes import run_probe
from engine.finish.probing import index, searching
from engine.finish.probing.answers import ProbeResult
from engine.finish.probing.index import judge_search
from engine.finish.probing.usearch import _METRICS, _SCALARS, Graph, parse_head, places
from engine.model import Location
from engine.plan.settings import METRICS, VECTOR_TYPES, UsearchProbe
from engine.sandbox import bodies
from engine.sandbox.cards import CARDS, DIMENSIONS
from engine.sandbox.vectors import USEARCH_BYTES
from engine.sandbox.vectors import usearch_index as reference_index
from tests.fake_store import FakeStore
from tests.indexes import usearch_index

AT = Location("b", "usearch.index")
ROWS, DIMS = 5, 8
WHOLE = usearch_index(ROWS, DIMS, above=2)
HEAD_AT = 8 + ROWS * DIMS * 4
GRAPH_AT = HEAD_AT + 64
INSTALLED = pytest.mark.skipif(importlib.util.find_spec("usearch") is None, reason="USearch is not installed")


async def ask(body: bytes, probe: UsearchProbe | None = None, store: FakeStore | None = None) -> ProbeResult:
    store = store or FakeStore()
    store.put(str(AT), body)
    return await run_probe(store, probe or UsearchProbe("the index", AT, search=False))


def changed(at: int, form: str, value: int) -> bytes:
    return WHOLE[:at] + struct.pack(form, value) + WHOLE[at + struct.calcsize(form) :]


async def test_an_index_that_is_what_was_asked_for_costs_a_few_small_ranges() -> None:
    store = FakeStore()
    result = await ask(WHOLE, UsearchProbe("the index", AT, ROWS, DIMS, "cos", "float32", search=False), store)
    assert result.ok and (result.rows, result.dims) == (ROWS, DIMS)
    assert "5 vectors of 8 × f32, compared by cos" in result.sentence
    ranges = [request for name, request in store.requests if name == "GetObject"]
    assert sum(item.last - item.first + 1 for item in ranges) == 16 + 104 + 2 * ROWS
    assert all(item.if_match for item in ranges)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"rows": 6}, "it has 5 vectors, not 6"),
        ({"dims": 9}, "its vectors have 8 dimensions, not 9"),
        ({"metric": "ip"}, "its metric is cos, not ip"),
        ({"dtype": "bfloat16"}, "its type is f32, not bfloat16"),
    ],
)
async def test_an_index_of_another_kind_is_not_ok_and_is_not_searched(asked: dict[str, object], why: str) -> None:
    result = await ask(WHOLE, UsearchProbe("the index", AT, search=True, **asked))  # type: ignore[arg-type]
    assert not result.ok and why in result.sentence and result.rows == ROWS


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "only 0 bytes"),
        (b"index", "only 5 bytes"),
        (b"not an index at all, but long enough to be one" * 9, "does not begin as an index does, or is cut off"),
        (WHOLE[:HEAD_AT], "does not begin as an index does, or is cut off"),
        (WHOLE[:-1], f"it has {len(WHOLE) - 1:,} bytes where its header asks for {len(WHOLE):,}"),
        (WHOLE + b"\0", f"it has {len(WHOLE) + 1:,} bytes where its header asks for {len(WHOLE):,}"),
        (WHOLE[:-200], "or more"),
        (changed(HEAD_AT, "<B", 0), "there is no head of an index where one should be"),
        (changed(HEAD_AT + 7, "<H", 3), "its format 3.16 is not known"),
        (changed(HEAD_AT + 13, "<B", 1), "a kind of metric or number that is not known"),
        (changed(HEAD_AT + 14, "<B", 99), "a kind of metric or number that is not known"),
        (changed(HEAD_AT + 17, "<Q", 4), "its vectors are not those that its head tells of"),
        (changed(HEAD_AT + 33, "<Q", 9), "its vectors are not those that its head tells of"),
        (changed(HEAD_AT + 33, "<Q", 1 << 63), "its vectors are not those that its head tells of"),
        (changed(GRAPH_AT, "<Q", 1 << 62), "its graph is not that of the vectors"),
        (changed(GRAPH_AT + 32, "<Q", ROWS), "its graph is not that of the vectors"),
        (changed(GRAPH_AT + 16, "<Q", 1 << 62), "or more"),
        (changed(GRAPH_AT + 40, "<h", 7), "the levels of its nodes are damaged"),
        (changed(GRAPH_AT + 40, "<h", -1), "the levels of its nodes are damaged"),
        (changed(0, "<Q", (1 << 32) - 1), "there is no head of an index where one should be"),
    ],
    ids=lambda value: value if isinstance(value, str) else "bytes",
)
async def test_what_is_no_index_or_not_a_whole_one(body: bytes, why: str) -> None:
    result = await ask(body)
    assert not result.ok and why in result.sentence and result.rows is None


def test_vectors_may_be_counted_in_64_bits_or_kept_elsewhere() -> None:
    wide = struct.pack("<QQ", ROWS, DIMS * 4) + WHOLE[8:]
    (place,) = [item for item in places(wide[:16], len(wide)) if wide[item.head_at :].startswith(b"usearch")]
    assert place.head_at == HEAD_AT + 8 and parse_head(wide[place.head_at :], place).rows == ROWS
    alone = WHOLE[HEAD_AT:]
    (place,) = places(alone[:16], len(alone))
    assert parse_head(alone, place).total_bytes(alone[104 : 104 + 2 * ROWS]) == len(alone)


def test_kinds_were_numbered_otherwise_before_2_10() -> None:
    old = bytearray(usearch_index(ROWS, DIMS, version=(2, 9, 1)))
    old[HEAD_AT + 14 : HEAD_AT + 17] = bytes([5, 8, 9])  # f32, u64, u32
    (place, *_) = places(bytes(old[:16]), len(old))
    assert parse_head(bytes(old[place.head_at :]), place).scalar == "f32"


def test_a_plan_may_ask_for_every_kind_of_metric_and_vector() -> None:
    assert set(METRICS) == set(_METRICS.values())
    named = {name for name, _ in _SCALARS.values()}
    assert set(VECTOR_TYPES.values()) <= named
    assert named - set(VECTOR_TYPES.values()) == {"u40", "uuid", "u64", "u32", "u16", "i64", "i32", "i16"}  # of keys


def test_the_reference_index_of_the_sandbox_is_one_to_the_byte() -> None:
    content = reference_index()

    def read(first: int, length: int) -> bytes:
        return b"".join(bodies.read(content, first, first + length))

    (place, *_) = places(read(0, 16), content.size)
    graph = parse_head(read(place.head_at, 104), place)
    assert (graph.rows, graph.dims, graph.scalar, graph.metric) == (CARDS, DIMENSIONS, "f16", "cos")
    assert graph.total_bytes(read(graph.levels_at, 2 * CARDS)) == USEARCH_BYTES == 54_000_000


# --- opened and searched --------------------------------------------------------------------------------------------


@INSTALLED
async def test_it_finds_its_own_vectors_first() -> None:
    result = await ask(WHOLE, UsearchProbe("the index", AT))
    assert result.ok, result.sentence
    assert result.sentence.endswith("searched for vectors of its own, it finds them first")


@INSTALLED
async def test_the_real_library_reads_what_we_read_and_we_what_it_writes(tmp_path: Path) -> None:
    import numpy
    from usearch.index import Index

    made = Index(ndim=16, metric="l2sq", dtype="bf16", connectivity=5)
    made.add(numpy.arange(300), numpy.random.default_rng(1).random((300, 16), dtype=numpy.float32))
    made.remove(7)
    made.save(str(tmp_path / "made"))
    probe = UsearchProbe("the index", AT, 299, 16, "l2sq", "bfloat16", search=True)
    result = await ask((tmp_path / "made").read_bytes(), probe)
    assert result.ok, result.sentence


@INSTALLED
async def test_an_index_that_does_not_find_its_vectors_is_not_ok() -> None:
    lost = bytearray(WHOLE)
    node_bytes = 8 + 2 + 4 + 2 * 16 * 4
    first_node = GRAPH_AT + 40 + 2 * ROWS
    for row in range(ROWS):  # nobody knows anybody any more
        at = first_node + row * node_bytes + min(row, 2) * (4 + 16 * 4)
        lost[at + 10 : at + 14] = bytes(4)
        if row < 2:
            lost[at + node_bytes : at + node_bytes + 4] = bytes(4)
    result = await ask(bytes(lost), UsearchProbe("the index", AT))
    assert not result.ok and "does not find them first" in result.sentence


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"rows": ROWS, "dims": DIMS, "misses": []}, ""),
        ({"rows": 4, "dims": DIMS, "misses": []}, "once opened it has 4 vectors"),
        ({"error": "RuntimeError: no"}, "it cannot be opened: RuntimeError: no"),
        ({"missing": "usearch"}, "pip install 'cartage-s3[usearch]'"),
    ],
)
def test_what_a_search_comes_to(said: dict[str, object], why: str) -> None:
    graph = Graph(ROWS, 0, DIMS, "f32", "cos", ROWS, 1, 1, 1, 1)
    found = judge_search(said, graph)
    assert why in found and bool(found) == bool(why)


async def test_a_search_that_was_asked_for_and_cannot_be_made_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "__file__", str(Path(__file__).with_name("there_is_no_such_file.py")))
    result = await ask(WHOLE, UsearchProbe("the index", AT, search=True))
    assert not result.ok and "ended with 2" in result.sentence


async def test_an_index_that_ends_the_process_that_opens_it_ends_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dies = tmp_path / "dies.py"
    dies.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(searching, "__file__", str(dies))
    result = await ask(WHOLE, UsearchProbe("the index", AT, search=True))
    assert not result.ok and "ended with -11, as it does where an index is damaged" in result.sentence


async def test_without_the_extra_the_header_counts_and_the_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "find_spec", lambda name: None)
    result = await ask(WHOLE, UsearchProbe("the index", AT))
    assert result.ok and result.sentence.endswith("pip install 'cartage-s3[usearch]'")


async def test_a_machine_without_a_folder_to_write_to_leaves_a_probe_closed_with_what_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a container whose file system is read-only."""

    def nowhere(**_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", nowhere)
    result = await ask(WHOLE, UsearchProbe("the index", AT, search=True))
    assert not result.ok
    assert "could not be found out" in result.sentence and "TMPDIR" in result.sentence
    assert "search = false" in result.sentence


async def test_an_index_that_has_no_room_on_this_machine_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 3}))
    result = await ask(WHOLE, UsearchProbe("the index", AT, search=True))
    assert not result.ok and "has no room for its" in result.sentence
