"""The values that everything else speaks in: frozen, small, without behaviour that could wait or fail.

What is made for every object and asked for its fields is a `Value` (50 ns to make one; a named tuple costs 160 to 290,
a frozen dataclass three times that); what is a row of something is a named tuple; the rest are frozen, slotted
dataclasses. ETags are kept bare, without quotes. Times of S3 are kept as the text that S3 sent, ISO 8601 in UTC
("2026-01-31T10:00:00.000Z"), which sorts as time does and costs no parsing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Literal, NamedTuple, Self

import msgspec

GIB = 1 << 30
MIB = 1 << 20

ABSENT = "*"
"""As a `target_condition`: the target must not exist (`If-None-Match: *`). Any other text is an ETag that the
target must still bear (`If-Match`)."""


UNKNOWN_SIZE = -1
"""The size of an object whose HEAD came without a length, and of one that has to be asked for."""


class Value(msgspec.Struct, frozen=True):
    """What is made for each object, and asked again and again for its fields."""

    def _replace(self, **changes: Any) -> Self:
        """The same but for these fields, as a named tuple has it."""
        return msgspec.structs.replace(self, **changes)


class OpaqueEtag(str):
    """An ETag that cannot be the digest it looks like. It tells an object from what it was before, and goes into
    conditions like any other; as a proof it is worth nothing (`plan.integrity`)."""

    __slots__ = ()


class Proof(IntEnum):
    """How far a copy is proven, each level including the one below it.

    SIZE: both listings give the same length. DIGEST: an ETag or checksum that S3 computed on both sides, of like
    form, is equal. BYTES: both sides were read and their xxh3-128 is equal.
    """

    NONE = 0
    SIZE = 1
    DIGEST = 2
    BYTES = 3


class Overwrite(StrEnum):
    """What may happen to a target that holds something we did not write."""

    NEVER = "never"
    IF_DIFFERENT = "if-different"
    ALWAYS = "always"


FILE_SITE = "file"
"""The site of local folders. Of a location there `bucket` is the folder's absolute path, with "/" between its parts,
and `key` what lies under it."""

Durability = Literal["none", "object"]
"""What a power cut may take of a folder: what the system had not written by itself, or nothing that was reported as
written."""

Links = Literal["skip", "follow", "keep"]
"""What becomes of a symbolic link in a folder."""


def _address(bucket: str, key: str, *, local: bool) -> str:
    return f"{bucket.rstrip('/')}/{key}" if local else f"s3://{bucket}/{key}"


class ObjectRef(NamedTuple):
    """One object's address at its site."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return _address(self.bucket, self.key, local=self.bucket.startswith("/"))


@dataclass(frozen=True, slots=True)
class Location:
    """`s3://bucket/prefix/` (everything under it) or `s3://bucket/key` (that one exact key); or a local folder, or one
    file. `site` is where: "" the plan's `[connection]`, a name one of its `[sites.NAME]`, `FILE_SITE` this machine.

    As text the first is `s3://bucket/key`, the second `name:s3://bucket/key`, the third an absolute path."""

    bucket: str
    key: str
    site: str = ""

    @property
    def is_prefix(self) -> bool:
        return self.key == "" or self.key.endswith("/")

    @property
    def is_local(self) -> bool:
        return self.site == FILE_SITE

    @property
    def folder(self) -> Location:
        """What its key lies in, down to the last slash: itself where it is a prefix."""
        return self.at(self.key[: self.key.rfind("/") + 1])

    @property
    def whole_bucket(self) -> Location:
        """The bucket that it is in."""
        return self.at("")

    @property
    def bucket_name(self) -> str:
        """What its bucket is called where several sites may have one of that name; of a local folder its path."""
        return bucket_name(self.bucket, self.site)

    def holds(self, key: str) -> bool:
        """Whether that key of its bucket is, or would be, at it."""
        return key.startswith(self.key) if self.is_prefix else key == self.key

    def at(self, key: str) -> Location:
        """Another key of the same bucket, at the same site."""
        return Location(self.bucket, key, self.site)

    def __str__(self) -> str:
        named = f"{self.site}:" if self.site and not self.is_local else ""
        return named + _address(self.bucket, self.key, local=self.is_local)


