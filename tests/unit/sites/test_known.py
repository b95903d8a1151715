"""One place knows what a server does, bucket by bucket: noted, tried where it is used, never taken over elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from engine.api.options import Options
from engine.errors import AccessDenied, StoreError, Unavailable
from engine.finish.gate import conditional
from engine.finish.sending import Condition, condition_for
from engine.model import Location, ObjectRef, Overwrite, Properties
from engine.plan.document import Plan
from engine.plan.own import PROBE, own_place
from engine.plan.route import Route
from engine.plan.settings import Connection
from engine.sites import known
from engine.sites.known import KnownTraits
from engine.sites.opening import open_site
from engine.sites.own import ATTEMPTS
from engine.sites.site import Site
from engine.sites.sites import Sites
from engine.sites.traits import ALL, AWS, NOTHING_KNOWN, Answer, Traits
from engine.sites.trial import PARTS
from engine.store import CopyObject, CreateUpload, DeleteObject, DeleteObjects
from tests.fake_store import FakeStore

TARGET = Location("dst", "new/")
SOURCE = Location("src", "old/")


class Memory:
    """Notes that a ledger would keep."""

    def __init__(self, **kept: Any) -> None:
        self.kept = kept

    async def note(self, key: str) -> Any:
        return self.kept.get(key)

    async def set_note(self, key: str, value: Any) -> None:
        self.kept[key] = value


class TwoKinds(FakeStore):
    """Two buckets behind one endpoint, of which "src" ignores conditions."""

    async def delete_object(self, request: DeleteObject) -> bool:
        self.honours_delete = request.ref.bucket != "src"
        return await super().delete_object(request)

    async def delete_objects(self, request: DeleteObjects) -> Any:
        self.honours_delete = request.bucket != "src"
        return await super().delete_objects(request)

    async def copy_object(self, request: CopyObject) -> Any:
        self.honours_source = request.source.bucket != "src"
        return await super().copy_object(request)


def route(source: Location = SOURCE, target: Location = TARGET, name: str = "r") -> Route:
    return Route(name, source, target, overwrite=Overwrite.NEVER)


def like_s3(kind: type[FakeStore] = FakeStore) -> FakeStore:
    store = kind()
    store.checksum_on_copy = True
    return store


async def test_what_was_tried_is_noted_and_not_tried_again() -> None:
    store, notes = like_s3(), Memory()
    sites = KnownTraits(store, trusted=False)
    await sites.remember(notes, "dst")
    assert sites.known("dst") == NOTHING_KNOWN
    assert await sites.traits_of(TARGET) == AWS
    requests = len(store.requests)
    assert await sites.traits_of(TARGET) == AWS
    later = KnownTraits(store, trusted=False)
    await later.remember(notes, "dst")
    assert await later.traits_of(TARGET) == later.known("dst") == AWS
    assert later.known("another") == NOTHING_KNOWN
    assert len(store.requests) == requests


async def test_before_a_delete_it_is_tried_anew_each_time() -> None:
    store, notes = like_s3(), Memory()
    sites = KnownTraits(store, trusted=False)
    await sites.remember(notes, "dst")
    assert (await sites.tried_now(TARGET)).batch_if_match.holds
    store.honours_delete = False
    assert not (await sites.tried_now(TARGET)).batch_if_match.holds
    assert notes.kept["traits"]["dst"]["batch_if_match"] == "no"


async def test_what_is_not_known_is_tried_again_and_only_where_it_is_needed() -> None:
    store = like_s3()
    sites = KnownTraits(store, trusted=False)
    await sites.remember(Memory(traits={"dst": AWS.as_note() | {"checksums": "not known"}}), "dst")
    assert (await sites.traits_of(TARGET, ("put_if_match",))).put_if_match.holds
    assert store.requests == []
    assert await sites.traits_of(TARGET) == AWS
    assert store.requests != []


async def test_a_server_that_could_not_be_used_is_tried_anew() -> None:
    sites = KnownTraits(like_s3(), trusted=False)
    await sites.remember(Memory(traits={"dst": AWS.as_note() | {"listing_ordered": "no"}}), "dst")
    assert await sites.traits_of(TARGET) == AWS


async def test_a_note_of_an_older_ledger_counts_for_the_bucket_that_was_tried() -> None:
    sites = KnownTraits(like_s3(), trusted=False)
    await sites.remember(Memory(honours={"source_pinned": True, "delete_conditional": False}), "dst")
    assert sites.known("dst") == Traits(copy_pins=Answer.YES, delete_if_match=Answer.NO)
    assert sites.known("src") == NOTHING_KNOWN


async def test_an_object_of_our_own_is_noted_before_it_is_made_and_removed_by_whoever_comes_next() -> None:
    store, notes = like_s3(), Memory()
    sites = KnownTraits(store, trusted=False)
    await sites.remember(notes, "dst")
    put, noted = store.put_object, []

    async def put_object(request: Any) -> Any:
        noted.append(request.ref.key.startswith(notes.kept["probe"][-1][1]))
        return await put(request)

    store.put_object = put_object  # type: ignore[method-assign]
    await sites.tried_now(TARGET)
    assert noted and all(noted)
    assert notes.kept["probe"] is None

    notes.kept["probe"] = ["dst", f"new/{PROBE}left"]
    store.put(f"s3://dst/new/{PROBE}left-copy")
    await sites.remove_leftovers()
    assert store.objects == {} and notes.kept["probe"] is None


async def test_what_arrives_after_a_killed_command_was_looked_for_is_removed_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its last request may still be on its way, as long as S3 takes its signature."""
    store, now_ms = like_s3(), 1_800_000_000_000
    monkeypatch.setattr(known, "now_ms", lambda: now_ms)
    left = ObjectRef("dst", f"new/{PROBE}left")
    notes = Memory(probe=[[*left, now_ms]])

    async def next_command() -> None:
        sites = KnownTraits(store, trusted=False)
        await sites.remember(notes, "dst")
        for _ in range(2):
            await sites.remove_leftovers()

    await next_command()
    assert len(store.made("ListMultipartUploads")) == 1, "once a command is enough"
    await store.create_upload(CreateUpload(ObjectRef("dst", left.key + PARTS), Properties()))
    await next_command()
    assert store.uploads == {}
    now_ms += known.STILL_COMING_MS + 1
    await next_command()
    assert notes.kept["probe"] is None


