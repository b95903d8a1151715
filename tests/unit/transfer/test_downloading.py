"""One object of a bucket into a folder: what the bytes that came are held against."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.folder.store import FolderStore
from engine.folder.versions import version_of
from engine.model import ABSENT, FILE_SITE, ListedObject, Location, ObjectHead, Proof
from engine.plan.integrity import multipart_etag
from engine.plan.lifecycle import State
from engine.plan.record import Outcome
from engine.plan.route import Route
from engine.sites.known import KnownTraits
from engine.sites.site import Site
from engine.sites.sites import Sites
from engine.store import HeadObject
from engine.transfer.carrier import Task
from engine.transfer.carriers import Carriers
from tests.fake_store import FakeStore, Held, md5
from tests.unit.transfer.passes import at_once
from tests.unit.transfer.scene import NOW_MS, Journal

BODY = bytes(range(256)) * 10
OTHER = b"\1" + BODY[1:]


def in_parts(body: bytes, sizes: Sequence[int]) -> tuple[tuple[str, int], ...]:
    """The parts' MD5s, each with its size."""
    firsts = [sum(sizes[:number]) for number in range(len(sizes))]
    return tuple((md5(body[first : first + size]), size) for first, size in zip(firsts, sizes, strict=True))


class Untold(FakeStore):
    """A server that does not know a HEAD of a part."""

    def _head(self, request: HeadObject) -> ObjectHead:
        return super()._head(request._replace(part_number=None))


async def downloaded(store: FakeStore, folder: Path, sizes: Sequence[int], came: bytes) -> Outcome:
    """What becomes of an object of `BODY` in these parts, of which `came` is what is fetched."""
    parts = in_parts(BODY, sizes)
    etag = multipart_etag([etag for etag, _ in parts])
    held: Held = store.put("s3://bkt/old/k", came, etag=etag, parts=parts)
    return await carried(store, folder, held)


async def carried(store: FakeStore, folder: Path, held: Held, condition: str = ABSENT) -> Outcome:
    """What becomes of an object; with a condition the file that bears it is looked at first."""
    files = FolderStore()
    sites = {
        "": Site("", "http://fake", store, KnownTraits(store, trusted=True)),
        FILE_SITE: Site(FILE_SITE, "", files, KnownTraits(files, trusted=True), folder=files),
    }
    route = Route("r", Location("bkt", "old/"), Location(str(folder), "", FILE_SITE))
    carriers = Carriers(Sites(sites), Journal(), lambda event: None, lambda: NOW_MS, pause=at_once)
    source = ListedObject("old/k", held.size, held.etag, held.modified)
    return await carriers.carrier_for(route).carry(Task(route, "k", source, condition, inspect=condition != ABSENT))


@pytest.mark.parametrize(
    "sizes", [[2560], [2000, 560], [1000, 600, 960], [600, 600, 600, 600, 160]], ids=["one", "two", "odd", "equal"]
)
async def test_bytes_that_do_not_come_to_the_etag_of_parts_that_were_told_get_no_name(
    tmp_path: Path, sizes: list[int]
) -> None:
    outcome = await downloaded(FakeStore(), tmp_path, sizes, BODY)
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "etag of parts")
    (tmp_path / "k").unlink()
    outcome = await downloaded(FakeStore(), tmp_path, sizes, OTHER)
    assert (outcome.state, outcome.code) == (State.FAILED, "DigestMismatch")
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize(
    ("store", "sizes"),
    [(FakeStore, [600, 600, 500, 700, 160]), (Untold, [2000, 560])],
    ids=["taken to be equal", "not told"],
)
async def test_parts_that_were_guessed_wrong_are_no_mismatch(
    tmp_path: Path, store: type[FakeStore], sizes: list[int]
) -> None:
    outcome = await downloaded(store(), tmp_path, sizes, BODY)
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.SIZE)
    assert (tmp_path / "k").read_bytes() == BODY


@pytest.mark.parametrize("etag", [md5(b""), f"{md5(md5(b'').encode())}-1", "an ETag of no form"])
async def test_an_empty_file_is_what_an_empty_object_is_whatever_its_etag(tmp_path: Path, etag: str) -> None:
    store = FakeStore()
    (tmp_path / "k").touch()
    os.utime(tmp_path / "k", ns=(0, 0))
    held = store.put("s3://bkt/old/k", b"", etag=etag)
    outcome = await carried(store, tmp_path, held, version_of((tmp_path / "k").stat()))
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "no bytes")
    assert outcome.method == "found"
