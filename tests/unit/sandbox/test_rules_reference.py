"""What the sandbox promises of the buckets it fills: the reference migration to the byte, millions for a benchmark."""

from __future__ import annotations

import ast
import json
import tomllib
from importlib import resources

import pytest

from engine.sandbox import bodies
from engine.sandbox.reference import BUCKET, fill, fill_reference
from tests.unit.sandbox.asking import Sandbox, text_of, texts_of

PROJECT = "project/pokemon-card-recognition/"


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    made = Sandbox()
    made.filled = fill_reference(made.account)  # type: ignore[attr-defined]
    return made


def under(sandbox: Sandbox, prefix: str) -> dict[str, int]:
    keys = sandbox.account.buckets[BUCKET].objects
    found = {}
    for key in keys.from_key(prefix, inclusive=True):
        if not key.startswith(prefix):
            break
        stored = keys.get(key)
        assert stored is not None
        found[key] = stored.size
    return found


@pytest.mark.parametrize(
    ("prefix", "objects", "size_bytes"),
    [
        ("data/calibration/", 1_024, 734_000_000),
        ("data/raw/card_images/", 17_592, 13_000_000_000),
        ("data/processed/", 34_374, 13_000_000_000),
        ("training-output/", 1, 5_600_000_000),
    ],
)
def test_the_owners_figures(sandbox: Sandbox, prefix: str, objects: int, size_bytes: int) -> None:
    found = under(sandbox, prefix)
    assert (len(found), sum(found.values())) == (objects, size_bytes)


def test_everything_the_routes_move_is_counted(sandbox: Sandbox) -> None:
    data = under(sandbox, "data/")
    filled = sandbox.filled  # type: ignore[attr-defined]
    assert len(data) == 52_994
    assert filled["objects"] == 52_994 + 1
    assert filled["bytes"] == sum(data.values()) + 5_600_000_000
    assert abs(sum(data.values()) / 26_800_000_000 - 1) < 0.01


def test_two_images_a_card_directory_and_two_placeholders(sandbox: Sandbox) -> None:
    train = "data/processed/classification/train/"
    images = under(sandbox, train)
    assert len({key[len(train) :].partition("/")[0] for key in images}) == 17_187
    assert under(sandbox, "data/processed/classification/val/") == {"data/processed/classification/val/": 0}
    assert under(sandbox, "data/processed/classification/test/") == {"data/processed/classification/test/": 0}


def test_large_objects_are_in_parts_of_8_mib(sandbox: Sandbox) -> None:
    objects = sandbox.account.buckets[BUCKET].objects
    for key, parts in (
        ("data/reference/embeddings.npy", 7),
        ("data/reference/usearch.index", 7),
        ("training-output/dinov3-teacher/model.tar.gz", 668),
        ("data/reference/index.json", 0),
    ):
        stored = objects.get(key)
        assert stored is not None and stored.content is not None
        assert len(stored.parts) == parts
        if parts:
            cuts = range(0, stored.size, 8 << 20)
            pieces = [bodies.cut(stored.content, at, min(at + (8 << 20), stored.size)) for at in cuts]
            md5s = [bodies.md5_of(piece) for piece in pieces]
            assert bodies.join(pieces) == stored.content, "a copy by parts holds other bytes"
            assert stored.etag == bodies.multipart_etag(md5s)
            assert stored.etag.endswith(f"-{parts}")
        else:
            assert stored.etag == bodies.md5_of(stored.content)


def test_the_array_opens_and_the_json_agrees_with_it(sandbox: Sandbox) -> None:
    def read(key: str) -> bytes:
        return bodies.read_all(sandbox("GET", BUCKET, key).body)

    assert under(sandbox, "data/reference/")["data/reference/embeddings.npy"] == 54_042_752
    header = bodies.read_all(sandbox("GET", BUCKET, "data/reference/embeddings.npy", range="bytes=0-127").body)
    assert header[:8] == b"\x93NUMPY\x01\x00" and header[8:10] == (118).to_bytes(2, "little")
    about = ast.literal_eval(header[10:].decode().strip())
    assert about == {"descr": "<f4", "fortran_order": False, "shape": (17_592, 768)}
    index, metadata = json.loads(read("data/reference/index.json")), json.loads(read("data/reference/metadata.json"))
    assert len(index) == metadata["rows"] == 17_592
    assert [index[str(row)] for row in range(17_592)] == metadata["cards"]
    assert f"data/raw/card_images/{index['17591']}.png" in sandbox.account.buckets[BUCKET].objects


