"""Which S3 action a request is, from its method, its address, its query and its headers, before anything is done."""

from __future__ import annotations

from collections.abc import Mapping

UNSUPPORTED = "Unsupported"
"""What the sandbox does not know; it answers 501."""

# (method, what in the query names the action) → action
_BUCKET = {
    ("GET", "location"): "GetBucketLocation",
    ("GET", "versioning"): "GetBucketVersioning",
    ("PUT", "versioning"): "PutBucketVersioning",
    ("GET", "lifecycle"): "GetBucketLifecycleConfiguration",
    ("PUT", "lifecycle"): "PutBucketLifecycleConfiguration",
    ("DELETE", "lifecycle"): "DeleteBucketLifecycle",
    ("GET", "replication"): "GetBucketReplication",
    ("PUT", "replication"): "PutBucketReplication",
    ("DELETE", "replication"): "DeleteBucketReplication",
    ("GET", "encryption"): "GetBucketEncryption",
    ("PUT", "encryption"): "PutBucketEncryption",
    ("DELETE", "encryption"): "DeleteBucketEncryption",
    ("GET", "ownershipControls"): "GetBucketOwnershipControls",
    ("PUT", "ownershipControls"): "PutBucketOwnershipControls",
    ("GET", "tagging"): "GetBucketTagging",
    ("PUT", "tagging"): "PutBucketTagging",
    ("DELETE", "tagging"): "DeleteBucketTagging",
    ("GET", "acl"): "GetBucketAcl",
    ("GET", "object-lock"): "GetObjectLockConfiguration",
    ("GET", "uploads"): "ListMultipartUploads",
    ("GET", "versions"): "ListObjectVersions",
    ("POST", "delete"): "DeleteObjects",
}
_OBJECT = {
    ("GET", "tagging"): "GetObjectTagging",
    ("PUT", "tagging"): "PutObjectTagging",
    ("DELETE", "tagging"): "DeleteObjectTagging",
    ("GET", "acl"): "GetObjectAcl",
    ("PUT", "acl"): "PutObjectAcl",
    ("GET", "retention"): "GetObjectRetention",
    ("GET", "legal-hold"): "GetObjectLegalHold",
    ("GET", "attributes"): "GetObjectAttributes",
    ("POST", "restore"): "RestoreObject",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("PUT", "uploadId"): "UploadPart",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "uploadId"): "ListParts",
}
_PLAIN_BUCKET = {"GET": "ListObjects", "HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}
_PLAIN_OBJECT = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}

# Every other sub-resource that S3 has: a PUT of one must not be taken for a PUT of the object or the bucket itself.
_SUBRESOURCES = {name for _, name in (*_BUCKET, *_OBJECT)} | {
    "abac", "accelerate", "analytics", "cors", "intelligent-tiering", "inventory", "legal-hold", "logging",
    "metadataConfiguration", "metadataTable", "metrics", "notification", "policy", "policyStatus",
    "publicAccessBlock", "renameObject", "requestPayment", "retention", "select", "session", "torrent",
    "website",
}  # fmt: skip


def operation_of(method: str, bucket: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """The S3 action's name, or `UNSUPPORTED`."""
    if not bucket:
        return "ListBuckets" if method == "GET" and not key else UNSUPPORTED
    if query:
        table = _OBJECT if key else _BUCKET
        for name in query:
            if name in _SUBRESOURCES:
                if name == "uploadId" and method == "HEAD":
                    continue
                found = table.get((method, name), UNSUPPORTED)
                return "UploadPartCopy" if found == "UploadPart" and "x-amz-copy-source" in headers else found
        if not key and method == "GET" and "list-type" in query:
            return "ListObjectsV2" if query["list-type"] == "2" else UNSUPPORTED
    if not key:
        return _PLAIN_BUCKET.get(method, UNSUPPORTED)
    if method == "PUT" and "x-amz-copy-source" in headers:
        return "CopyObject"
    return _PLAIN_OBJECT.get(method, UNSUPPORTED)
