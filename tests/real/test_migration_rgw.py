"""A migration of real files on a server that no one here wrote, killed and interrupted on the way, and judged by two
tools that no one here wrote either.

The server is Ceph's RADOS Gateway, which checks every signature. The files are the PNGs of a Debian icon theme in four
of its sizes, one object of 300 MB that the AWS command line uploaded in parts of 8 MiB, and some keys that are hard to
carry. (Without a `%`: this gateway decodes the source key of an UploadPartCopy twice and ends itself.)
"""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.plan.own import PROBE
from tests.real.commands import Cartage, Finished, aws, install, listing, rclone, successful_puts
from tests.servers import Endpoint

pytestmark = pytest.mark.real

BUCKET = "theme-archive"
OTHER = "theme-odds-and-ends"
SIZES = ("8x8", "16x16", "22x22", "48x48")
ICONS = f"/{{{','.join(SIZES)}}}/**.png"
FEWEST_ICONS = 3_000
LARGE_BYTES = 300_000_007
PART_BYTES = 8 * 1024 * 1024
LARGE_PARTS = -(-LARGE_BYTES // PART_BYTES)
CONCURRENCY = 32

AWKWARD = [
    "a b+c&d=e;f,g@h$i!j~k'(l)*m.png",
    "question?versionId=null#fragment.png",
    "double//slash.png",
    "/leading slash.png",
    "dots/../still/here/./x.png",
    "Grüße/日本語/🂡 ace.png",
    "composed é and decomposed e\u0301.png",
    "trailing space ",
    "quotes\"<&>'.png",
    "back\\slash|pipe^caret`tick{brace}[bracket].png",
    "z" * 900,
]

PLAN = f"""
name   = "icons"
bucket = "{BUCKET}"
prefix = "project/"

[[routes]]
name   = "icons"
from   = "/theme/"
to     = "icons/"
expect = {{ objects = {{icons}} }}

[[routes]]
name   = "large"
from   = "/backup/theme.tar"
to     = "backups/v1/theme.tar"

[[routes]]
name   = "awkward"
from   = "s3://{OTHER}/in/"
to     = "odds/"
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """What was there, what was done about it, and what came of it."""

    endpoint: Endpoint
    cartage: Cartage
    icons: int
    planned: Finished
    killed: int
    interrupted: int
    done: Finished
    verified: Finished

    @property
    def objects(self) -> int:
        return self.icons + 1 + len(AWKWARD)


@pytest.fixture(scope="module")
def migrated(rgw: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("rgw-migration")
    icons = upload(rgw, folder)
    plan = folder / "icons.toml"
    plan.write_text(PLAN.replace("{icons}", str(icons)))
    cartage = Cartage(rgw, plan, folder / "icons.ledger")
    flags = ("--concurrency", str(CONCURRENCY))

    planned = cartage.call("plan")
    killed = cartage.interrupt(signal.SIGKILL, icons // 5, *flags)
    interrupted = cartage.interrupt(signal.SIGINT, icons // 2, *flags)
    done = cartage.call("run", "--yes", *flags)
    verified = cartage.call("verify")
    yield Scene(rgw, cartage, icons, planned, killed, interrupted, done, verified)


def upload(endpoint: Endpoint, folder: Path) -> int:
    """Set the scene with tools that are not ours; how many icons there are."""
    client = endpoint.client()
    for bucket in (BUCKET, OTHER):
        client.create_bucket(Bucket=bucket)
    theme = Path(install("fetch-icons.sh"))
    found = (file for size in SIZES for file in (theme / size).rglob("*.png"))
    icons = sum(1 for file in found if file.is_file() and not file.is_symlink())
    assert icons >= FEWEST_ICONS
    rclone(endpoint, "copy", str(theme), f"s3:{BUCKET}/theme", "--transfers", "16", "--include", ICONS)

    large = folder / "theme.tar"
    seeded = random.Random(LARGE_BYTES)
    with large.open("wb") as file:
        for first in range(0, LARGE_BYTES, PART_BYTES):
            file.write(seeded.randbytes(min(PART_BYTES, LARGE_BYTES - first)))
    aws(endpoint, "s3", "cp", "--only-show-errors", str(large), f"s3://{BUCKET}/backup/theme.tar")
    large.unlink()

    for number, key in enumerate(AWKWARD):
        client.put_object(
            Bucket=OTHER,
            Key=f"in/{key}",
            Body=f"awkward {number}".encode(),
            ContentType="image/png",
            Metadata={"number": str(number)},
        )
    return icons


def test_the_plan_counts_what_is_there_and_writes_nothing(migrated: Scene) -> None:
    assert migrated.planned.code == 0
    assert migrated.done.summary["routes"]["icons"]["objects"] == migrated.icons
    puts = successful_puts(migrated.endpoint, BUCKET, "project/")
    assert sum(puts.values()) > 0, "the access log cannot be read, and so proves nothing"


def test_a_killed_and_an_interrupted_run_are_taken_up_where_they_ended(migrated: Scene) -> None:
    assert migrated.killed == -signal.SIGKILL
    assert migrated.interrupted == 130
    assert migrated.done.summary["resumed"]
    assert migrated.done.summary["complete"]
    assert migrated.done.summary["copied"] < migrated.icons
    assert migrated.done.summary["aside"] == {}


def test_every_object_is_verified_with_no_difference(migrated: Scene) -> None:
    summary = migrated.verified.summary
    assert summary["agrees"]
    assert summary["differing"] == 0
    assert sum(route["verified"] for route in summary["routes"].values()) == migrated.objects
    # One PUT made each small object, so that both ETags are the MD5 of its bytes.
    assert summary["routes"]["icons"]["proof"] == {"digest": migrated.icons}


def test_both_sides_list_the_same_keys_sizes_and_etags(migrated: Scene) -> None:
    source = listing(migrated.endpoint, BUCKET, "theme/")
    assert len(source) == migrated.icons
    assert listing(migrated.endpoint, BUCKET, "project/icons/") == source


def test_awkward_keys_arrive_verbatim_with_their_headers(migrated: Scene) -> None:
    source = listing(migrated.endpoint, OTHER, "in/")
    assert sorted(source) == sorted(AWKWARD)
    assert listing(migrated.endpoint, BUCKET, "project/odds/") == source
    client = migrated.endpoint.client()
    for number, key in enumerate(AWKWARD):
        head = client.head_object(Bucket=BUCKET, Key=f"project/odds/{key}")
        assert (head["ContentType"], head["Metadata"]) == ("image/png", {"number": str(number)})


def test_the_large_object_is_laid_out_in_the_parts_of_its_source(migrated: Scene) -> None:
    client = migrated.endpoint.client()
    source = client.head_object(Bucket=BUCKET, Key="backup/theme.tar")
    target = client.head_object(Bucket=BUCKET, Key="project/backups/v1/theme.tar")
    assert target["ContentLength"] == LARGE_BYTES
    assert source["ETag"].strip('"').endswith(f"-{LARGE_PARTS}")
    assert target["ETag"] == source["ETag"]
    assert migrated.verified.summary["routes"]["large"]["proof"] == {"digest": 1}
    assert client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_the_servers_own_log_says_that_nothing_finished_was_copied_again(migrated: Scene) -> None:
    puts = successful_puts(migrated.endpoint, BUCKET, "project/")
    mine = {path: count for path, count in puts.items() if PROBE not in path}  # not what the server was tried out with
    again = sum(count - 1 for count in mine.values())
    # What was in flight when the run was killed may have been carried out without anyone being told.
    assert again <= CONCURRENCY, {path: count for path, count in mine.items() if count > 1}


def test_rclone_finds_no_difference(migrated: Scene) -> None:
    icons = rclone(migrated.endpoint, "check", f"s3:{BUCKET}/theme", f"s3:{BUCKET}/project/icons", "--checkers", "16")
    assert "0 differences found" in icons.stderr
    assert f"{migrated.icons} matching files" in icons.stderr
    large = rclone(migrated.endpoint, "check", f"s3:{BUCKET}/backup", f"s3:{BUCKET}/project/backups/v1", "--download")
    assert "0 differences found" in large.stderr
    assert "1 matching files" in large.stderr


def test_aws_s3_sync_has_nothing_to_do(migrated: Scene) -> None:
    for source, target in (("theme", "project/icons"), ("backup", "project/backups/v1")):
        said = aws(
            migrated.endpoint,
            "s3",
            "sync",
            f"s3://{BUCKET}/{source}/",
            f"s3://{BUCKET}/{target}/",
            "--dryrun",
            "--delete",
        )
        assert (said.stdout, said.stderr) == ("", "")