def test_what_is_in_place_names_the_old_paths(sandbox: Sandbox) -> None:
    manifest = json.loads(bodies.read_all(sandbox("GET", BUCKET, PROJECT + "metadata/project_manifest.json").body))
    assert manifest["project"]["version"] == "1.4.0"
    assert manifest["project"]["data"]["raw"]["path"] == f"s3://{BUCKET}/data/raw/"
    texts = [
        bodies.read_all(sandbox("GET", BUCKET, key).body).decode()
        for key in under(sandbox, PROJECT)
        if key.endswith((".py", ".md", ".ipynb", ".json"))
    ]
    for spelled in (
        f"s3://{BUCKET}/data/processed/classification/train/",
        f"arn:aws:s3:::{BUCKET}/data/reference/index.json",
        f"https://{BUCKET}.s3.us-east-2.amazonaws.com/data/calibration/",
        f'"Bucket": "{BUCKET}", "Key": "data/reference/metadata.json"',
    ):
        assert any(spelled in text for text in texts), spelled
    assert PROJECT + "models/efficientnet-hailo/calibration/" in under(sandbox, PROJECT)


def test_a_bucket_older_than_december_2024_has_no_checksums_yet() -> None:
    sandbox = Sandbox()
    fill_reference(sandbox.account, scale=0.01, legacy_checksums=True)
    listed = sandbox("GET", BUCKET, query={"list-type": "2"})
    assert texts_of(listed, "Key") and texts_of(listed, "ChecksumAlgorithm") == []
    reply = sandbox("PUT", BUCKET, "new", x_amz_copy_source=f"{BUCKET}/data/reference/index.json")
    assert texts_of(reply, "ChecksumCRC64NVME") != []


def test_a_fraction_keeps_the_size_of_each_image() -> None:
    sandbox = Sandbox()
    filled = fill_reference(sandbox.account, scale=0.01)
    assert filled["objects"] == len(under(sandbox, "data/")) + 1 == 10 + 176 + 344 + 2 + 4 + 1
    raw = under(sandbox, "data/raw/")
    assert abs(sum(raw.values()) / len(raw) / (13_000_000_000 / 17_592) - 1) < 0.01
    assert len(under(sandbox, "data/reference/")) == 4


def test_one_seed_one_bucket() -> None:
    made = []
    for seed in (1, 1, 2):
        sandbox = Sandbox()
        fill_reference(sandbox.account, scale=0.005, seed=seed)
        made.append(sandbox("GET", BUCKET, query={"list-type": "2", "prefix": "data/raw/"}).body)
    assert made[0] == made[1] != made[2]


def test_a_benchmarks_objects_keep_their_etags_across_a_copy() -> None:
    sandbox = Sandbox()
    assert fill(sandbox.account, "bbb", "p%/", 300, 1000)["bytes"] == 300_000
    fill(sandbox.account, "made", "q/", 3, 20 << 20, multipart=True, key_format="part-%d")
    stored = sandbox.stored("p%/00000299.bin")
    assert stored is not None and len(stored.etag) == 32
    reply = sandbox("PUT", "bbb", "copied", x_amz_copy_source="bbb/p%25/00000299.bin")
    assert text_of(reply, "ETag") == f"&quot;{stored.etag}&quot;"
    parted = sandbox.stored("q/part-2", "made")
    assert parted is not None and parted.etag.endswith("-3")


def test_changing_one_of_many_that_share_their_content_leaves_the_others() -> None:
    sandbox = Sandbox()
    fill(sandbox.account, "bbb", "p/", 600, 10)
    body = b"<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"
    sandbox("PUT", "bbb", "p/00000000.bin", body, {"tagging": ""})
    assert sandbox.head("p/00000000.bin")["x-amz-tagging-count"] == "1"
    assert "x-amz-tagging-count" not in sandbox.head("p/00000256.bin")


def test_the_plan_that_goes_with_it_is_in_the_package() -> None:
    plan = tomllib.loads(resources.files("engine.sandbox").joinpath("pokemon.toml").read_text("utf-8"))
    assert plan["bucket"] == BUCKET
    assert [route["name"] for route in plan["routes"]] == ["calibration", "raw", "processed", "reference", "teacher"]