def bucket_name(bucket: str, site: str) -> str:
    """By its name, and its site's where that is not the plan's own connection."""
    return f"{site}:{bucket}" if site not in ("", FILE_SITE) else bucket


class Checksum(Value, frozen=True, array_like=True):
    """A checksum that S3 keeps with an object.

    `algorithm` as S3 spells it ("CRC64NVME", "SHA256", …), `type` "FULL_OBJECT" or "COMPOSITE", `value` base64.
    """

    algorithm: str
    type: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.type}:{self.value}"


RESTORING = "ongoing"
"""As a `restore`: S3 is at it, and the object cannot be read yet."""


class ListedObject(Value, frozen=True):
    """One line of a listing. `checksum` is "ALGORITHM:TYPE" where the listing says it, else empty; `restore` is how an
    archived object's temporary copy stands (RestoreStatus): there is none (empty), `RESTORING`, or until when it can be
    read (ISO 8601)."""

    key: str
    size: int
    etag: str
    modified: str
    storage_class: str = "STANDARD"
    checksum: str = ""
    restore: str = ""

    @property
    def restored(self) -> bool:
        """Whether it can be read for now, although it is archived."""
        return self.restore not in ("", RESTORING)


class FilledDirectory(ListedObject, frozen=True):
    """A directory of a target's folder that something is in: it will do where the source has its marker, and is no
    object of its own."""


class LinkedObject(ListedObject, frozen=True):
    """A file below a directory that a symbolic link leads to: it is read, and never deleted."""


class Unlisted(NamedTuple):
    """Something that lies in a local folder and cannot be an object, or that a list of keys names and S3 refuses to
    show. `key` is what its key would be, with escapes where its name is no UTF-8 (\\xff), `code` and `message` say
    why. Its absence from a listing means nothing: neither at this key nor, since it may stand for a directory, at any
    below it."""

    key: str
    code: str
    message: str


class Page(NamedTuple):
    """Up to 1,000 listed objects in key order; `next_token` is None on the last page. `unlisted` is what was met on the
    way to its end and is to be set aside."""

    objects: list[ListedObject]
    next_token: str | None = None
    common_prefixes: tuple[str, ...] = ()
    unlisted: tuple[Unlisted, ...] = ()


@dataclass(frozen=True, slots=True)
class Encryption:
    """`algorithm` "AES256", "aws:kms" or "aws:kms:dsse"; the key's id or ARN for KMS."""

    algorithm: str
    kms_key_id: str = ""
    bucket_key: bool = False


@dataclass(frozen=True, slots=True)
class ObjectLock:
    """Retention and legal hold. `retain_until` is ISO 8601."""

    mode: str = ""
    retain_until: str = ""
    legal_hold: bool = False


class Grant(NamedTuple):
    """One permission of an ACL; `grantee` as S3's headers write it: `id="…"` or `uri="…"`."""

    permission: str
    grantee: str


@dataclass(frozen=True, slots=True)
class Acl:
    """Who may read an object beside its owner: a canned ACL by its name, or grants."""

    canned: str = ""
    grants: tuple[Grant, ...] = ()

    @property
    def is_private(self) -> bool:
        """What every new object has: its owner alone."""
        return self.canned in ("", "private") and not self.grants

    def __str__(self) -> str:
        return self.canned or ", ".join(f"{grant.permission} {grant.grantee}" for grant in self.grants) or "private"


class Properties(NamedTuple):
    """Everything that an object carries besides its bytes. Empty text means absent; `tags` and `acl` are None where
    they were not read (HEAD tells neither). `expires` is the header's own text. `hidden_metadata` counts the values
    that no header can carry and HEAD therefore leaves out (x-amz-missing-meta)."""

    content_type: str = ""
    content_encoding: str = ""
    content_disposition: str = ""
    content_language: str = ""
    cache_control: str = ""
    expires: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] | None = None
    storage_class: str = "STANDARD"
    website_redirect: str = ""
    encryption: Encryption | None = None
    lock: ObjectLock | None = None
    acl: Acl | None = None
    hidden_metadata: int = 0


