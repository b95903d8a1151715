"""Each kind of object that a copy may meet, as data: how it is put on a server, and which server can hold it.

A kind is made with boto3 alone, on a real server as on the sandbox. `needs` names what a server must be able to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MIB = 1 << 20
SOURCE, OLD, TARGET, KMS_TARGET = "proof-source", "proof-old", "proof-target", "proof-kms"
"""Buckets: one as they are made now, one whose objects are older than December 2024, and two to copy to, the second
encrypting with KMS by default."""

Make = Callable[[Any, str, str], None]
"""`(client, bucket, key)`"""


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """One line of the table. `there` is a key that the sandbox holds already."""

    name: str
    make: Make
    bucket: str = SOURCE
    target: str = TARGET
    needs: frozenset[str] = field(default_factory=frozenset)
    there: str = ""


def plain(**arguments: Any) -> Make:
    """PutObject."""

    def make(client: Any, bucket: str, key: str) -> None:
        client.put_object(Bucket=bucket, Key=key, Body=b"a card\n" * 1000, **arguments)

    return make


def empty(client: Any, bucket: str, key: str) -> None:
    client.put_object(Bucket=bucket, Key=key, Body=b"")


def parts(*sizes: int, **arguments: Any) -> Make:
    """A multipart upload of parts of these sizes, each with other bytes."""

    def make(client: Any, bucket: str, key: str) -> None:
        algorithm = arguments.get("ChecksumAlgorithm", "")
        place = {"Bucket": bucket, "Key": key}
        place["UploadId"] = client.create_multipart_upload(**place, **arguments)["UploadId"]
        done = []
        for number, size in enumerate(sizes, 1):
            asked = {"ChecksumAlgorithm": algorithm} if algorithm else {}
            answer = client.upload_part(Body=bytes([number]) * size, PartNumber=number, **place, **asked)
            part = {"PartNumber": number, "ETag": answer["ETag"]}
            if f"Checksum{algorithm}" in answer:
                part[f"Checksum{algorithm}"] = answer[f"Checksum{algorithm}"]
            done.append(part)
        client.complete_multipart_upload(MultipartUpload={"Parts": done}, **place)

    return make


def nothing(client: Any, bucket: str, key: str) -> None:
    """The object is there already."""


KMS = {"ServerSideEncryption": "aws:kms"}
UNIFORM, ODD = (5 * MIB, 5 * MIB, 1000), (5 * MIB, 6 * MIB, 1000)
COMPOSITE = {"ChecksumAlgorithm": "SHA256"}


def needs(*names: str) -> frozenset[str]:
    return frozenset(names)


KINDS: tuple[ObjectKind, ...] = (
    ObjectKind("plain", plain()),
    ObjectKind("plain, older than December 2024: no checksum", plain(), OLD, needs=needs("old")),
    ObjectKind("0 bytes", empty),
    ObjectKind("plain, with tags and metadata", plain(Tagging="project=pokemon", Metadata={"card": "25"})),
    ObjectKind("plain, with its SHA-256", plain(ChecksumAlgorithm="SHA256"), needs=needs("checksums")),
    ObjectKind("plain under KMS, to a bucket without", plain(**KMS), needs=needs("kms", "checksums")),
    ObjectKind("plain, to a bucket with KMS", plain(), target=KMS_TARGET, needs=needs("kms", "checksums")),
    ObjectKind(
        "plain without checksum, to a bucket with KMS", plain(), OLD, target=KMS_TARGET, needs=needs("kms", "old")
    ),
    ObjectKind("parts, with a checksum of the whole", parts(*UNIFORM), needs=needs("checksums")),
    ObjectKind("equal parts, no checksum", parts(*UNIFORM), OLD),
    ObjectKind("odd parts, no checksum", parts(*ODD), OLD, needs=needs("part numbers")),
    ObjectKind("one part, no checksum", parts(7000), OLD),
    ObjectKind("equal parts, with a composite SHA-256", parts(*UNIFORM, **COMPOSITE), needs=needs("checksums")),
    ObjectKind(
        "equal parts, with a composite SHA-256, to a bucket with KMS",
        parts(*UNIFORM, **COMPOSITE),
        target=KMS_TARGET,
        needs=needs("kms", "checksums"),
    ),
    ObjectKind(
        "equal parts, no checksum, to a bucket with KMS",
        parts(*UNIFORM),
        OLD,
        target=KMS_TARGET,
        needs=needs("kms", "old"),
    ),
    ObjectKind("equal parts, with tags", parts(*UNIFORM, Tagging="project=pokemon"), OLD, needs=needs("upload tags")),
    ObjectKind(
        "5.6 GB in 668 parts, with a checksum of the whole",
        nothing,
        "reference-new",
        needs=needs("virtual"),
        there="training-output/dinov3-teacher/model.tar.gz",
    ),
    ObjectKind(
        "5.6 GB in 668 parts, no checksum",
        nothing,
        "reference-old",
        needs=needs("virtual"),
        there="training-output/dinov3-teacher/model.tar.gz",
    ),
    ObjectKind("in GLACIER, not restored", plain(StorageClass="GLACIER"), needs=needs("archive")),
)
