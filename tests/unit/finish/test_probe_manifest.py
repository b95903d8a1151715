"""The probe of the project's manifest, and whether probes agree: what is told of the data is so."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from typing import Any

import pytest

from engine.errors import AccessDenied, BucketMissing
from engine.finish.probes import run_probe
from engine.finish.probing import told
from engine.finish.probing.answers import ProbeResult, agreements
from engine.finish.probing.told import named_in, same_size
from engine.model import Location
from engine.plan.settings import ExistsProbe, JsonProbe, ManifestProbe, NpyProbe
from tests.fake_store import FakeStore

BASE = Location("b", "project/")
AT = Location("b", "project/manifest.json")
MODEL = b"the weights"


def project() -> FakeStore:
    store = FakeStore()
    store.page_keys = 2
    for number in range(3):
        store.put(f"s3://b/project/data/raw/{number}.png", b"x" * 1_000_000)
    store.put("s3://b/project/data/raw/", b"")
    store.put("s3://b/project/models/teacher.bin", MODEL)
    store.put("s3://b/data/raw/old.png", b"left behind")
    return store


async def ask(told: object, name: str = "manifest.json", store: FakeStore | None = None) -> ProbeResult:
    store = store or project()
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    store.put(f"s3://b/project/{name}", body)
    return await run_probe(store, ManifestProbe("the manifest", Location("b", f"project/{name}"), BASE))


RAW = {"path": "data/raw/", "num_files": 3, "size_mb": 3.0}


@pytest.mark.parametrize(
    "path",
    [
        "data/raw/",
        "data/raw",
        "project/data/raw/",
        "/project/data/raw/",
        "s3://b/project/data/raw/",
        "s3a://b/project/data/raw",
    ],
)
async def test_a_place_may_be_written_in_every_way(path: str) -> None:
    result = await ask({"version": "2.0.0", "data": {"raw": RAW | {"path": path}}})
    assert result.ok, result.sentence
    assert result.sentence.endswith("agrees with what is there, in each of 1 places that it names")


@pytest.mark.parametrize(
    "said",
    [
        {"num_files": 4},  # with the placeholder
        {"files": 3, "size_gb": 0.003},
        {"bytes": 3_000_000},
        {"size_mib": 2.861},
        {"path": "models/teacher.bin", "objects": 1, "size_bytes": len(MODEL)},
        {"path": "models/teacher.bin", "md5": hashlib.md5(MODEL).hexdigest()},
        {"path": "models/teacher.bin", "etag": f'"{hashlib.md5(MODEL).hexdigest()}"'},
        {"path": "models/teacher.bin", "sha256": hashlib.sha256(MODEL).hexdigest().upper()},
    ],
)
async def test_what_it_says_is_so(said: dict[str, Any]) -> None:
    result = await ask([{"path": "data/raw/"} | said])
    assert result.ok, result.sentence


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"num_files": 2}, "data.raw: s3://b/project/data/raw/ holds 3 files, not 2"),
        ({"num_files": True}, "holds 3 files, not True"),
        ({"path": "models/teacher.bin", "num_files": True}, "holds 1 files, not True"),
        ({"num_files": ["a", "b", "c"]}, "holds 3 files, not ["),
        ({"size_mb": 3.1}, "has 3,000,000 bytes, which is not size_mb 3.1"),
        ({"size_bytes": 2_999_999}, "which is not size_bytes 2999999"),
        ({"size_gb": "much"}, "which is not size_gb much"),
        ({"size_gb": "1e9999999"}, "which is not size_gb 1e9999999"),
        ({"path": "data/gone/", "num_files": 0}, "nothing is at s3://b/project/data/gone/"),
        ({"path": "https://example.com/raw/", "num_files": 3}, "is no place in S3"),
        ({"path": "data/\ud800", "num_files": 3}, '"project/data/\\ud800" is not valid UTF-8'),
        ({"path": "s3://\ud800/data/", "num_files": 3}, '"\\ud800" is not a bucket name'),
        ({"etag": "\ud800", "path": "models/teacher.bin"}, ", not \\ud800"),
        ({"sha256": "00"}, "a digest (sha256) is of one object"),
        ({"path": "models/teacher.bin", "sha256": "00"}, "has the sha256"),
        ({"path": "models/teacher.bin", "etag": "00"}, "has the etag"),
        ({"path": "models/teacher.bin", "crc64nvme": "AAAAAAAAAAA="}, "crc64nvme"),
    ],
)
async def test_what_it_says_is_not_so(said: dict[str, Any], why: str) -> None:
    result = await ask({"data": {"raw": {"path": "data/raw/"} | said}})
    assert not result.ok and why in result.sentence


@pytest.mark.parametrize(
    ("body", "name", "why"),
    [
        (b"{", "manifest.json", "is not JSON"),
        (b"a = ", "manifest.toml", "is not TOML"),
        (b"\xff", "manifest.json", "is not JSON"),
        (b"[" * 100_000, "manifest.json", "nested too deeply"),
        (b'{"path": "data/raw/"}', "manifest.json", "tells no number, size or digest of any place"),
        (b"[]", "manifest.json", "tells no number, size or digest of any place"),
    ],
    ids=lambda value: value if isinstance(value, str) else "body",
)
async def test_what_is_no_manifest(body: bytes, name: str, why: str) -> None:
    result = await ask(body, name)
    assert not result.ok and why in result.sentence


async def test_a_manifest_in_toml_and_yaml() -> None:
    assert (await ask(b'[data.raw]\npath = "data/raw/"\nnum_files = 3\n', "manifest.toml")).ok
    if importlib.util.find_spec("ruamel") is not None:
        assert (await ask(b"data:\n  raw: {path: data/raw/, num_files: 3}\n", "manifest.yaml")).ok
        assert not (await ask(b"data: [", "manifest.yml")).ok


async def test_the_first_differences_are_named_and_the_others_counted() -> None:
    result = await ask([{"path": f"data/{number}/", "num_files": 1} for number in range(5)])
    assert not result.ok and "nothing is at s3://b/project/data/2/; and 2 more" in result.sentence


async def test_a_manifest_that_is_too_long_or_names_too_much_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told, "MAX_NAMED", 2)
    assert "names more than 2 places" in (await ask([RAW] * 3)).sentence
    monkeypatch.setattr(told, "MAX_MANIFEST_BYTES", 3)
    assert "at most 3 are read" in (await ask([RAW])).sentence


async def test_what_it_says_is_not_quoted_without_end() -> None:
    result = await ask([{"path": "x" * 900_000, "num_files": 1}])
    assert not result.ok and len(result.sentence) < 1_000


async def test_a_bucket_that_is_not_there_is_a_difference_and_stops_nothing() -> None:
    store = project()
    store.plan("ListObjectsV2", ("before", BucketMissing("no such bucket", operation="ListObjectsV2")))
    result = await ask([RAW | {"path": "s3://nowhere/raw/"}], store=store)
    assert not result.ok and "0: there is no bucket nowhere" in result.sentence


async def test_what_may_not_be_listed_is_not_ok() -> None:
    store = project()
    store.plan("ListObjectsV2", ("before", AccessDenied("no", operation="ListObjectsV2")))
    result = await ask([RAW], store=store)
    assert not result.ok and "could not be found out" in result.sentence


def test_every_table_with_a_place_and_a_figure_is_found() -> None:
    value: dict[str, Any] = {
        "a": [RAW, {"path": "x"}],
        "b": {"c": {"uri": "y", "bytes": 1, "d": RAW}},
        "path": "",
        "num_files": 1,
    }
    assert [(item.where, item.path) for item in named_in(value)] == [
        ("a.0", "data/raw/"),
        ("b.c", "y"),
        ("b.c.d", "data/raw/"),
    ]


@pytest.mark.parametrize("name", ["files", "objects"])
async def test_names_of_files_are_no_number_of_them(name: str) -> None:
    named = {name: ["0.png", {"path": "models/teacher.bin", "bytes": len(MODEL)}]}
    assert [item.where for item in named_in({"path": "data/raw/", **named})] == [f"{name}.1"]
    result = await ask(RAW | named)
    assert result.ok and "2 places" in result.sentence, result.sentence


@pytest.mark.parametrize(
    ("said", "size_bytes", "unit", "same"),
    [
        (13.0, 13_049_999_999, 10**9, True),
        (13.0, 13_050_000_001, 10**9, False),
        (13, 13_400_000_000, 10**9, True),
        (0.1, 104_857_600, 1 << 30, True),
        (7, 7, 1, True),
        (7.4, 7, 1, False),
        (None, 0, 1, False),
        (float("nan"), 0, 1, False),
        (float("inf"), 0, 1, False),
        ([], 0, 1, False),
        ("1e9999999", 5, 1, False),
        ("1e-99999999", 5, 1, False),
        ("1e-99999999", 0, 10**9, False),
        ("-1e999999", 5, 10**9, False),
    ],
)
def test_a_size_is_as_exact_as_it_is_written(said: Any, size_bytes: int, unit: int, same: bool) -> None:
    assert same_size(said, size_bytes, unit) is same


# --- whether probes agree -------------------------------------------------------------------------------------------


def result(name: str, rows: int | None, dims: int | None = None) -> ProbeResult:
    return ProbeResult(name, True, "", "", rows, dims)


ARRAY = NpyProbe("npy", BASE, agrees="database")
ITEMS = JsonProbe("json", BASE, agrees="database")
OTHER = ExistsProbe("exists", BASE)


def agreement(*results: ProbeResult) -> ProbeResult:
    (found,) = agreements((ARRAY, ITEMS, OTHER, ARRAY), results)
    return found


def test_probes_that_agree_are_said_together() -> None:
    found = agreement(
        result("npy", 17_592, 768), result("json", 17_592), result("exists", None), result("index", 17_592, 768)
    )
    assert found.ok
    assert found.sentence == "database: 17,592 rows of 768 dimensions in each of npy, json and index"


def test_another_number_of_rows_or_dimensions_is_not_ok() -> None:
    found = agreement(result("npy", 5, 768), result("json", 6), result("exists", None), result("index", 5, 768))
    assert not found.ok and found.sentence == "database: the rows differ: 5 in npy, 6 in json, 5 in index"
    found = agreement(result("npy", 5, 768), result("json", 5), result("exists", None), result("index", 5, 512))
    assert not found.ok and found.sentence == "database: the dimensions differ: 768 in npy, 512 in index"


def test_what_was_not_counted_agrees_with_nothing() -> None:
    found = agreement(result("npy", None), result("json", 5), result("exists", None), result("index", None))
    assert not found.ok and found.sentence.endswith("no rows were counted by npy and index")
