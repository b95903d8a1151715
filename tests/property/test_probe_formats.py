"""Whatever bytes a probe is given, cut or changed anywhere: an answer in words, soon, and by few and small reads."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.finish.probes import run_probe
from engine.model import Location
from engine.plan.settings import (
    CsvProbe,
    ImageProbe,
    JsonProbe,
    ManifestProbe,
    NpyProbe,
    ParquetProbe,
    Probe,
    UsearchProbe,
)
from tests.fake_store import FakeStore
from tests.faults.amount import examples
from tests.indexes import usearch_index
from tests.unit.finish.test_npy import npy

pytest.importorskip("PIL")
pytest.importorskip("pyarrow")

AT = Location("b", "x")
ASKED: dict[str, Probe] = {
    "npy": NpyProbe("it", AT),
    "json": JsonProbe("it", AT),
    "usearch": UsearchProbe("it", AT, search=False),
    "parquet": ParquetProbe("it", AT),
    "csv": CsvProbe("it", AT),
    "image": ImageProbe("it", AT),
    "manifest": ManifestProbe("it", AT, Location("b", "")),
}


def _whole() -> dict[str, bytes]:
    import pyarrow
    import pyarrow.parquet
    from PIL import Image

    image, table = io.BytesIO(), io.BytesIO()
    Image.linear_gradient("L").resize((9, 9)).save(image, "PNG")
    pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2, 3], "b": ["x", "y", "z"]}), table)
    return {
        "npy": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)}") + bytes(24),
        "json": b'{"a": [1, 2]}',
        "usearch": usearch_index(4, 3, above=1),
        "parquet": table.getvalue(),
        "csv": 'id,name\r\n1,"ä\n"\r\n'.encode(),
        "image": image.getvalue(),
        "manifest": b'[{"path": "x", "num_files": 1}]',
    }


WHOLE = _whole()


@pytest.mark.parametrize("kind", ASKED)
async def test_a_whole_file_is_a_yes(kind: str) -> None:
    store = FakeStore()
    store.put(str(AT), WHOLE[kind])
    result = await run_probe(store, ASKED[kind])
    assert result.ok, result.sentence


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file with some of its bytes changed, cut off at either end, or other bytes altogether."""
    kind = draw(st.sampled_from(sorted(WHOLE)))
    body = bytearray(WHOLE[kind])
    for at, byte in draw(st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255)), max_size=9)):
        body[at] = byte
    first = draw(st.sampled_from([0, 0, 0, 1, 7]))
    last = draw(st.one_of(st.just(len(body)), st.integers(0, len(body))))
    return kind, draw(st.one_of(st.just(bytes(body[first:last])), st.binary(max_size=99)))


@settings(max_examples=examples(600), deadline=None)
@example(("csv", b"\xc2"))
@given(damaged())
async def test_no_bytes_are_more_than_a_sentence(case: tuple[str, bytes]) -> None:
    kind, body = case
    store = FakeStore()
    store.put(str(AT), body)
    result = await run_probe(store, ASKED[kind])
    assert result.sentence and (result.ok or body != WHOLE[kind])
    ranges: list[Any] = [request for name, request in store.requests if name == "GetObject"]
    read = sum((len(body) - 1 if item.last is None else item.last) - (item.first or 0) + 1 for item in ranges)
    assert read <= 2 * len(body)
