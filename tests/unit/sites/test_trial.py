"""What a server does is tried on objects of our own that are removed again; each trait is judged by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from engine.errors import (
    AccessDenied,
    Ambiguous,
    BadCredentials,
    NotFound,
    PreconditionFailed,
    Rejected,
    StoreError,
    Unsupported,
)
from engine.model import Location, ObjectRef, Page, Properties, UploadRef
from engine.plan.own import PROBE
from engine.sites.attempts import Met, judged
from engine.sites.traits import ALL, AWS, NOTHING_KNOWN, Answer, Traits, from_note, from_older_note, sentences
from engine.sites.trial import SUFFIXES, probe_at, remove_probe, try_out, try_pins
from engine.store import CreateUpload, ListPage
from tests.fake_store import FakeStore

WHERE = Location("bkt", "new/")
YES, NO, REFUSED, UNKNOWN = Answer.YES, Answer.NO, Answer.REFUSED, Answer.UNKNOWN


def like_s3() -> FakeStore:
    store = FakeStore()
    store.checksum_on_copy = True
    return store


async def tried(store: FakeStore, probe: ObjectRef) -> Traits:
    """What a trial finds out, all of whose objects are gone."""
    traits, left = await try_out(store, probe)
    assert left == []
    return traits


def lacking(traits: Traits) -> dict[str, Answer]:
    """What is not a yes."""
    return {name: getattr(traits, name) for name in ALL if not getattr(traits, name).holds}


async def test_a_server_that_does_what_S3_does_lacks_nothing_and_keeps_nothing() -> None:
    store = like_s3()
    traits = await tried(store, probe_at(WHERE))
    assert traits == AWS
    assert sentences(traits) == []
    assert store.objects == {} and store.uploads == {}
    assert all(request.ref.key.startswith(f"new/{PROBE}") for request in store.made("PutObject"))


@pytest.mark.parametrize(
    ("ignored", "names"),
    [
        ("honours_source", {"copy_pins", "copy_pins_parts", "part_pins", "part_pins_parts"}),
        (
            "honours_target",
            {"copy_if_absent", "copy_if_match", "complete_guarded", "put_if_absent", "put_if_match"},
        ),
        ("honours_delete", {"delete_if_match", "batch_if_match"}),
        ("checksum_on_copy", {"checksums"}),
        ("compares_sums", {"put_sums", "upload_sums"}),
        ("compares_whole", {"upload_sums"}),
        ("compares_md5", {"content_md5"}),
    ],
)
async def test_what_is_ignored_is_a_no_and_nothing_else_is(ignored: str, names: set[str]) -> None:
    store = like_s3()
    setattr(store, ignored, False)
    assert lacking(await tried(store, probe_at(WHERE))) == dict.fromkeys(names, NO)
    assert store.objects == {}


# --- one thing that goes wrong says nothing of the others -------------------------------------------------------

Meant = Callable[[str, Any], bool]


def bears(operation: str, attribute: str, wanted: Callable[[Any], bool] = bool) -> Meant:
    return lambda name, request: name == operation and wanted(getattr(request, attribute))


ONE_STEP: list[tuple[str, Meant, set[str]]] = [
    ("a checksum on a copy", bears("CopyObject", "checksum_algorithm"), {"checksums"}),
    ("a checksum on a write", bears("PutObject", "checksum"), {"put_sums"}),
    ("Content-MD5", bears("PutObject", "content_md5"), {"content_md5"}),
    ("an upload with a checksum", bears("CreateMultipartUpload", "checksum_algorithm"), {"upload_sums"}),
    ("a checksum on a part", bears("UploadPart", "checksum"), {"upload_sums"}),
    ("a checksum on Complete", bears("CompleteMultipartUpload", "checksum"), {"upload_sums"}),
    ("a pin on a copy", bears("CopyObject", "source_etag"), {"copy_pins", "copy_pins_parts"}),
    (
        "a pin of a multipart ETag on a copy",
        bears("CopyObject", "source_etag", lambda etag: bool(etag) and "-" in etag),
        {"copy_pins_parts"},
    ),
    ("a pin on a part", bears("UploadPartCopy", "source_etag"), {"part_pins", "part_pins_parts"}),
    ("If-None-Match on a copy", bears("CopyObject", "target_condition", lambda said: said == "*"), {"copy_if_absent"}),
    (
        "If-Match on a copy",
        bears("CopyObject", "target_condition", lambda said: said not in (None, "*")),
        {"copy_if_match"},
    ),
    ("a condition on Complete", bears("CompleteMultipartUpload", "target_condition"), {"complete_guarded"}),
    ("If-None-Match on a write", bears("PutObject", "target_condition", lambda said: said == "*"), {"put_if_absent"}),
    (
        "If-Match on a write",
        bears("PutObject", "target_condition", lambda said: said not in (None, "*")),
        {"put_if_match"},
    ),
    ("If-Match on a delete", bears("DeleteObject", "if_match"), {"delete_if_match"}),
    ("DeleteObjects", lambda name, request: name == "DeleteObjects", {"batch_if_match"}),
]
"""What a server may refuse, and what it then does not do. Another kind is a line."""

REFUSALS: dict[str, tuple[Callable[[str], StoreError], Answer]] = {
    "501": (lambda name: Unsupported("not here", operation=name, code="NotImplemented"), REFUSED),
    "400": (lambda name: Rejected("no", operation=name, code="InvalidArgument"), REFUSED),
    "403": (lambda name: AccessDenied("no", operation=name, code="AccessDenied"), UNKNOWN),
    "reset": (lambda name: Ambiguous("reset", operation=name, code="ConnectionLost"), UNKNOWN),
}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize(("meant", "names"), [item[1:] for item in ONE_STEP], ids=[item[0] for item in ONE_STEP])
async def test_one_refusal_is_of_one_trait(refusal: str, meant: Meant, names: set[str]) -> None:
    store = like_s3()
    make, answer = REFUSALS[refusal]

    def before(name: str, request: Any) -> None:
        if meant(name, request):
            raise make(name)

    store.before = before
    assert lacking(await tried(store, probe_at(WHERE))) == dict.fromkeys(names, answer)
    store.before = None
    assert store.objects == {} and store.uploads == {}


async def test_412_to_an_etag_that_is_right_is_a_refusal() -> None:
    """As OpenStack Swift answers to the ETag of a multipart object."""
    store = like_s3()

    def before(name: str, request: Any) -> None:
        if name in ("CopyObject", "UploadPartCopy") and "-" in (request.source_etag or ""):
            raise PreconditionFailed("no", operation=name)

    store.before = before
    traits = await tried(store, probe_at(WHERE))
    assert lacking(traits) == {"copy_pins_parts": REFUSED, "part_pins_parts": REFUSED}
    assert any("refuses" in line and "multipart" in line for line in sentences(traits))


LOST = Ambiguous("reset", operation="", code="ConnectionLost")


@pytest.mark.parametrize("landed", ["after", "before"])
@pytest.mark.parametrize("operation", ["PutObject", "CopyObject", "CompleteMultipartUpload"])
async def test_an_answer_that_was_lost_is_looked_for_and_no_listing_is_blamed(operation: str, landed: str) -> None:
    """Of what landed nobody was told: it is listed like the rest."""
    store = like_s3()
    store.plan(operation, (landed, LOST))
    traits = await tried(store, probe_at(WHERE))
    assert (traits.listing, traits.listing_plain, traits.listing_ordered) == (YES, YES, YES)
    assert set(lacking(traits).values()) <= {UNKNOWN}
    assert traits.copy_pins_parts is YES
    assert store.objects == {} and store.uploads == {}


async def test_what_may_be_there_and_cannot_be_looked_at_may_be_listed_or_not() -> None:
    store = like_s3()
    store.plan("CompleteMultipartUpload", ("after", LOST))
    denied = AccessDenied("no", operation="HeadObject")
    store.plan("HeadObject", *[("before", denied)] * 9)
    assert (await tried(store, probe_at(WHERE))).listing is YES


async def test_a_name_that_may_not_be_written_says_nothing_of_the_conditions() -> None:
    store = like_s3()

    def before(name: str, request: Any) -> None:
        if name == "PutObject" and "%" in request.ref.key:
            raise Rejected("no such names here", operation=name)

    store.before = before
    found = lacking(await tried(store, probe_at(WHERE)))
    assert found == dict.fromkeys(("listing", "listing_plain", "listing_ordered"), UNKNOWN)


async def test_where_nothing_may_be_written_nothing_is_claimed() -> None:
    store = like_s3()

    def before(name: str, request: Any) -> None:
        if name in ("PutObject", "CopyObject", "CreateMultipartUpload"):
            raise AccessDenied("no", operation=name)

    store.before = before
    traits = await tried(store, probe_at(WHERE))
    assert traits == NOTHING_KNOWN
    said = sentences(traits)
    assert len(said) > 5 and not any("ignores" in line or "refuses" in line.split(":")[0] for line in said)


async def test_what_stops_a_run_is_raised() -> None:
    store = FakeStore()
    store.plan("PutObject", ("before", BadCredentials("expired", operation="PutObject")))
    with pytest.raises(BadCredentials):
        await tried(store, probe_at(WHERE))


@pytest.mark.parametrize("right", Met)
@pytest.mark.parametrize("wrong", Met)
def test_a_yes_takes_one_that_is_let_through_and_one_that_is_not(right: Met, wrong: Met) -> None:
    assert (judged(right, wrong) is YES) == (right is Met.DONE and wrong is Met.UNMET)
    if right is wrong is Met.OPEN:
        assert judged(right, wrong) is UNKNOWN


# --- deletes ------------------------------------------------------------------------------------------------------


async def test_a_delete_is_believed_by_a_look_alone() -> None:
    """A server that says 204 and shows the object still is not known to have kept it."""
    store = like_s3()

    async def delete_object(request: Any) -> bool:
        return False

    store.delete_object = delete_object  # type: ignore[method-assign]
    assert (await tried(store, probe_at(WHERE))).delete_if_match is UNKNOWN


async def test_a_server_that_ignores_conditions_and_shows_for_a_moment_what_is_gone_deletes_by_no_etag() -> None:
    store = like_s3()
    store.honours_delete = False
    there, shown = store.head_object, {}

    async def head_object(request: Any) -> Any:
        """As a cache: what was seen there is there for one look more."""
        try:
            shown[request.ref] = await there(request)
        except NotFound:
            if request.ref in shown:
                return shown.pop(request.ref)
            raise
        return shown[request.ref]

    store.head_object = head_object  # type: ignore[method-assign]
    traits = await tried(store, probe_at(WHERE))
    assert (traits.delete_if_match, traits.batch_if_match) == (UNKNOWN, UNKNOWN)


async def test_a_delete_that_is_not_confirmed_is_looked_at_once_and_not_sent_again() -> None:
    store = like_s3()
    asked, delete = [], store.delete_object

    async def delete_object(request: Any) -> bool:
        asked.append(request.ref.key)
        await delete(request)
        raise Ambiguous("status 200 where 204 was due", operation="DeleteObject", code="UnreadableAnswer")

    store.delete_object = delete_object  # type: ignore[method-assign]
    probe = probe_at(WHERE)
    for suffix in SUFFIXES:
        store.put(f"s3://{probe.bucket}/{probe.key}{suffix}")
    assert await remove_probe(store, probe) == []
    assert sorted(asked) == [probe.key + suffix for suffix in SUFFIXES]
    assert store.objects == {}


async def test_what_a_crash_left_of_a_trial_is_removed_with_its_uploads() -> None:
    store = like_s3()
    probe = probe_at(WHERE)
    stop = BadCredentials("as if killed", operation="UploadPartCopy")
    store.plan("UploadPartCopy", ("before", stop))
    deleting, store.delete_object = store.delete_object, None  # type: ignore[method-assign, assignment]
    aborting, store.abort_upload = store.abort_upload, None  # type: ignore[method-assign, assignment]
    with pytest.raises(TypeError):
        await remove_probe(store, probe) if store.objects else await try_out(store, probe)
    store.delete_object, store.abort_upload = deleting, aborting  # type: ignore[method-assign]
    assert store.objects and store.uploads
    assert await remove_probe(store, probe) == []
    assert store.objects == {} and store.uploads == {}


async def test_where_uploads_may_not_be_listed_the_trials_own_are_aborted_or_named() -> None:
    store, probe = like_s3(), probe_at(WHERE)
    at = ObjectRef(probe.bucket, probe.key + "-parts")
    begun = await store.create_upload(CreateUpload(at, Properties()))
    store.plan("ListMultipartUploads", ("before", Unsupported("no such thing", operation="", code="NotImplemented")))
    assert await remove_probe(store, probe, [begun, UploadRef(at, "")]) == [at]
    assert store.uploads == {}


# --- listings -----------------------------------------------------------------------------------------------------


class Encoded(FakeStore):
    """Compares encoded keys with what to go on after, as LocalStack 4.9 does; `plain_too`: without encoding as well."""

    plain_too = False

    async def list_page(self, request: ListPage) -> Page:
        encoded = self.plain_too or not request.plain
        after = request.token or request.start_after
        listed = (await super().list_page(request._replace(token=None, start_after="", max_keys=1_000))).objects
        left = [item for item in listed if not after or (quote(item.key) if encoded else item.key) > after]
        more = len(left) > request.max_keys
        return Page(left[: request.max_keys], left[request.max_keys - 1].key if more else None)


class Spaced(FakeStore):
    """Says that keys are encoded, and leaves "+" as it is, which then stands for a blank."""

    async def list_page(self, request: ListPage) -> Page:
        page = await super().list_page(request)
        if request.plain:
            return page
        return page._replace(objects=[item._replace(key=item.key.replace("+", " ")) for item in page.objects])


class Utf16(FakeStore):
    """Lists, and goes on, in the order of keys in UTF-16."""

    async def list_page(self, request: ListPage) -> Page:
        def order(key: str) -> bytes:
            return key.encode("utf-16-be", "surrogatepass")

        after = request.token or request.start_after
        every = (await super().list_page(request._replace(token=None, start_after="", max_keys=1_000))).objects
        left = sorted((item for item in every if order(item.key) > order(after)), key=lambda item: order(item.key))
        more = len(left) > request.max_keys
        return Page(left[: request.max_keys], left[request.max_keys - 1].key if more else None)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FakeStore, (YES, YES, YES)),
        (Encoded, (NO, YES, YES)),
        (Spaced, (NO, YES, YES)),
        (Utf16, (YES, YES, NO)),
    ],
)
async def test_how_a_server_lists_is_found_out(kind: type[FakeStore], expected: tuple[Answer, ...]) -> None:
    store = kind()
    traits = await tried(store, probe_at(WHERE))
    assert (traits.listing, traits.listing_plain, traits.listing_ordered) == expected
    assert traits.loses_keys == (kind is Utf16)
    assert store.objects == {}


async def test_a_server_that_loses_keys_however_it_is_asked_is_known() -> None:
    store = Encoded()
    store.plain_too = True
    traits = await tried(store, probe_at(WHERE))
    assert (traits.listing, traits.listing_plain) == (NO, NO)
    assert traits.loses_keys


async def test_one_page_that_came_wrong_is_no_verdict() -> None:
    store = FakeStore()
    pages, listed = 0, store.list_page

    async def list_page(request: ListPage) -> Page:
        nonlocal pages
        pages += 1
        answer = await listed(request)
        return answer._replace(next_token=None) if pages == 2 else answer

    store.list_page = list_page  # type: ignore[method-assign]
    assert (await tried(store, probe_at(WHERE))).listing is YES


# --- sources that are only read -----------------------------------------------------------------------------------


async def test_a_source_that_is_only_read_is_tried_with_what_it_holds() -> None:
    store = like_s3()
    store.put("s3://src/a", b"small")
    store.put("s3://src/z", 6 << 30)
    store.put("s3://src/m", etag="0" * 31 + "1-1")
    found, _ = await try_pins(store, Location("src", ""), probe_at(WHERE))
    assert set(found.values()) == {YES} and len(found) == 4
    store.honours_source = False
    assert set((await try_pins(store, Location("src", ""), probe_at(WHERE)))[0].values()) == {NO}
    assert not [ref for ref in store.objects if ref[0] == "bkt"]
    assert {request.source.key for request in store.made("CopyObject")} == {"a", "m"}


async def test_a_source_that_holds_nothing_to_try_with_is_not_known() -> None:
    store = like_s3()
    store.put("s3://src/z", 6 << 30)
    assert set((await try_pins(store, Location("src", ""), probe_at(WHERE)))[0].values()) == {UNKNOWN}


async def test_beside_one_exact_target_the_trial_is_in_its_folder() -> None:
    store = FakeStore()
    await tried(store, probe_at(Location("bkt", "models/v1/model.tar.gz")))
    assert all(request.ref.key.startswith(f"models/v1/{PROBE}") for request in store.made("PutObject"))


# --- notes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("traits", [AWS, NOTHING_KNOWN, Traits(copy_pins=REFUSED, listing=NO, checksums=YES)])
def test_a_note_is_read_back_as_it_was(traits: Traits) -> None:
    assert from_note(traits.as_note()) == traits


def test_what_a_note_does_not_say_or_says_in_other_words_is_not_known() -> None:
    assert from_note({"copy_pins": "yes", "copy_if_match": "perhaps", "more": "yes"}) == Traits(copy_pins=YES)
    assert from_note(None) == NOTHING_KNOWN


def test_a_note_of_an_older_ledger_can_be_read() -> None:
    older = {"source_pinned": True, "target_guarded": False, "target_unsupported": True, "checksums": None}
    older |= {"delete_conditional": True, "delete_batch_conditional": False, "listing_continues": True}
    assert from_older_note(older) == Traits(
        copy_pins=YES, copy_if_absent=REFUSED, delete_if_match=YES, batch_if_match=NO
    )
    assert from_older_note(None) == NOTHING_KNOWN


# --- words --------------------------------------------------------------------------------------------------------


def test_yes_no_refused_and_not_known_are_told_apart() -> None:
    for answer, words in ((NO, "ignores"), (REFUSED, "refuses"), (UNKNOWN, "could not be tried for")):
        (line,) = sentences(Traits(**(dict.fromkeys(ALL, YES) | {"copy_pins": answer})))
        assert words in line and "listed again" in line


def test_a_server_that_deletes_by_etag_one_by_one_needs_no_flag() -> None:
    single = Traits(**(dict.fromkeys(ALL, YES) | {"batch_if_match": REFUSED}))
    assert not any("--unconditional" in line for line in sentences(single))
    neither = Traits(**(dict.fromkeys(ALL, YES) | {"batch_if_match": NO, "delete_if_match": UNKNOWN}))
    assert any("--unconditional" in line and "not known" in line for line in sentences(neither))


@pytest.mark.parametrize(
    ("key", "folder"),
    [
        ("", ""),
        ("a.txt", ""),
        ("x/", "x/"),
        ("x/a.txt", "x/"),
        ("/x/", "/x/"),
        ("//", "//"),
        ("a/" + "x" * 980 + "/", "a/"),
        ("a/" + "x" * 960 + "/", "a/" + "x" * 960 + "/"),
        ("é" * 500 + "/", ""),
    ],
)
def test_a_probe_is_in_the_folder_itself_or_above_it_where_that_leaves_no_room(key: str, folder: str) -> None:
    probe = probe_at(Location("bkt", key))
    assert probe.key.rpartition("/")[0] + "/" * ("/" in probe.key) == folder
    assert all(len((probe.key + suffix).encode()) <= 1024 for suffix in SUFFIXES)
