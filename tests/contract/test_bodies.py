"""Bytes that go into a sink or come from a source: the same as in one piece, and held to the same."""

from __future__ import annotations

import base64
import hashlib
import random

import pytest

from engine.bodies import MemorySource
from engine.checksums import checksum_of
from engine.errors import Rejected
from engine.model import ABSENT, Checksum, Properties
from engine.store import CompleteUpload, CreateUpload, GetRange, PutObject, UploadPart
from engine.windows import WINDOW_BYTES
from tests.contract.ground import Contract, outcome, refusal
from tests.sinks import KeepingSink, ShortSource

BODY = random.Random(13).randbytes(3 * WINDOW_BYTES + 17)
ETAG = hashlib.md5(BODY).hexdigest()
CRC64 = Checksum("CRC64NVME", "FULL_OBJECT", checksum_of("CRC64NVME", BODY))


@pytest.mark.parametrize("bounds", [(None, None), (0, 0), (10, 2 * WINDOW_BYTES), (WINDOW_BYTES, None), (5, 1 << 30)])
async def test_what_goes_into_a_sink_is_what_was_asked_for(
    contract: Contract, bounds: tuple[int | None, int | None]
) -> None:
    first, last = bounds
    ref = await contract.put("one", BODY, properties=Properties(content_type="a/b", metadata=(("m", "v"),)))
    sink = KeepingSink()
    fetched = await contract.store.fetch_into(GetRange(ref, first, last, if_match=ETAG, size=len(BODY)), sink)
    assert (fetched.etag, fetched.size) == (ETAG, len(BODY))
    assert b"".join(sink.windows) == BODY[first or 0 : None if last is None else last + 1]
    assert all(0 < len(window) <= WINDOW_BYTES for window in sink.windows)
    assert sink.restarts == 1
    head = fetched.head()
    assert (head.etag, head.size) == (ETAG, len(BODY))
    assert (head.properties.content_type, head.properties.metadata) == ("a/b", (("m", "v"),))


async def test_an_empty_object_is_fetched_without_a_window(contract: Contract) -> None:
    ref = await contract.put("empty", b"")
    sink = KeepingSink()
    fetched = await contract.store.fetch_into(GetRange(ref, size=0), sink)
    assert (fetched.size, sink.windows) == (0, [])


async def test_what_is_refused_never_reaches_the_sink(contract: Contract) -> None:
    ref = await contract.put("one", b"12345")
    for request in (GetRange(contract.ref("missing")), GetRange(ref, 9, 12), GetRange(ref, 0, 1, if_match="0" * 32)):
        sink = KeepingSink()
        told = await refusal(contract.store.fetch_into(request, sink))
        assert told == await refusal(contract.store.get_range(request))
        assert sink.windows == [] or told == "done"
    sink = KeepingSink()
    assert await outcome(contract.store.fetch_into(GetRange(ref, size=6), sink)) == "Ambiguous"
    assert sink.windows == []


async def test_a_sink_that_fails_ends_the_request_and_nothing_else(contract: Contract) -> None:
    ref = await contract.put("one", BODY)
    with pytest.raises(OSError, match="No space left"):
        await contract.store.fetch_into(GetRange(ref), KeepingSink(fails_at=WINDOW_BYTES))
    sink = KeepingSink()
    await contract.store.fetch_into(GetRange(ref), sink)
    assert b"".join(sink.windows) == BODY


@pytest.mark.parametrize("length", [0, 1, 100_000, WINDOW_BYTES, 3 * WINDOW_BYTES + 17, 5 * WINDOW_BYTES])
async def test_what_comes_from_a_source_is_put_as_it_is(contract: Contract, length: int) -> None:
    body = (BODY * 2)[:length]
    ref = contract.ref("one")
    properties = Properties(content_type="text/x", content_encoding="zstd", metadata=(("mtime", "1.5"),))
    result = await contract.store.send_from(PutObject(ref, properties=properties), MemorySource(body))
    assert result.etag == hashlib.md5(body).hexdigest()
    sink = KeepingSink()
    fetched = await contract.store.fetch_into(GetRange(ref, size=length), sink)
    assert b"".join(sink.windows) == body
    found = fetched.head().properties
    assert (found.content_type, found.content_encoding) == ("text/x", "zstd")  # aws-chunked is no part of it


async def test_a_checksum_that_was_counted_before_is_compared_and_kept(contract: Contract) -> None:
    ref = contract.ref("one")
    md5 = base64.b64encode(hashlib.md5(BODY).digest()).decode()
    send = contract.store.send_from
    observed = await outcome(send(PutObject(ref, checksum=CRC64, content_md5=md5), MemorySource(BODY)))
    if not contract.holds("CRC64NVME can be sent", observed, "done"):
        return
    fetched = await contract.store.fetch_into(GetRange(ref, checksums=True), KeepingSink())
    contract.holds("CRC64NVME is kept", fetched.head().checksums, (CRC64,))
    other = bytearray(BODY)
    other[WINDOW_BYTES] ^= 1
    observed = await outcome(send(PutObject(ref, checksum=CRC64), MemorySource(other)))
    contract.holds("a body that is not its checksum's is refused", observed, "Ambiguous")


async def test_a_put_from_a_source_keeps_its_condition(contract: Contract) -> None:
    ref = contract.ref("one")
    put = PutObject(ref, target_condition=ABSENT)
    assert await outcome(contract.store.send_from(put, MemorySource(BODY))) == "done"
    observed = await outcome(contract.store.send_from(put, MemorySource(BODY)))
    contract.holds("PutObject If-None-Match", observed, "PreconditionFailed")


async def test_parts_come_from_sources(contract: Contract) -> None:
    store, body = contract.store, (BODY * 8)[: 5 << 20]
    upload = await store.create_upload(CreateUpload(contract.ref("target"), Properties()))
    first = await store.send_from(UploadPart(upload, 1), MemorySource(body))
    second = await store.send_from(UploadPart(upload, 2), MemorySource(BODY))
    assert (first.number, first.etag, first.size) == (1, hashlib.md5(body).hexdigest(), len(body))
    await outcome(store.complete_upload(CompleteUpload(upload, (first, second))))
    sink = KeepingSink()
    await store.fetch_into(GetRange(upload.target), sink)
    assert b"".join(sink.windows) == body + BODY


@pytest.mark.parametrize("given", [0, 5, WINDOW_BYTES + 1, 2 * WINDOW_BYTES])
async def test_a_source_that_gives_other_than_it_says_puts_nothing(contract: Contract, given: int) -> None:
    ref = contract.ref("short")
    with pytest.raises(Rejected) as raised:
        await contract.store.send_from(PutObject(ref), ShortSource(length=WINDOW_BYTES + 5, given=given))
    assert raised.value.code == "ShortSource"
    assert await refusal(contract.store.get_range(GetRange(ref))) == "NotFound NoSuchKey object"
