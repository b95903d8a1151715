"""Bytes that pass through this machine, on servers that no one here wrote: a project cloned into a local folder,
uploaded from there, and taken from one server to the other; judged by two tools that no one here wrote either.

The files are the PNGs of a Debian icon theme, one object that the AWS command line uploaded in parts, and keys of which
some can be no file's name. LocalStack, which is slow, gets the icons of three sizes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.plan.own import MARK
from tests.real.commands import Cartage, Finished, aws, install, listing, rclone
from tests.real.test_migration_rgw import AWKWARD, ICONS
from tests.servers import Endpoint

pytestmark = pytest.mark.real

BUCKET, UPLOADED, RELAYED = "project-cloned", "project-uploaded", "project-relayed"
LARGE_BYTES = 100_000_007
FEWEST_ICONS = {"rgw": 3_000, "localstack": 1_000}
CHOSEN = {"rgw": ICONS, "localstack": "/{8x8,16x16,22x22}/**.png"}

NO_FILES = {
    "double//slash.png": "NameEmpty",
    "/leading slash.png": "NameLeadingSlash",
    "dots/../still/here/./x.png": "NameDots",
    "z" * 900: "NameTooLong",
}


@dataclass(frozen=True, slots=True)
class Scene:
    endpoint: Endpoint
    cartage: Cartage
    folder: Path
    theme: Path
    objects: int
    cloned: Finished
    uploaded: Finished


@pytest.fixture(scope="module", params=["rgw", "localstack"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    endpoint: Endpoint = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp(f"{endpoint.name}-passing")
    theme = Path(install("fetch-icons.sh"))
    fill(endpoint, theme, folder)
    cartage = Cartage(endpoint, folder / "none.toml", folder / "none.ledger")
    cloned = cartage.bare("cp", f"s3://{BUCKET}/project/", "./clone/", "--yes", "--ledger", "clone.ledger")
    uploaded = cartage.bare("cp", "./clone/", f"s3://{UPLOADED}/new/", "--yes", "--ledger", "upload.ledger")
    return Scene(endpoint, cartage, folder, theme, len(listing(endpoint, BUCKET, "project/")), cloned, uploaded)


def fill(endpoint: Endpoint, theme: Path, folder: Path) -> None:
    """Set the scene with tools that are not ours."""
    client = endpoint.client()
    for bucket in (BUCKET, UPLOADED, RELAYED):
        client.create_bucket(Bucket=bucket)
    to = f"s3:{BUCKET}/project/theme"
    rclone(endpoint, "copy", str(theme), to, "--transfers", "16", "--include", CHOSEN[endpoint.name])
    large = folder / "theme.tar"
    large.write_bytes(random.Random(LARGE_BYTES).randbytes(LARGE_BYTES))
    aws(endpoint, "s3", "cp", "--only-show-errors", str(large), f"s3://{BUCKET}/project/backup/theme.tar")
    for number, key in enumerate(AWKWARD):
        client.put_object(Bucket=BUCKET, Key=f"odd/{key}", Body=f"awkward {number}".encode(), ContentType="image/png")


def test_every_object_is_cloned_and_uploaded_and_proven_by_digest(scene: Scene) -> None:
    assert scene.objects > FEWEST_ICONS[scene.endpoint.name]
    for done in (scene.cloned, scene.uploaded):
        assert (done.code, done.summary["copied"], done.summary["complete"]) == (0, scene.objects, True)
    for ledger in ("clone.ledger", "upload.ledger"):
        (route,) = scene.cartage.bare("verify", "--ledger", ledger).summary["routes"].values()
        assert route["proof"] == {"digest": scene.objects}
    assert list((scene.folder / "clone").rglob(f"{MARK}*")) == []
    assert scene.endpoint.client().list_multipart_uploads(Bucket=UPLOADED).get("Uploads", []) == []


def test_the_bytes_are_those_of_the_files_that_it_all_began_with(scene: Scene) -> None:
    clone = scene.folder / "clone"
    assert (clone / "backup/theme.tar").read_bytes() == (scene.folder / "theme.tar").read_bytes()
    icons = [path for path in (clone / "theme").rglob("*") if path.is_file()]
    assert len(icons) == scene.objects - 1
    theirs = {path: scene.theme / path.relative_to(clone / "theme") for path in icons}
    assert [path for path, other in theirs.items() if path.read_bytes() != other.read_bytes()] == []


def test_rclone_finds_no_difference(scene: Scene) -> None:
    for place in (f"s3:{BUCKET}/project", f"s3:{UPLOADED}/new"):
        for how in ((), ("--download",)):
            found = rclone(scene.endpoint, "check", place, str(scene.folder / "clone"), "--checkers", "16", *how)
            assert "0 differences found" in found.stderr
            assert f"{scene.objects} matching files" in found.stderr


def test_aws_s3_sync_has_nothing_to_do(scene: Scene) -> None:
    clone = f"{scene.folder}/clone/"
    for source, target in ((f"s3://{BUCKET}/project/", clone), (clone, f"s3://{UPLOADED}/new/")):
        said = aws(scene.endpoint, "s3", "sync", source, target, "--dryrun", "--delete")
        assert (said.stdout, said.stderr) == ("", "")


def test_times_and_types_are_kept(scene: Scene) -> None:
    """As rclone keeps them with the object, and the AWS command line guesses them."""
    for path in sorted((scene.folder / "clone" / "theme").rglob("*.png"))[:20]:
        name = path.relative_to(scene.folder / "clone")
        assert path.stat().st_mtime_ns == (scene.theme / name.relative_to("theme")).stat().st_mtime_ns
        head = scene.endpoint.client().head_object(Bucket=UPLOADED, Key=f"new/{name.as_posix()}")
        assert head["ContentType"] == "image/png"
        assert float(head["Metadata"]["mtime"]) == pytest.approx(path.stat().st_mtime)


def test_keys_that_can_be_no_files_are_named_and_the_rest_is_cloned(scene: Scene) -> None:
    done = scene.cartage.bare("cp", f"s3://{BUCKET}/odd/", "./odd/", "--yes", "--ledger", "odd.ledger")
    assert done.code == 3
    asides = {item["key"]: item["code"] for item in done.events if item["event"] == "object"}
    stored = listing(scene.endpoint, BUCKET, "odd/")  # what the server made of the keys
    assert asides == {key: code for key, code in NO_FILES.items() if key in stored}
    for number, key in enumerate(AWKWARD):
        if key not in asides and key in stored:
            assert (scene.folder / "odd" / key).read_bytes() == f"awkward {number}".encode()
    assert not (scene.folder / "still").exists()


def test_from_one_server_to_the_other(rgw: Endpoint, localstack: Endpoint, tmp_path: Path) -> None:
    client, theme = rgw.client(), Path(install("fetch-icons.sh"))
    client.create_bucket(Bucket="relay-source")
    localstack.client().create_bucket(Bucket="relay-target")
    # LocalStack leaves out a key with a `+` that a page begins with: it compares encoded keys with plain ones.
    some = [word for rule in ("- *+*", "+ /{8x8,16x16}/**.png", "- *") for word in ("--filter", rule)]
    rclone(rgw, "copy", str(theme), "s3:relay-source/p/theme", "--transfers", "16", *some)
    large = tmp_path / "theme.tar"
    large.write_bytes(random.Random(LARGE_BYTES).randbytes(LARGE_BYTES))
    aws(rgw, "s3", "cp", "--only-show-errors", str(large), "s3://relay-source/p/theme.tar")
    for number, key in enumerate(AWKWARD):
        client.put_object(Bucket="relay-source", Key=f"p/odd/{key}", Body=b"%d" % number, Metadata={"n": str(number)})

    keys = tmp_path / "credentials"
    keys.write_text(f"[ceph]\naws_access_key_id = {rgw.access_key}\naws_secret_access_key = {rgw.secret_key}\n")
    cartage = Cartage(localstack, tmp_path / "none.toml", tmp_path / "none.ledger")
    done = cartage.bare(
        *("cp", "s3://relay-source/p/", "s3://relay-target/q/", "--yes", "--ledger", "relay.ledger"),
        *("--from-endpoint-url", rgw.url, "--from-region", rgw.region, "--from-profile", "ceph"),
        AWS_SHARED_CREDENTIALS_FILE=str(keys),
    )
    source = listing(rgw, "relay-source", "p/")
    assert (done.code, done.summary["copied"]) == (0, len(source))
    # One PUT made each small object, and the large one keeps the parts of its source: every ETag is the same.
    assert listing(localstack, "relay-target", "q/") == source
    for number, key in enumerate(AWKWARD):
        if f"odd/{key}" in source:
            head = localstack.client().head_object(Bucket="relay-target", Key=f"q/odd/{key}")
            assert head["Metadata"] == {"n": str(number)}
    rclone(rgw, "copy", "s3:relay-source/p/theme", str(tmp_path / "there"), "--transfers", "16")
    found = rclone(localstack, "check", "s3:relay-target/q/theme", str(tmp_path / "there"), "--download")
    assert "0 differences found" in found.stderr
    assert (tmp_path / "theme.tar").read_bytes() == _body(localstack, "relay-target", "q/theme.tar")


def _body(endpoint: Endpoint, bucket: str, key: str) -> bytes:
    body: bytes = endpoint.client().get_object(Bucket=bucket, Key=key)["Body"].read()
    return body
