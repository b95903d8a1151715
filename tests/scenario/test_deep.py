"""`cartage verify --deep` as a user calls it: damage that no listing shows is found, named, and mended by a run."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
import zlib
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import xxhash

from engine.sandbox import FaultRule, Sandbox
from tests import forking
from tests.cli.commands import MODULE
from tests.servers import Endpoint

MIB = 1 << 20


class Scene:
    """Two routes of a few objects, copied; and `cartage` on their plan."""

    def __init__(self, served: Sandbox, folder: Path, name: str, *, size: int = 40, count: int = 6) -> None:
        self.folder = folder
        self.bucket = name
        self.env = Endpoint.of(served).clean_env()
        served.control("fill", {"bucket": name, "prefix": "a/", "count": count, "size": size})
        self.plan = folder / "plan.toml"
        self.plan.write_text(
            f'name = "deep"\nbucket = "{name}"\n[[routes]]\nname = "a"\nfrom = "/a/"\nto = "/copy/"\n', encoding="utf-8"
        )
        self.call("run", "--yes")

    def command(self, verb: str, *flags: str) -> list[str]:
        return [*MODULE, verb, str(self.plan), "--json", *flags]

    def call(self, verb: str, *flags: str, code: int = 0) -> dict[str, Any]:
        done = forking.run(
            self.command(verb, *flags), env=self.env, cwd=self.folder, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return dict(json.loads(done.stdout.splitlines()[-1]))


def test_damage_that_no_listing_shows_is_found_and_mended(served: Sandbox, tmp_path: Path) -> None:
    scene = Scene(served, tmp_path, "deep-damage")
    served.control("damage", {"bucket": scene.bucket, "key": "copy/00000003.bin"})
    assert scene.call("verify")["agrees"]  # every ETag is as it was
    found = scene.call("verify", "--deep", code=4)
    assert found["differing"] == 1 and found["routes"]["a"]["kinds"] == {"digest": 1}
    assert found["routes"]["a"]["proof"] == {"bytes": 5}
    listed = scene.call("verify", code=4)
    assert listed["routes"]["a"]["kinds"] == {"damaged": 1}  # known, and not forgotten
    assert scene.call("run", "--yes")["copied"] == 1
    mended = scene.call("verify", "--deep")
    assert mended["agrees"] and mended["objects_read"] == 1
    assert mended["routes"]["a"]["proof"] == {"bytes": 6}


def test_damage_is_not_forgotten_when_the_copy_that_mends_it_fails(served: Sandbox, tmp_path: Path) -> None:
    scene = Scene(served, tmp_path, "deep-unmended")
    client = Endpoint.of(served).client()
    served.control("damage", {"bucket": scene.bucket, "key": "copy/00000003.bin"})
    scene.call("verify", "--deep", code=4)
    refused = FaultRule("403", "CopyObject", probability=1.0, bucket=scene.bucket)
    served.control("settings", {"faults": [asdict(refused)]})
    scene.call("run", "--yes", code=3)
    served.control("settings", {"faults": []})
    assert scene.call("run", "--yes")["copied"] == 1
    whole, mended = (client.get_object(Bucket=scene.bucket, Key=f"{at}/00000003.bin")["Body"] for at in ("a", "copy"))
    assert mended.read() == whole.read()


def test_damage_behind_an_etag_that_does_not_compare_is_not_forgotten_when_its_source_comes_back(
    served: Sandbox, tmp_path: Path
) -> None:
    """Our own copy of an object of parts is written in one piece: the checksum that S3 keeps of it, which alone
    compares, is what it was."""
    scene = Scene(served, tmp_path, "deep-of-parts", count=1)
    client = Endpoint.of(served).client()

    def put_source() -> None:
        at = {"Bucket": scene.bucket, "Key": "a/of-parts"}
        upload = client.create_multipart_upload(**at, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")["UploadId"]
        part = client.upload_part(**at, UploadId=upload, PartNumber=1, Body=b"whole", ChecksumAlgorithm="CRC32")
        parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
        client.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})

    put_source()
    assert scene.call("run", "--yes")["copied"] == 1
    served.control("damage", {"bucket": scene.bucket, "key": "copy/of-parts"})
    scene.call("verify", "--deep", code=4)
    client.delete_object(Bucket=scene.bucket, Key="a/of-parts")
    scene.call("run", "--yes", code=3)
    put_source()
    for _ in range(2):
        assert scene.call("run", "--yes", code=3)["copied"] == 0
        assert scene.call("verify", code=4)["routes"]["a"]["kinds"] == {"pending": 1}
    client.delete_object(Bucket=scene.bucket, Key="copy/of-parts")
    assert scene.call("run", "--yes")["copied"] == 1
    assert scene.call("verify", "--deep")["agrees"]


def test_damage_is_not_forgotten_when_the_source_is_written_again(served: Sandbox, tmp_path: Path) -> None:
    scene = Scene(served, tmp_path, "deep-touched")
    client = Endpoint.of(served).client()
    served.control("damage", {"bucket": scene.bucket, "key": "copy/00000003.bin"})
    scene.call("verify", "--deep", code=4)
    body = client.get_object(Bucket=scene.bucket, Key="a/00000003.bin")["Body"].read()
    served.control("advance_clock", {"seconds": 2})
    client.put_object(Bucket=scene.bucket, Key="a/00000003.bin", Body=body)
    assert scene.call("verify", code=4)["routes"]["a"]["kinds"] == {"damaged": 1}
    assert scene.call("run", "--yes")["copied"] == 1
    assert client.get_object(Bucket=scene.bucket, Key="copy/00000003.bin")["Body"].read() == body


def test_the_figures_are_those_of_the_bytes(served: Sandbox, tmp_path: Path) -> None:
    scene = Scene(served, tmp_path, "deep-figures", size=100_000, count=2)
    scene.call("verify", "--deep")
    done = forking.run(
        [*MODULE, "export", str(scene.plan), "--format", "checksums"], capture_output=True, text=True, check=True
    )
    endpoint = Endpoint.of(served)
    client = endpoint.client()
    for line in done.stdout.splitlines():
        figure, key = line.split("  ", 1)
        body = client.get_object(Bucket=scene.bucket, Key=key)["Body"].read()
        assert figure == xxhash.xxh3_128_hexdigest(body)


def test_a_target_whose_source_is_gone_is_held_against_what_proved_it(served: Sandbox, tmp_path: Path) -> None:
    scene = Scene(served, tmp_path, "deep-bereft", count=20)
    scene.call("verify")
    client = Endpoint.of(served).client()
    for number in range(10):
        client.delete_object(Bucket=scene.bucket, Key=f"a/{number:08}.bin")
    found = scene.call("verify", "--deep=sample:8")
    assert found["agrees"] and found["objects_read"] == 8 and found["objects_bereft"] == 0


def test_a_deep_verification_that_is_killed_goes_on_where_it_was(served: Sandbox, tmp_path: Path) -> None:
    scene = Scene(served, tmp_path, "deep-killed", size=80 * MIB, count=4)
    unread = FaultRule("hang", "GetObject", probability=1.0, bucket=scene.bucket, key="00000003.bin")
    served.control("settings", {"faults": [asdict(unread)]})  # so that it is never through
    process = forking.Popen(
        scene.command("verify", "--deep"),
        env=scene.env,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while _read_so_far(scene) == 0:
            assert process.poll() is None and time.monotonic() < deadline
    finally:
        process.kill()
        process.wait()
        served.control("settings", {"faults": []})
    before = _read_so_far(scene)
    assert 0 < before < 4
    rest = scene.call("verify", "--deep")
    assert rest["agrees"] and rest["objects_read"] == 4 - before
    assert rest["routes"]["a"]["proof"] == {"bytes": 4}


def _read_so_far(scene: Scene) -> int:
    """What the ledger holds as read. By SQLite itself: a command takes longer than the reading."""
    with closing(sqlite3.connect(f"file:{scene.folder / 'deep.ledger'}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM objects WHERE proof = 3").fetchone()[0])


@pytest.mark.parametrize(
    ("flags", "code"), [(["--deep=most"], 2), (["--deep=sample:0"], 2), (["--deep=2"], 2), (["--deep=50%"], 0)]
)
def test_depths_are_read_or_refused(served: Sandbox, tmp_path: Path, flags: list[str], code: int) -> None:
    scene = Scene(served, tmp_path, f"deep-flags-{zlib.crc32(flags[0].encode())}")
    scene.call("verify", *flags, code=code)
