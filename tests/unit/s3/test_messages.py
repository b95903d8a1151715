"""Requests as they go out."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5

from engine.model import Checksum, ObjectRef, UploadRef
from engine.s3 import messages
from engine.store import PutObject, UploadPart

REF = ObjectRef("bucket", "k")
BODY = b"a few bytes of the engine's own"
MD5 = b64encode(md5(BODY, usedforsecurity=False).digest()).decode()


def test_a_body_that_nobody_hashed_bears_its_md5() -> None:
    """S3 takes none without a digest into a bucket that locks what it is given."""
    put = messages.put_object(PutObject(REF, BODY))
    part = messages.upload_part(UploadPart(UploadRef(REF, "id"), 1, BODY))
    assert [dict(zip(call.names, call.values, strict=True))["content-md5"] for call in (put, part)] == [MD5, MD5]


def test_a_body_that_bears_a_checksum_bears_no_second_one() -> None:
    counted = Checksum("CRC64NVME", "FULL_OBJECT", "AAAAAAAAAAA=")
    calls = (
        messages.put_object(PutObject(REF, BODY, checksum_algorithm="CRC64NVME")),
        messages.put_object(PutObject(REF, BODY, checksum=counted)),
        messages.upload_part(UploadPart(UploadRef(REF, "id"), 1, BODY, checksum=counted)),
    )
    assert not any("content-md5" in call.names for call in calls)
