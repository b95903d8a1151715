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
    been closed before it could be used. `bodiless`: its answer has headers only; `limit_bytes` bounds it.
    `setting` is the sub-resource of a bucket that it asks for."""

    name: str
    method: str
    harmless_twice: bool = True
    bodiless: bool = False
    timeout_s: float = READ_TIMEOUT_S
    total_s: float = READ_TOTAL_S
    limit_bytes: int = ANSWER_LIMIT_BYTES
    setting: str = ""


def _operation(request: type[Request], method: str, **more: Any) -> Operation:
    return Operation(request.operation, method, request.harmless_twice, **more)


_SLOW = {"timeout_s": COPY_TIMEOUT_S, "total_s": COPY_TOTAL_S}
LIST = _operation(store.ListPage, "GET", limit_bytes=LIST_LIMIT_BYTES)
HEAD = _operation(store.HeadObject, "HEAD", bodiless=True)
COPY = _operation(store.CopyObject, "PUT", **_SLOW)
COPY_PART = _operation(store.CopyPart, "PUT", **_SLOW)
GET = _operation(store.GetRange, "GET")
PUT = _operation(store.PutObject, "PUT", **_SLOW)
CREATE = _operation(store.CreateUpload, "POST")
UPLOAD_PART = _operation(store.UploadPart, "PUT", **_SLOW)
COMPLETE = _operation(store.CompleteUpload, "POST", **_SLOW)
ABORT = _operation(store.AbortUpload, "DELETE")
LIST_PARTS = _operation(store.ListParts, "GET", limit_bytes=LIST_LIMIT_BYTES)
LIST_UPLOADS = _operation(store.ListUploads, "GET", limit_bytes=LIST_LIMIT_BYTES)
LIST_VERSIONS = _operation(store.ListVersions, "GET", limit_bytes=LIST_LIMIT_BYTES)
GET_OBJECT_ACL = _operation(store.GetAcl, "GET")
GET_TAGS = _operation(store.GetTags, "GET")
PUT_TAGS = _operation(store.PutTags, "PUT")
RESTORE = _operation(store.RestoreObject, "POST")
DELETE = _operation(store.DeleteObject, "DELETE")
DELETE_MANY = _operation(store.DeleteObjects, "POST", limit_bytes=LIST_LIMIT_BYTES)
HEAD_BUCKET = Operation("HeadBucket", "HEAD", bodiless=True)
GET_LOCATION = _operation(store.AskBucket, "GET", setting="location")
GET_VERSIONING = Operation("GetBucketVersioning", "GET", setting="versioning")
GET_LIFECYCLE = Operation("GetBucketLifecycleConfiguration", "GET", limit_bytes=LIST_LIMIT_BYTES, setting="lifecycle")
PUT_LIFECYCLE = _operation(store.PutLifecycle, "PUT")
DELETE_LIFECYCLE = Operation("DeleteBucketLifecycle", "DELETE", harmless_twice=False, setting="lifecycle")
GET_REPLICATION = Operation("GetBucketReplication", "GET", limit_bytes=LIST_LIMIT_BYTES, setting="replication")
GET_ENCRYPTION = Operation("GetBucketEncryption", "GET", setting="encryption")
GET_ACL = Operation("GetBucketAcl", "GET", setting="acl")
