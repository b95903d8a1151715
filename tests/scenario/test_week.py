"""The owner's week: the reference migration in small counts, from the first plan to the receipt, on three servers.

The sandbox's clock is moved; LocalStack and Ceph's gateway have none that a test could move, so that there the
ledger's dates of proof are moved back instead.
"""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import struct
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from engine.cli.main import cli
from engine.references.telling import BEGIN, END
from engine.sandbox import SandboxSettings, start_sandbox
from tests.indexes import usearch_index
from tests.real.commands import Cartage, Finished, finished, listing
from tests.servers import REPOSITORY, Endpoint

PREFIX = "project/pokemon-card-recognition/"
CARDS, CALIBRATION, DIMENSIONS = 5, 3, 768
TWO_PARTS = (b"t" * (5 << 20), b"the end of the model")
DAY_S = 86_400
FIGURES = {"calibration": CALIBRATION, "raw": CARDS, "processed": CARDS, "reference": 4, "teacher": 1}
TOTAL = CALIBRATION + CARDS + 2 * CARDS + 4


def array(rows: int) -> bytes:
    """embeddings.npy as NumPy writes it."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {DIMENSIONS}), }}".encode()
    header += b" " * (-(11 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * (rows * DIMENSIONS * 4)


@dataclass
class Week:
    """One server, one bucket of the owner's, one plan. `pass_a_day` makes the hold pass."""

    endpoint: Endpoint
    folder: Path
    pass_a_day: Callable[[Week], None]
    bucket: str = field(default_factory=lambda: f"cards-{uuid.uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self.s3 = self.endpoint.client()
        elsewhere = self.endpoint.region != "us-east-1" and self.endpoint.name != "rgw"
        place = {"CreateBucketConfiguration": {"LocationConstraint": self.endpoint.region}} if elsewhere else {}
        self.s3.create_bucket(Bucket=self.bucket, **place)
        for number in range(CALIBRATION):
            self.put(f"data/calibration/{number:04}.png", b"calibration %d" % number)
        for number in range(CARDS):
            self.put(f"data/raw/card_images/base1-{number}.png", b"card %d" % number)
            for which in range(2):
                key = f"data/processed/classification/train/base1-{number}/{which}.png"
                self.put(key, b"card %d, %d" % (number, which))
        self.put("data/reference/embeddings.npy", array(CARDS))
        self.put("data/reference/index.json", json.dumps({row: f"base1-{row}" for row in range(CARDS)}).encode())
        self.put("data/reference/metadata.json", b"{}")
        self.put("data/reference/usearch.index", usearch_index(CARDS, DIMENSIONS))
        self.put_in_parts("training-output/dinov3-teacher/model.tar.gz", TWO_PARTS)
        old = f"s3://{self.bucket}/data/"
        data = {name: {"path": f"{old}{name}/", "size_mb": 1.0, "num_files": 0} for name in ("raw", "reference")}
        manifest = {"project": {"name": "cards", "version": "1.4.0", "data": data}, "kept": [1.50, "as it is"]}
        self.put(f"{PREFIX}metadata/project_manifest.json", json.dumps(manifest, indent=2).encode())
        self.put(f"{PREFIX}pipelines/train.py", f'RAW = "{old}raw/card_images/"\nEPOCHS = 3\n'.encode())
        self.put(f"{PREFIX}experiments/2025-06/notes.md", b"It began with data/raw2/ and 3 epochs.\n")
        readme = f"Cards are in {old}raw/, their index in {old}reference/index.json.\n\n{BEGIN}\n{END}\n"
        self.put(f"{PREFIX}README.md", readme.encode())
        self.plan = self.folder / "pokemon.toml"
        self.plan.write_text(self.plan_text())
        self.cartage = Cartage(self.endpoint, self.plan, self.folder / "pokemon.ledger")

    def call(self, *words: str, code: int = 0) -> Finished:
        """One command on the plan, in this process: a week has thirty, and Python starts slowly."""
        verb, *flags = words
        arguments = self.cartage.command(verb, *flags)[1:]
        ended = CliRunner().invoke(cli, arguments, env=self.endpoint.env())
        assert ended.exit_code == code, f"{verb} ended with {ended.exit_code}\n{ended.output[-2000:]}"
        return finished(code, ended.stdout, ended.stderr)

    @property
    def anyway(self) -> tuple[str, ...]:
        """For servers that cannot delete by ETag."""
        return () if self.endpoint.name == "sandbox" else ("--unconditional",)

    def plan_text(self) -> str:
        """The example as it is, with this bucket and small figures."""
        text = (REPOSITORY / "examples" / "pokemon.toml").read_text()
        text = text.replace("pokemon-card-training-us-east-2", self.bucket)
        text = text.replace('region = "us-east-2"', f'region = "{self.endpoint.region}"')
        for route, objects in FIGURES.items():
            mine = re.compile(rf'(name\s*=\s*"{route}"(?:.*\n)+?expect = )\{{[^}}]*\}}')
            text, count = mine.subn(rf"\g<1>{{ objects = {objects} }}", text)
            assert count == 1
        text, count = re.subn(r"objects = 52994\nsize.*\n", f"objects = {TOTAL}\n", text)
        assert count == 1
        return text.replace("= [17592, 768]", f"= [{CARDS}, 768]").replace("= 17592", f"= {CARDS}")

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def put_in_parts(self, key: str, bodies: tuple[bytes, ...]) -> None:
        named = {"Bucket": self.bucket, "Key": key}
        upload = self.s3.create_multipart_upload(**named)["UploadId"]
        parts = [
            {"PartNumber": n, "ETag": self.s3.upload_part(**named, UploadId=upload, PartNumber=n, Body=body)["ETag"]}
            for n, body in enumerate(bodies, 1)
        ]
        self.s3.complete_multipart_upload(**named, UploadId=upload, MultipartUpload={"Parts": parts})

    def get(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def listed(self, prefix: str) -> dict[str, tuple[int, str]]:
        return listing(self.endpoint, self.bucket, prefix)

    def closed(self) -> set[str]:
        """What keeps the gate closed, an expectation by its name."""
        return names(self.call("cleanup", *self.anyway, code=5))

    def accept(self, what: str, figure: int, because: str) -> None:
        self.call("accept", what, "--found", str(figure), "--because", because)

    def sums(self, prefix: str) -> dict[str, int]:
        """`cartage ls --summarize`: objects by first-level prefix."""
        words = ["ls", f"s3://{self.bucket}/{prefix}", "--summarize", "--json"]
        ended = CliRunner().invoke(cli, words, env=self.endpoint.env())
        lines: list[dict[str, Any]] = finished(0, ended.stdout, ended.stderr).events
        return {line["prefix"]: line["objects"] for line in lines if line["event"] == "prefix"}


def names(ended: Finished) -> set[str]:
    return {item["accept"] or item["name"] for item in ended.summary["reasons"] if not item["open"]}


def date_proof_back(week: Week) -> None:
    with closing(sqlite3.connect(week.cartage.ledger)) as ledger:
        ledger.execute("UPDATE objects SET digest_ms = digest_ms - ?", ((DAY_S + 5) * 1000,))
        ledger.commit()


@pytest.fixture
def on_sandbox(tmp_path: Path) -> Iterator[Week]:
    with start_sandbox(SandboxSettings()) as sandbox:

        def pass_a_day(week: Week) -> None:
            # A signature of today is then out of date, which this is not about.
            sandbox.control("settings", {"check_signatures": False})
            sandbox.control("advance_clock", {"seconds": DAY_S + 5})

        yield Week(
            Endpoint.of(sandbox),
            tmp_path,
            pass_a_day,
        )


def test_a_week_on_the_sandbox(on_sandbox: Week) -> None:
    live_through(on_sandbox)


@pytest.mark.parametrize("server", ["localstack", "rgw"])
@pytest.mark.real
def test_a_week_on_a_real_server(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    live_through(Week(request.getfixturevalue(server), tmp_path, date_proof_back))


def live_through(week: Week) -> None:
    anyway = ("--no-conditional-writes",) if week.anyway else ()
    before = {prefix: week.listed(prefix) for prefix in ("data/", "training-output/")}

    # Monday: the owner's figures do not add up, and are shown from the first plan on.
    differing = [item["what"] for item in week.call("plan").summary["expectations"] if not item["agrees"]]
    assert differing == ["processed.objects"]
    slow = ("--concurrency", "1", "--max-rps", "12")
    assert week.cartage.interrupt(signal.SIGINT, 1, *slow) == 130
    interrupted = week.call("status").summary
    assert 2 <= interrupted["settled"] < TOTAL + 1
    week.call("run", "--yes")
    assert week.call("verify").summary["agrees"]
    assert week.closed() == {"hold", "processed.objects", "references"}

    # What names the old paths.
    week.call("manifest", "--apply", *anyway)
    manifest = json.loads(week.get(f"{PREFIX}metadata/project_manifest.json"))
    raw = manifest["project"]["data"]["raw"]
    assert manifest["project"]["version"] == "2.0.0" and manifest["kept"] == [1.50, "as it is"]
    assert (raw["path"], raw["num_files"]) == (f"s3://{week.bucket}/{PREFIX}data/raw/", CARDS)
    week.call("rewrite")
    week.call("rewrite", "--apply", *anyway)
    readme = week.get(f"{PREFIX}README.md").decode()
    new = f"s3://{week.bucket}/{PREFIX}data/"
    assert readme.startswith(f"Cards are in {new}raw/, their index in {new}reference/index.json.\n")
    assert f"| raw | `{new}raw/` | {CARDS} | " in readme
    assert week.get(f"{PREFIX}pipelines/train.py").decode().splitlines() == [
        f'RAW = "s3://{week.bucket}/{PREFIX}data/raw/card_images/"',
        "EPOCHS = 3",
    ]
    assert week.closed() == {"hold", "processed.objects"}

    # The difference is accepted for its figure; a late arrival is seen, and taken along.
    week.accept("processed.objects", 2 * CARDS, "two images a card")
    assert week.closed() == {"hold"}
    week.put("data/raw/card_images/late.png", b"late")
    assert week.closed() == {"hold", "audit"}
    week.call("run", "--yes")
    assert week.closed() == {"hold", "proof", "raw.objects", "total.objects"}
    week.call("verify")
    week.accept("raw.objects", CARDS + 1, "one came on Monday evening")
    week.accept("total.objects", TOTAL + 1, "one came on Monday evening")
    assert week.closed() == {"hold"}
    delete = ("cleanup", "--delete", "--confirm", "pokemon-consolidation")
    assert names(week.call(*delete, *week.anyway, code=5)) == {"hold"}

    # Tuesday.
    week.pass_a_day(week)
    if week.anyway:
        assert names(week.call(*delete, code=5)) == {"condition"}
    done = week.call(*delete, *week.anyway)
    assert done.summary["deleted"] == TOTAL + 2
    probes = [item["sentence"] for item in done.summary["reasons"] if item["name"] == "probe"]
    assert f"{CARDS} × 768 float32" in probes[0] and f"{CARDS} vectors of 768 × f32" in probes[1]
    assert probes[3].startswith(f"the reference database: {CARDS} rows of 768 dimensions in each of npy ")
    week.call("receipt")
    receipt = week.folder / "pokemon-consolidation.receipt.json"
    assert week.call("receipt", "--check", str(receipt)).summary["holds"]
    assert len(json.loads(receipt.read_text())["accepted"]) == 3

    # Nothing is left at the source, and everything is at the target, byte for byte as S3 says it.
    assert set(week.sums("")) == {"project/"}
    assert week.sums(f"{PREFIX}data/") == {"processed/": 2 * CARDS, "raw/": CARDS + 1, "reference/": 4}
    moved = before["data/"] | {"raw/card_images/late.png": week.listed(f"{PREFIX}data/raw/")["card_images/late.png"]}
    there = week.listed(f"{PREFIX}data/")
    there |= {
        f"calibration/{key}": value
        for key, value in week.listed(f"{PREFIX}models/efficientnet-hailo/calibration/").items()
    }
    assert there == moved
    assert week.get(f"{PREFIX}models/dinov3-teacher/v1.0/model.tar.gz") == b"".join(TWO_PARTS)
    assert before["training-output/"] != {}
