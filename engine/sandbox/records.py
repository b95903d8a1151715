"""What the sandbox keeps: buckets, objects, versions and uploads. Data only; the rules are in the modules beside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sortedcontainers import SortedDict

from engine.model import Checksum, Encryption, ObjectLock
from engine.sandbox.bodies import Content
from engine.sandbox.clock import Clock
from engine.sandbox.exchange import Reply

Pairs = tuple[tuple[str, str], ...]

AES256 = Encryption("AES256")


@dataclass(frozen=True, slots=True)
class Attributes:
    """Everything an object carries besides its bytes and tags. One value is shared by all objects that have the
    same. `archive_status` is that of an Intelligent-Tiering archive tier; `restored_until` the time until which a
    restored copy can be read (0: none) `restored_from` when it becomes readable, `restoring_by`
    the tier that was asked for."""

    headers: Pairs = (("Content-Type", "binary/octet-stream"),)
    metadata: Pairs = ()
    storage_class: str = "STANDARD"
    website_redirect: str = ""
    encryption: Encryption = AES256
    customer_key_md5: str = ""
    lock: ObjectLock | None = None
    acl: str = "private"
    archive_status: str = ""
    restored_from: int = 0
    restored_until: int = 0
    restoring_by: str = ""


PLAIN = Attributes()


class PartRecord(NamedTuple):
    """A part of a finished object; `checksum` is empty where the upload asked for none."""

    number: int
    size: int
    etag: str
    checksum: str = ""


@dataclass(slots=True, eq=False)
class StoredObject:
    """One version of an object, or a delete marker (`content` None). `checksum` with an empty value is computed
    when it is first asked for; None: the object has none."""

    content: Content | None
    size: int
    etag: str
    modified: int
    attributes: Attributes = PLAIN
    checksum: Checksum | None = None
    tags: Pairs = ()
    parts: tuple[PartRecord, ...] = ()
    version_id: str = "null"

    @property
    def is_marker(self) -> bool:
        return self.content is None


class UploadedPiece(NamedTuple):
    """A part of an upload under way."""

    content: Content
    size: int
    etag: str
    checksum: str
    modified: int


@dataclass(slots=True)
class Upload:
    """A multipart upload under way. `algorithm` is empty where it was not asked for."""

    upload_id: str
    key: str
    initiated: int
    attributes: Attributes
    tags: Pairs
    algorithm: str
    checksum_type: str
    parts: dict[int, UploadedPiece] = field(default_factory=dict)
    latest: UploadedPiece | None = None


class Keys:
    """Objects in the order of their keys' code points, which is the order of their UTF-8 bytes, as S3 lists them."""

    __slots__ = ("_sorted",)

    def __init__(self) -> None:
        self._sorted: Any = SortedDict()

    def __len__(self) -> int:
        return len(self._sorted)

    def __contains__(self, key: str) -> bool:
        return key in self._sorted

    def get(self, key: str) -> StoredObject | None:
        found: StoredObject | None = self._sorted.get(key)
        return found

    def put(self, key: str, stored: StoredObject) -> None:
        self._sorted[key] = stored

    def put_many(self, entries: dict[str, StoredObject]) -> None:
        self._sorted.update(entries)

    def pop(self, key: str) -> StoredObject | None:
        found: StoredObject | None = self._sorted.pop(key, None)
        return found

    def from_key(self, minimum: str, *, inclusive: bool) -> Iterator[str]:
        found: Iterator[str] = self._sorted.irange(minimum, inclusive=(inclusive, True))
        return found


@dataclass(slots=True, eq=False)
class Bucket:
    """One bucket. `objects` holds the current versions that are not delete markers; `versions` holds, for keys
    written since versioning was first enabled, every version, newest first."""

    name: str
    region: str
    created: int
    legacy_checksums: bool = False
    objects: Keys = field(default_factory=Keys)
    versions: dict[str, list[StoredObject]] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    versioning: str = ""
    lifecycle: bytes = b""
    least_size: str = "all_storage_classes_128K"
    replication: bytes = b""
    tagging: bytes = b""
    ownership: str = "BucketOwnerEnforced"
    object_lock: bool = False
    is_public: bool = False
    """Whether anybody may list and read it, without a signature."""
    encryption: Encryption = AES256


class Account:
    """All that the sandbox knows: one account's buckets in one region. Numbers are handed out in order, so two
    runs of one test see the same ids."""

    def __init__(self, region: str = "us-east-2", clock: Clock | None = None) -> None:
        self.region = region
        self.clock = clock if clock is not None else Clock()
        self.buckets: dict[str, Bucket] = {}
        self.account_id = "123456789012"
        self.owner_id = "5a6e64626f78" + "0" * 52
        self.owner_name = "sandbox"
        self.restore_delay_s: int | None = None  # as long as S3 says
        self.expedited_available = True
        self.complete_again = False
        self.completed: dict[tuple[str, str, str], Reply] = {}
        self.conditional_deletes = True
        self.echoes_checksums = False
        self._issued = 0

    @property
    def owner(self) -> str:
        """Its owner, as every answer has it: elements of XML."""
        return f"<ID>{self.owner_id}</ID><DisplayName>{self.owner_name}</DisplayName>"

    def next_number(self) -> int:
        self._issued += 1
        return self._issued