class ObjectHead(Value, frozen=True):
    """What HEAD says. `size` is the whole object's length (`UNKNOWN_SIZE` where the answer has none), also for a HEAD
    of one part, whose own length is then `part_size`. `tag_count` is None where S3 did not say (which is not the same
    as none). `date` is the server's clock, as in the Date header. `checksums` only where they were asked for.
    `archive_status` is the archive tier of an object in INTELLIGENT_TIERING that has to be restored; `restore` as in
    `ListedObject`."""

    size: int
    etag: str
    modified: str
    properties: Properties = Properties()
    checksums: tuple[Checksum, ...] = ()
    parts_count: int | None = None
    part_size: int | None = None
    version_id: str = ""
    tag_count: int | None = None
    archive_status: str = ""
    restore: str = ""
    date: str = ""


class CopyResult(Value, frozen=True):
    """The answer to CopyObject or CompleteMultipartUpload. `encryption` is the algorithm that the target was
    written with, as the answer's headers say (empty: the server did not say)."""

    etag: str
    modified: str = ""
    checksums: tuple[Checksum, ...] = ()
    version_id: str = ""
    encryption: str = ""


class UploadedPart(NamedTuple):
    """A part that is in place, as UploadPartCopy or ListParts answered. `encryption` as in `CopyResult`, of one that
    was sent from here."""

    number: int
    etag: str
    size: int = -1
    checksums: tuple[Checksum, ...] = ()
    encryption: str = ""


class UploadRef(NamedTuple):
    """One multipart upload under way."""

    target: ObjectRef
    upload_id: str


class UploadInfo(NamedTuple):
    """A line of ListMultipartUploads. `initiated` is ISO 8601."""

    key: str
    upload_id: str
    initiated: str


class ListedVersion(NamedTuple):
    """A line of ListObjectVersions: a version, or a delete marker, which has no bytes and no class."""

    key: str
    version_id: str
    size: int
    modified: str
    storage_class: str
    is_latest: bool
    is_marker: bool


class VersionsPage(NamedTuple):
    """Versions in key order, the newest of a key first. `next` is after which key and version the following page
    begins, None for the last."""

    versions: list[ListedVersion]
    next: tuple[str, str] | None = None


BELOW_LINK = "BelowLink"
"""A folder's code for what lies below a link to a directory: read, and never deleted."""


class DeleteFailure(NamedTuple):
    """One error inside a DeleteObjects answer; `key` is empty where S3 did not name one."""

    key: str
    code: str
    message: str


class DeleteReport(NamedTuple):
    """What S3 confirmed, and what it refused. A key in neither is not proven deleted."""

    deleted: tuple[str, ...]
    failed: tuple[DeleteFailure, ...]
    delete_markers: bool = False


@dataclass(frozen=True, slots=True)
class ReplicationRule:
    """One enabled rule of a bucket that does to another bucket what is deleted here. `prefix` is empty for the whole
    bucket, `only` is what else it asks of an object: tags, in order."""

    rule_id: str
    prefix: str
    target: str
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    """One enabled rule of a bucket that expires current objects. `prefix` is empty for the whole bucket, `only` is
    what else it asks of an object: tags and sizes ("env=test", "<1024"), in order."""

    rule_id: str
    prefix: str
    days: int | None
    date: str = ""
    only: tuple[str, ...] = ()


class Node(NamedTuple):
    """An element of a document that is given back as it came, whatever stands in it: its name without the namespace,
    and either its text or its children."""

    name: str
    text: str = ""
    children: tuple[Node, ...] = ()

    def all(self, name: str) -> list[Node]:
        """The children of that name."""
        return [child for child in self.children if child.name == name]

    def one(self, name: str) -> Node:
        """The first of them; an empty element where there is none."""
        return next(iter(self.all(name)), Node(name))


class LifecycleConfiguration(NamedTuple):
    """A bucket's lifecycle rules as S3 has them. `least_size` is what x-amz-transition-default-minimum-object-size says
    of objects that are too small to be moved; empty where the server does not say it."""

    rules: tuple[Node, ...] = ()
    least_size: str = ""
