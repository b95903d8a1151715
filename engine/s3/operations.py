"""S3's actions as HTTP: method, patience and bounds, and what may be done twice. One `Operation` each. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine import store
from engine.store import Request

READ_TIMEOUT_S = 60.0
COPY_TIMEOUT_S = 300.0
"""How long a connection may be silent. S3 may take minutes over a copy or a Complete."""
READ_TOTAL_S = 300.0
COPY_TOTAL_S = 3600.0
"""How long a request may take in all, however busily its answer drips; a body's bytes have their own time on top
(`engine.s3.http.SLOWEST_BYTES_PER_S`). While it copies or completes, S3 sends white space (API reference, CopyObject,
CompleteMultipartUpload): minutes for the largest, and on a server that moves the bytes itself much longer."""
ANSWER_LIMIT_BYTES = 1 << 20
"""The longest answer that is read into memory; as many may come at once as there are connections."""
LIST_LIMIT_BYTES = 8 << 20
"""The longest answer with a line for each key: 1,000 keys of 1,024 bytes, each byte as &quot;, are 6 MiB."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What all requests of one S3 action have in common. `harmless_twice`: sent again at once where a connection had
    been closed before it could be used. `bodiless`: its answer has headers only; `limit_bytes` bounds it. `setting` is
    the sub-resource of a bucket or an object that it is about; `roots` are those of which an answer has to have one,
    where it has to."""

    name: str
    method: str
    harmless_twice: bool = True
    bodiless: bool = False
    timeout_s: float = READ_TIMEOUT_S
    total_s: float = READ_TOTAL_S
    limit_bytes: int = ANSWER_LIMIT_BYTES
    setting: str = ""
    roots: tuple[str, ...] = ()


def _operation(request: type[Request], method: str, **more: Any) -> Operation:
    return Operation(request.operation, method, request.harmless_twice, **more)


def _setting(name: str, setting: str, *roots: str, **more: Any) -> Operation:
    return Operation(name, "GET", setting=setting, roots=roots, **more)


_LONG: dict[str, Any] = {"limit_bytes": LIST_LIMIT_BYTES}
_SLOW: dict[str, Any] = {"timeout_s": COPY_TIMEOUT_S, "total_s": COPY_TOTAL_S}
LIST = _operation(store.ListPage, "GET", **_LONG, roots=("ListBucketResult",))
HEAD = _operation(store.HeadObject, "HEAD", bodiless=True)
COPY = _operation(store.CopyObject, "PUT", **_SLOW, roots=("CopyObjectResult",))
COPY_PART = _operation(store.CopyPart, "PUT", **_SLOW, roots=("CopyPartResult",))
GET = _operation(store.GetRange, "GET")
PUT = _operation(store.PutObject, "PUT", **_SLOW)
CREATE = _operation(store.CreateUpload, "POST", roots=("InitiateMultipartUploadResult", "InitiateMultipartUpload"))
UPLOAD_PART = _operation(store.UploadPart, "PUT", **_SLOW)
COMPLETE = _operation(store.CompleteUpload, "POST", **_SLOW, roots=("CompleteMultipartUploadResult",))
ABORT = _operation(store.AbortUpload, "DELETE")
LIST_PARTS = _operation(store.ListParts, "GET", **_LONG, roots=("ListPartsResult",))
LIST_UPLOADS = _operation(store.ListUploads, "GET", **_LONG, roots=("ListMultipartUploadsResult",))
LIST_VERSIONS = _operation(store.ListVersions, "GET", **_LONG, roots=("ListVersionsResult", "ListObjectVersionsResult"))
GET_OBJECT_ACL = _operation(store.GetAcl, "GET", setting="acl", roots=("AccessControlPolicy",))
GET_TAGS = _operation(store.GetTags, "GET", setting="tagging", roots=("Tagging",))
GET_RETENTION = _operation(store.GetRetention, "GET", setting="retention", roots=("Retention",))
GET_LEGAL_HOLD = _operation(store.GetLegalHold, "GET", setting="legal-hold", roots=("LegalHold",))
PUT_TAGS = _operation(store.PutTags, "PUT", setting="tagging")
RESTORE = _operation(store.RestoreObject, "POST", setting="restore")
DELETE = _operation(store.DeleteObject, "DELETE")
DELETE_MANY = _operation(store.DeleteObjects, "POST", setting="delete", **_LONG, roots=("DeleteResult",))
HEAD_BUCKET = Operation("HeadBucket", "HEAD", bodiless=True)
GET_LOCATION = _setting("GetBucketLocation", "location", "LocationConstraint", "CreateBucketConfiguration")
GET_VERSIONING = _setting("GetBucketVersioning", "versioning", "VersioningConfiguration", "GetBucketVersioningResponse")
GET_LIFECYCLE = _setting("GetBucketLifecycleConfiguration", "lifecycle", "LifecycleConfiguration", **_LONG)
PUT_LIFECYCLE = _operation(store.PutLifecycle, "PUT", setting="lifecycle")
DELETE_LIFECYCLE = Operation("DeleteBucketLifecycle", "DELETE", harmless_twice=False, setting="lifecycle")
GET_REPLICATION = _setting("GetBucketReplication", "replication", "ReplicationConfiguration", **_LONG)
GET_ENCRYPTION = _setting("GetBucketEncryption", "encryption", "ServerSideEncryptionConfiguration")
GET_ACL = _setting("GetBucketAcl", "acl", "AccessControlPolicy")
"""Second roots are those of rclone (an upload's id), LocalStack (a location) and moto."""
