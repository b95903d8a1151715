"""The rules of S3: which action a request is, what it does to an account, and what it refuses. No socket, no time to
wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.sandbox import archives, buckets, copying, deleting, lifecycles, listing, reading, uploads, writing
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.keeping import bucket_of
from engine.sandbox.records import Account, Bucket
from engine.sandbox.refusals import S3Error

UNSUPPORTED = "Unsupported"
"""What the sandbox does not know; it answers 501."""

Rule = Callable[[Account, Bucket, Request], Reply]

OF_ACCOUNT: dict[str, Callable[[Account, Request], Reply]] = {
    "ListBuckets": buckets.list_buckets,
    "CreateBucket": buckets.create_bucket,
}

# (method, what in the query names the action) → action
_BUCKET: dict[tuple[str, str], tuple[str, Rule]] = {
    ("GET", "location"): ("GetBucketLocation", buckets.get_location),
    ("GET", "versioning"): ("GetBucketVersioning", buckets.get_versioning),
    ("PUT", "versioning"): ("PutBucketVersioning", buckets.put_versioning),
    ("GET", "lifecycle"): ("GetBucketLifecycleConfiguration", lifecycles.get_lifecycle),
    ("PUT", "lifecycle"): ("PutBucketLifecycleConfiguration", lifecycles.put_lifecycle),
    ("DELETE", "lifecycle"): ("DeleteBucketLifecycle", lifecycles.delete_lifecycle),
    ("GET", "replication"): ("GetBucketReplication", buckets.get_replication),
    ("PUT", "replication"): ("PutBucketReplication", buckets.put_replication),
    ("DELETE", "replication"): ("DeleteBucketReplication", buckets.delete_replication),
    ("GET", "encryption"): ("GetBucketEncryption", buckets.get_encryption),
    ("PUT", "encryption"): ("PutBucketEncryption", buckets.put_encryption),
    ("DELETE", "encryption"): ("DeleteBucketEncryption", buckets.delete_encryption),
    ("GET", "ownershipControls"): ("GetBucketOwnershipControls", buckets.get_ownership),
    ("PUT", "ownershipControls"): ("PutBucketOwnershipControls", buckets.put_ownership),
    ("GET", "tagging"): ("GetBucketTagging", buckets.get_tagging),
    ("PUT", "tagging"): ("PutBucketTagging", buckets.put_tagging),
    ("DELETE", "tagging"): ("DeleteBucketTagging", buckets.delete_tagging),
    ("GET", "acl"): ("GetBucketAcl", buckets.get_acl),
    ("GET", "object-lock"): ("GetObjectLockConfiguration", buckets.get_object_lock),
    ("GET", "uploads"): ("ListMultipartUploads", buckets.list_uploads),
    ("GET", "versions"): ("ListObjectVersions", listing.list_object_versions),
    ("POST", "delete"): ("DeleteObjects", deleting.delete_objects),
}
_OBJECT: dict[tuple[str, str], tuple[str, Rule]] = {
    ("GET", "tagging"): ("GetObjectTagging", writing.get_object_tagging),
    ("PUT", "tagging"): ("PutObjectTagging", writing.put_object_tagging),
    ("DELETE", "tagging"): ("DeleteObjectTagging", writing.delete_object_tagging),
    ("GET", "acl"): ("GetObjectAcl", writing.get_object_acl),
    ("PUT", "acl"): ("PutObjectAcl", writing.put_object_acl),
    ("GET", "retention"): ("GetObjectRetention", writing.get_object_retention),
    ("GET", "legal-hold"): ("GetObjectLegalHold", writing.get_object_legal_hold),
    ("GET", "attributes"): ("GetObjectAttributes", reading.get_object_attributes),
    ("POST", "restore"): ("RestoreObject", archives.restore_object),
    ("POST", "uploads"): ("CreateMultipartUpload", uploads.create_upload),
    ("PUT", "uploadId"): ("UploadPart", uploads.upload_part),
    ("POST", "uploadId"): ("CompleteMultipartUpload", uploads.complete_upload),
    ("DELETE", "uploadId"): ("AbortMultipartUpload", uploads.abort_upload),
    ("GET", "uploadId"): ("ListParts", uploads.list_parts),
}
# … where nothing in the query does
_PLAIN_BUCKET = {"GET": "ListObjects", "HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}
_PLAIN_OBJECT = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
RULES: dict[str, Rule] = {
    **dict(_BUCKET.values()),
    **dict(_OBJECT.values()),
    "ListObjects": listing.list_objects,
    "ListObjectsV2": listing.list_objects_v2,
    "HeadBucket": buckets.head_bucket,
    "DeleteBucket": buckets.delete_bucket,
    "GetObject": reading.get_object,
    "HeadObject": reading.head_object,
    "PutObject": writing.put_object,
    "CopyObject": copying.copy_object,
    "UploadPartCopy": uploads.copy_part,
    "DeleteObject": deleting.delete_object,
}

# Every other sub-resource that S3 has: a PUT of one must not be taken for a PUT of the object or the bucket itself.
_SUBRESOURCES = {name for _, name in (*_BUCKET, *_OBJECT)} | {
    "abac", "accelerate", "analytics", "cors", "intelligent-tiering", "inventory", "logging", "metadataConfiguration",
    "metadataTable", "metrics", "notification", "policy", "policyStatus", "publicAccessBlock", "renameObject",
    "requestPayment", "select", "session", "torrent", "website",
}  # fmt: skip


def operation_of(method: str, bucket: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """The S3 action's name, or `UNSUPPORTED`, before anything is done."""
    if not bucket:
        return "ListBuckets" if method == "GET" and not key else UNSUPPORTED
    if query:
        table = _OBJECT if key else _BUCKET
        for name in query:
            if name in _SUBRESOURCES:
                if name == "uploadId" and method == "HEAD":
                    continue
                found, _ = table.get((method, name), (UNSUPPORTED, None))
                return "UploadPartCopy" if found == "UploadPart" and "x-amz-copy-source" in headers else found
        if not key and method == "GET" and "list-type" in query:
            return "ListObjectsV2" if query["list-type"] == "2" else UNSUPPORTED
    if not key:
        return _PLAIN_BUCKET.get(method, UNSUPPORTED)
    if method == "PUT" and "x-amz-copy-source" in headers:
        return "CopyObject"
    return _PLAIN_OBJECT.get(method, UNSUPPORTED)


def handle(account: Account, request: Request) -> Reply:
    """Carry out one request, whole or not at all. Raises `S3Error` for what S3 refuses."""
    operation = request.operation
    if operation not in RULES and operation not in OF_ACCOUNT:
        raise S3Error("NotImplemented")
    owner = request.headers.get("x-amz-expected-bucket-owner")
    if owner is not None and owner != account.account_id and request.bucket in account.buckets:
        raise S3Error("AccessDenied")
    if operation in OF_ACCOUNT:
        return OF_ACCOUNT[operation](account, request)
    return RULES[operation](account, bucket_of(account, request.bucket), request)
