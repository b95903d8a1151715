"""Whole HTTP answers, mutated and cut at random, through the connection's parser and every reader of S3's answers.

Whatever comes: it ends, as an answer or as an error of the engine's own tree; nothing is held that is longer than the
limit; and a success says nothing that was not in the bytes. CARTAGE_TRUST=ci fuzzes for about a minute.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StoreError
from engine.model import UNKNOWN_SIZE, CopyResult, ListedObject, ObjectHead, ObjectRef, Page, UploadedPart, UploadRef
from engine.s3 import messages, parsing
from engine.s3.http import ConnectionBroken, HttpConnection
from engine.s3.listing_xml import page_of
from engine.s3.messages import Call
from engine.s3.parsing import Answer
from engine.s3.receiving import HEADERS_LIMIT_BYTES
from engine.store import Body, CompleteUpload, CopyObject, CopyPart, DeleteObjects, GetRange, HeadObject, ListPage
from tests.faults.amount import amount
from tests.unit.s3.fakes import COPIED, ETAG, fake_connection

ROUNDS = amount(5_000, 400_000, 5_000_000)
LIMIT_BYTES = 64 << 10
SLOWEST_S = 2.0
"""Of processor time, for a hundred answers."""

REF = ObjectRef("bucket", "k")
UPLOAD = UploadRef(REF, "u")
RANGE = GetRange(REF, 0, 4)
ITEM = (
    b"<Contents><Key>a%20b</Key><LastModified>2026-01-31T10:00:00.000Z</LastModified><ETag>&quot;" + ETAG.encode() +
    b"&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
    b"<Size>17</Size><StorageClass>STANDARD</StorageClass></Contents>"
)  # fmt: skip
BODIES = [
    COPIED,
    b"<ListBucketResult><EncodingType>url</EncodingType><KeyCount>3</KeyCount>"
    + ITEM
    + ITEM.replace(b"a%20b", b"c")
    + ITEM.replace(b"a%20b", b"%C3%A9")
    + b"<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;x</NextContinuationToken></ListBucketResult>",
    b"<CopyPartResult><ETag>&quot;" + ETAG.encode() + b"&quot;</ETag></CopyPartResult>",
    b"<CompleteMultipartUploadResult><ETag>&quot;" + ETAG.encode() + b"-3&quot;</ETag>"
    b"<ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME></CompleteMultipartUploadResult>",
    b"<Error><Code>SlowDown</Code><Message>Please &lt;b&gt;</Message><RequestId>R</RequestId></Error>",
    b"<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code></Error></DeleteResult>",
    b"<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>&quot;" + ETAG.encode() + b"&quot;</ETag><Size>5</Size>"
    b"</Part><IsTruncated>false</IsTruncated></ListPartsResult>",
    b"",
]
HEADS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: \"" + ETAG.encode() + b"\"\r\nx-amz-request-id: R\r\n\r\n",
    b"HTTP/1.1 503 Slow Down\r\nContent-Length: %d\r\nRetry-After: 3\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\nContent-Range: bytes 0-4/17\r\n\r\n",
    b"HTTP/1.1 206 Partial\r\nContent-Length: %d\r\nContent-Range: bytes 0-4/17\r\nLast-Modified: now\r\n\r\n",
    b"HTTP/1.0 404 None\r\nContent-Length: %d\r\n\r\n",
    b"HTTP/1.1 301 Moved\r\nContent-Length: %d\r\nx-amz-bucket-region: eu-west-1\r\n\r\n",
]  # fmt: skip
TOKENS = [
    b"<", b">", b"</", b"&", b"&#0;", b"&#x10FFFF;", b"&quot;", b"<!DOCTYPE a>", b"<![CDATA[", b"]]>", b"<!--",
    b"<?xml ", b"\r\n", b"\r\n\r\n", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"%00", b"%FF", b"9" * 400, b"-1",
    b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b" " * 300,
    b"HTTP/1.1 200 OK\r\n", b"<ETag>", b"</ETag>", b"<Error><Code>X</Code></Error>", b"<Size>", b"true", b"false",
    b"</Contents><Contents>", b"0\r\n\r\n",
]  # fmt: skip

Reader = Callable[[Call, Answer], Any]
READERS: list[tuple[Call, Reader]] = [
    (messages.copy_object(CopyObject(REF, REF, ETAG)), lambda call, answer: parsing.copy_result(call, answer, "r")),
    (messages.list_page(ListPage("bucket")), lambda call, answer: page_of(call, answer, "r")),
    (
        messages.copy_part(CopyPart(UPLOAD, 1, REF, ETAG, None, None)),
        lambda call, answer: parsing.copied_part(call, answer, "r", 1),
    ),
    (
        messages.complete_upload(CompleteUpload(UPLOAD, (UploadedPart(1, ETAG),))),
        lambda call, answer: parsing.copy_result(call, answer, "r"),
    ),
    (
        messages.delete_objects(DeleteObjects("bucket", (("a", None),))),
        lambda call, answer: parsing.delete_report(call, answer, "r"),
    ),
    (messages.head_object(HeadObject(REF)), lambda _, answer: parsing.object_head(answer)),
    (messages.get_range(RANGE), lambda call, answer: parsing.body_of(call, answer, RANGE)),
]


def spoiled(rng: random.Random) -> bytes:
    """An answer that S3 might have sent, and what then became of it."""
    body = rng.choice(BODIES)
    data = bytearray(rng.choice(HEADS) % len(body) + body)
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3, 8])):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0:
                data[at:at] = rng.choice(TOKENS)
            case 1:
                del data[at : at + rng.choice([1, 2, 9, 60])]
            case 2 if data:
                data[at - 1] ^= 1 << rng.randrange(8)
            case 3:
                start = rng.randrange(len(data) + 1)
                data[at:at] = data[start : start + rng.randrange(80)]
            case 4:
                data[at : at + 12] = rng.randbytes(rng.randrange(12))
            case _:
                data[at:at] = rng.choice(TOKENS) * rng.choice([2, 30, 2_000])
    return bytes(data)


def received(connection: HttpConnection, data: bytes, call: Call, rng: random.Random) -> Answer | None:
    """What a connection makes of the bytes, in pieces, and then the end; None for a connection that broke."""
    future = connection.exchange(
        b"GET / HTTP/1.1\r\n\r\n", bodiless=call.operation.bodiless, limit=LIMIT_BYTES, timeout_s=5, total_s=60
    )
    position = 0
    while position < len(data) and not future.done():
        piece = data[position : position + rng.choice([1, 7, 300, 65_536])]
        connection.data_received(piece)
        position += len(piece)
    if not future.done():
        connection.connection_lost(None if rng.random() < 0.5 else ConnectionResetError())
    assert future.done()
    try:
        return future.result()
    except ConnectionBroken:
        return None


def says_no_more_than(found: Any, call: Call, answer: Answer, data: bytes) -> None:
    """A success has to stand in what came."""
    if isinstance(found, CopyResult | UploadedPart):
        assert found.etag
        assert found.etag.encode() in data.replace(b"&quot;", b'"') or b"&" in data
        assert b"ETag" in data
    elif isinstance(found, Page):
        assert data.count(b"<Contents") >= len(found.objects)
        assert all(isinstance(item, ListedObject) and item.size >= 0 for item in found.objects)
        assert b"IsTruncated>false<" in data or found.next_token
    elif isinstance(found, Body):
        assert len(found.data) <= 5 and found.data in data
    elif isinstance(found, ObjectHead):
        assert found.size == UNKNOWN_SIZE or (found.size >= 0 and b"content-" in data.lower())


@pytest.mark.parametrize("seed", [int(os.environ.get("CARTAGE_FAULT_SEED", "1"))])
async def test_no_answer_is_more_than_it_is(seed: int) -> None:
    rng = random.Random(seed)
    successes = failures = broken = 0
    began = time.process_time()
    for number in range(ROUNDS):
        call, read = READERS[number % len(READERS)]
        data = spoiled(rng)
        connection = fake_connection()[0]
        answer = received(connection, data, call, rng)
        if number % 100 == 0:
            await asyncio.sleep(0)  # the loop lets go of timers that were called off
            before, began = began, time.process_time()  # to ask is a tenth of what an answer takes
            assert began - before < SLOWEST_S
        try:
            if answer is None:
                broken += 1
                continue
            assert len(answer.body) <= LIMIT_BYTES + HEADERS_LIMIT_BYTES + 65_536
            if not 200 <= answer.status < 300:
                assert isinstance(parsing.error_of(call, answer, "r"), StoreError)
                failures += 1
                continue
            says_no_more_than(read(call, answer), call, answer, data)
            successes += 1
        except StoreError:
            failures += 1
        except BaseException:
            Path("fuzzed.bin").write_bytes(data) if os.environ.get("CARTAGE_FUZZ_KEEP") else None
            print(f"seed {seed}, round {number}, {call.operation.name}: {data[:3000]!r}")
            raise
    assert min(successes, failures, broken) > ROUNDS / 50, (successes, failures, broken)
