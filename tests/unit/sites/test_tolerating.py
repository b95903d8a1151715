"""What servers may refuse without harm, row by row of `OPTIONAL`; and what is no refusal of that kind."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import AccessDenied, Ambiguous, Rejected, StoreError, Unsupported
from engine.events import Event, Notice
from engine.model import Checksum, ObjectLock, ObjectRef, Properties, UploadRef
from engine.sites.tolerating import LOCK_UNREADABLE, OPTIONAL, Optional, ToleratingStore
from engine.store import (
    CompleteUpload,
    CopyObject,
    CreateUpload,
    GetLegalHold,
    GetRange,
    GetRetention,
    HeadObject,
    ListPage,
    PutObject,
    Request,
    UploadPart,
)
from tests.fake_store import FakeStore

REF = ObjectRef("bucket", "one")
TARGET = ObjectRef("bucket", "two")
REQUESTS: dict[type[Request], Any] = {
    HeadObject: HeadObject(REF, checksums=True),
    ListPage: ListPage("bucket"),
    CopyObject: CopyObject(REF, TARGET, checksum_algorithm="CRC64NVME", replace_tags=()),
    CreateUpload: CreateUpload(TARGET, Properties(), "CRC64NVME", "FULL_OBJECT"),
    CompleteUpload: CompleteUpload(
        UploadRef(TARGET, "id"), (), size=5, checksum=Checksum("CRC64NVME", "FULL_OBJECT", "x")
    ),
    GetRange: GetRange(REF, checksums=True),
    PutObject: PutObject(REF, b"body", checksum_algorithm="SHA256", checksum=Checksum("CRC64NVME", "", "x")),
    UploadPart: UploadPart(UploadRef(TARGET, "id"), 1, b"body", Checksum("CRC64NVME", "", "x")),
}
"""A request of each operation that carries everything that it can go without."""

METHODS: dict[type[Request], str] = {
    HeadObject: "head_object",
    ListPage: "list_page",
    CopyObject: "copy_object",
    CreateUpload: "create_upload",
    CompleteUpload: "complete_upload",
    GetRange: "get_range",
    PutObject: "put_object",
    UploadPart: "upload_part",
}


def rejected(code: str, message: str = "it is refused") -> Rejected:
    return Rejected(message, operation="", code=code)


class Refusing:
    """An inner store that refuses what `refuses` says, and keeps what it was asked."""

    def __init__(self, refuses: Any) -> None:
        self.refuses = refuses
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        async def method(request: Any) -> str:
            self.asked.append(request)
            error = self.refuses(request)
            if error is not None:
                raise error
            return "done"

        return method


def ask(store: ToleratingStore, kind: type[Request], request: Any = None) -> Any:
    return getattr(store, METHODS[kind])(request or REQUESTS[kind])


def calling(item: Optional) -> str:
    return f"{item.of.operation} {item.header}"


def tolerating(refuses: Any) -> tuple[ToleratingStore, Refusing, list[str]]:
    said: list[str] = []

    def listener(event: Event) -> None:
        assert isinstance(event, Notice)
        said.append(event.message)

    inner = Refusing(refuses)
    return ToleratingStore(inner, listener), inner, said


async def answered(store: ToleratingStore, item: Optional) -> None:
    if item.of is HeadObject:  # whose answer is looked into
        request = REQUESTS[item.of]
        assert await store._call(store._inner.head_object, request) == "done"  # type: ignore[comparison-overlap]
    else:
        assert await ask(store, item.of) == "done"


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("item", OPTIONAL, ids=calling)
async def test_it_is_sent_again_without_what_was_refused_and_never_with_it_again(item: Optional, named: bool) -> None:
    text = f"Unsupported header '{item.header}'" if named else "no"
    store, inner, said = tolerating(lambda it: rejected("InvalidArgument", text) if item.sends(it) else None)
    await answered(store, item)
    assert not item.sends(inner.asked[-1])
    before = len(inner.asked)
    await answered(store, item)
    assert len(inner.asked) == before + 1
    assert len(said) >= 1 and item.said in " ".join(said)


@pytest.mark.parametrize("item", OPTIONAL, ids=calling)
async def test_what_a_refusal_names_is_left_off_alone(item: Optional) -> None:
    store, inner, said = tolerating(
        lambda it: Unsupported(f"{item.header} is unknown", operation="", code="501") if item.sends(it) else None
    )
    await answered(store, item)
    others = [other for other in OPTIONAL if other.of == item.of and other is not item]
    assert all(other.sends(inner.asked[-1]) for other in others)
    assert len(said) == 1


@pytest.mark.parametrize("item", OPTIONAL, ids=calling)
async def test_what_the_server_took_once_is_no_reason_later(item: Optional) -> None:
    refuse = False
    store, inner, said = tolerating(lambda it: rejected("InvalidArgument") if refuse else None)
    await answered(store, item)
    refuse = True
    with pytest.raises(Rejected):
        await answered(store, item)
    assert (len(inner.asked), said) == (2, [])


@pytest.mark.parametrize(
    "error",
    [
        rejected("EntityTooLarge"),
        rejected("InvalidPart"),
        rejected("KMS.DisabledException"),
        Ambiguous("it broke", operation="", code="Reset"),
    ],
    ids=lambda error: error.code,
)
@pytest.mark.parametrize("item", OPTIONAL, ids=calling)
async def test_another_refusal_is_not_taken_for_one(item: Optional, error: StoreError) -> None:
    store, inner, said = tolerating(lambda it: error)
    with pytest.raises(type(error)):
        await answered(store, item)
    assert (len(inner.asked), said) == (1, [])


async def test_a_wrong_size_or_checksum_of_an_upload_is_never_sent_again_without_it() -> None:
    """S3 says InvalidRequest where the upload came to another size than was sent ahead."""
    store, inner, _ = tolerating(lambda it: rejected("InvalidRequest", "'x-amz-mp-object-size' does not match"))
    with pytest.raises(Rejected):
        await ask(store, CompleteUpload)
    assert len(inner.asked) == 1


async def test_a_storage_class_that_says_more_than_the_default_is_never_left_off() -> None:
    cold = CopyObject(REF, TARGET, storage_class="STANDARD_IA")
    store, inner, _ = tolerating(lambda it: rejected("InvalidStorageClass"))
    with pytest.raises(Rejected):
        await ask(store, CopyObject, cold)
    assert inner.asked == [cold]


async def test_the_first_refusal_is_told_where_nothing_helps() -> None:
    refusals = iter([rejected("InvalidRequest", "the first"), *(rejected("InvalidRequest", "later") for _ in range(9))])
    store, _, said = tolerating(lambda it: next(refusals))
    with pytest.raises(Rejected, match="the first"):
        await ask(store, CopyObject)
    assert said == []


async def test_a_length_that_head_lacks_is_the_listings_only_while_it_shows_the_same_object() -> None:
    fake = FakeStore()
    fake.put("s3://bucket/one", b"12345")
    store = ToleratingStore(Headless(fake))
    assert (await store.head_object(HeadObject(REF))).size == 5
    fake.put("s3://bucket/one-more", b"x")
    assert (await store.head_object(HeadObject(REF))).size == 5
    fake.before = lambda operation, request: (
        fake.put("s3://bucket/one", b"other") if operation == "ListObjectsV2" else None
    )
    with pytest.raises(Ambiguous, match="no length"):
        await store.head_object(HeadObject(REF))


async def test_that_head_shows_what_is_locked_is_asked_once_a_folder() -> None:
    """A policy may allow one prefix and not the next: a folder that was not asked about is not taken to be alike."""
    fake = FakeStore(versioned={"bucket"})
    for key in ("a/1", "a/2", "b/1"):
        fake.put(f"s3://bucket/{key}")
    store = ToleratingStore(fake)
    for key in ("a/1", "a/2", "a/1"):
        assert await store.get_retention(GetRetention(ObjectRef("bucket", key), unseen=True)) is None
        assert not await store.get_legal_hold(GetLegalHold(ObjectRef("bucket", key), unseen=True))
    assert fake.counts == {"GetObjectRetention": 1, "GetObjectLegalHold": 1}
    fake.hides_locks = True
    for _ in range(2):
        with pytest.raises(AccessDenied):
            await store.get_retention(GetRetention(ObjectRef("bucket", "b/1"), unseen=True))
    assert fake.counts["GetObjectRetention"] == 3  # a refusal is no answer, and not kept


async def test_a_lock_that_head_does_not_show_is_found_each_time() -> None:
    fake = FakeStore(versioned={"bucket"})
    lock = ObjectLock("GOVERNANCE", "2031-01-01T00:00:00Z")
    for key in ("a/1", "a/2"):
        fake.put(f"s3://bucket/{key}", properties=Properties(lock=lock))
    store = ToleratingStore(fake)
    for key in ("a/1", "a/2"):
        assert await store.get_retention(GetRetention(ObjectRef("bucket", key), unseen=True)) == lock


@pytest.mark.parametrize(
    "refusal",
    [
        rejected("InvalidRequest", "Bucket is missing Object Lock Configuration"),
        Unsupported("no", operation="", code="NotImplemented"),
    ],
    ids=lambda error: error.code,
)
async def test_a_bucket_without_object_lock_is_asked_once(refusal: StoreError) -> None:
    store, inner, _ = tolerating(lambda it: refusal)
    for key in ("a/1", "b/1"):
        assert await store.get_retention(GetRetention(ObjectRef("bucket", key), unseen=True)) is None
        assert not await store.get_legal_hold(GetLegalHold(ObjectRef("bucket", key), unseen=True))
    assert [type(request) for request in inner.asked] == [GetRetention, GetLegalHold]


@pytest.mark.parametrize(
    ("odd", "raised"),
    [
        (rejected("BadRequest"), "BadRequest"),
        (Unsupported("no", operation="", code="NotImplemented"), "NotImplemented"),
        (Ambiguous("the object itself", operation="", code="UnreadableAnswer"), LOCK_UNREADABLE),
    ],
    ids=lambda item: getattr(item, "code", ""),
)
async def test_one_odd_answer_does_not_unlock_a_bucket_that_told_of_locks(odd: StoreError, raised: str) -> None:
    fake = FakeStore(versioned={"bucket"})
    lock = ObjectLock("COMPLIANCE", "2031-01-01T00:00:00Z")
    for key in ("a/1", "a/2", "a/3"):
        fake.put(f"s3://bucket/{key}", properties=Properties(lock=lock))
    store = ToleratingStore(fake)
    first, second, third = (GetRetention(ObjectRef("bucket", key), unseen=True) for key in ("a/1", "a/2", "a/3"))
    assert await store.get_retention(first) == lock
    fake.plan("GetObjectRetention", ("before", odd))
    with pytest.raises(StoreError) as refused:
        await store.get_retention(second)
    assert refused.value.code == raised
    assert await store.get_retention(third) == lock


async def test_what_says_nothing_of_locks_is_not_taken_for_none() -> None:
    store, _, _ = tolerating(lambda it: Ambiguous("the object itself", operation="", code="UnreadableAnswer"))
    for _ in range(2):
        with pytest.raises(Rejected) as refused:
            await store.get_legal_hold(GetLegalHold(ObjectRef("bucket", "a/1"), unseen=True))
        assert refused.value.code == LOCK_UNREADABLE and 'lock = "drop"' in refused.value.advice


class Headless:
    """A store whose HEAD knows no length."""

    def __init__(self, inner: FakeStore) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def head_object(self, request: HeadObject) -> Any:

        return (await self._inner.head_object(request))._replace(size=-1)