@pytest.mark.parametrize("trouble", [Unavailable, AccessDenied])
async def test_what_cannot_be_looked_for_is_not_forgotten(trouble: type[StoreError]) -> None:
    store = like_s3()
    notes = Memory(probe=["dst", f"new/{PROBE}left"])
    store.plan("ListMultipartUploads", *[("before", trouble("no", operation="ListMultipartUploads"))] * ATTEMPTS)
    sites = KnownTraits(store, trusted=False)
    await sites.remember(notes, "dst")
    await sites.remove_leftovers()
    may_never_be_known = trouble is AccessDenied
    assert (notes.kept["probe"] is None) is may_never_be_known
    await sites.remove_leftovers()
    assert notes.kept["probe"] is None


async def test_each_bucket_is_tried_where_it_is_used() -> None:
    store = like_s3(TwoKinds)
    store.put("s3://src/old/a", b"a")
    known = KnownTraits(store, trusted=False)
    sites = Sites({"": Site("", "http://127.0.0.1:9", store, known)})
    await sites.try_routes([route()])
    assert known.known("dst") == AWS
    assert known.known("src").copy_pins is Answer.NO
    assert not [request for request in store.made("PutObject") if request.ref.bucket == "src"]
    said = sites.sentences([route()])
    assert any(line.startswith("src: the server ignores copy-source-if-match") for line in said)
    assert not any(line.startswith("dst:") for line in said)


async def test_the_gate_is_closed_by_any_source_bucket_that_ignores_etags() -> None:
    store = like_s3(TwoKinds)
    sites = KnownTraits(store, trusted=False)
    found = {bucket: await sites.tried_now(Location(bucket, "")) for bucket in ("src", "dst")}
    assert condition_for(found["dst"], unconditional=False) is Condition.BATCH
    assert condition_for(found["src"], unconditional=False) is None
    reason = conditional(found, unconditional=False, tried=True)
    assert not reason.open and reason.sentence.endswith("(src)")
    assert conditional(found, unconditional=True, tried=True).open


def test_a_gate_that_was_not_tried_says_so_and_claims_nothing() -> None:
    reason = conditional({"b": AWS, "c": NOTHING_KNOWN}, unconditional=False)
    assert reason.open and "is tried out before anything is deleted" in reason.sentence
    assert not conditional({"b": AWS, "c": NOTHING_KNOWN}, unconditional=False, tried=True).open


@pytest.mark.parametrize("answer", [answer for answer in Answer if answer is not Answer.YES])
def test_nothing_but_a_yes_lets_anything_be_deleted_by_etag(answer: Answer) -> None:
    assert condition_for(Traits(**dict.fromkeys(ALL, answer)), unconditional=False) is None
    assert condition_for(Traits(**dict.fromkeys(ALL, answer)), unconditional=True) is Condition.NONE


async def test_what_requests_in_earnest_found_refused_is_kept() -> None:
    notes = Memory(traits={"src": AWS.as_note()})
    sites = KnownTraits(FakeStore(), trusted=False)
    await sites.remember(notes, "dst")
    await sites.learn("src", {"part_pins_parts"})
    assert sites.known("src").part_pins_parts is Answer.REFUSED
    assert notes.kept["traits"]["src"]["part_pins_parts"] == "refused"


def test_our_own_objects_are_beside_a_target_or_outside_of_what_a_route_lists() -> None:
    plan = Plan.of("s3://src/old/", "s3://dst/new/", name="p")
    assert own_place(plan.routes, Location("dst", "")) == TARGET
    assert own_place(plan.routes, Location("src", "")) == Location("src", "")


@pytest.mark.parametrize(
    ("endpoint", "assume", "trusted"),
    [
        ("http://127.0.0.1:9", "aws", True),
        ("http://127.0.0.1:9", "", False),
        ("https://s3.eu-west-1.amazonaws.com", "", True),
    ],
)
async def test_only_aws_and_what_is_to_be_taken_for_it_is_trusted(endpoint: str, assume: Any, trusted: bool) -> None:
    async with open_site(Connection(), Options(endpoint_url=endpoint, assume=assume)) as opened:
        assert opened.known.trusted == trusted
        assert opened.known.known("any") == (AWS if trusted else NOTHING_KNOWN)
