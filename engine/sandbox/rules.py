"""The rules of S3: what each action does to an account, and what it refuses. No socket, no time to wait."""

from __future__ import annotations

from collections.abc import Callable

from engine.sandbox import archives, buckets, copying, deleting, lifecycles, listing, reading, uploads, writing
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.keeping import bucket_of
from engine.sandbox.records import Account, Bucket
from engine.sandbox.refusals import S3Error

OF_ACCOUNT: dict[str, Callable[[Account, Request], Reply]] = {
    "ListBuckets": buckets.list_buckets,
    "CreateBucket": buckets.create_bucket,
}

RULES: dict[str, Callable[[Account, Bucket, Request], Reply]] = {
    "DeleteBucket": buckets.delete_bucket,
    "HeadBucket": buckets.head_bucket,
    "GetBucketLocation": buckets.get_location,
    "GetBucketVersioning": buckets.get_versioning,
    "PutBucketVersioning": buckets.put_versioning,
    "GetBucketLifecycleConfiguration": lifecycles.get_lifecycle,
    "PutBucketLifecycleConfiguration": lifecycles.put_lifecycle,
    "DeleteBucketLifecycle": lifecycles.delete_lifecycle,
    "GetBucketReplication": buckets.get_replication,
    "PutBucketReplication": buckets.put_replication,
    "DeleteBucketReplication": buckets.delete_replication,
    "GetBucketEncryption": buckets.get_encryption,
    "PutBucketEncryption": buckets.put_encryption,
    "DeleteBucketEncryption": buckets.delete_encryption,
    "GetBucketOwnershipControls": buckets.get_ownership,
    "PutBucketOwnershipControls": buckets.put_ownership,
    "GetBucketTagging": buckets.get_tagging,
    "PutBucketTagging": buckets.put_tagging,
    "DeleteBucketTagging": buckets.delete_tagging,
    "GetBucketAcl": buckets.get_acl,
    "GetObjectLockConfiguration": buckets.get_object_lock,
    "ListMultipartUploads": buckets.list_uploads,
    "ListObjectsV2": listing.list_objects_v2,
    "ListObjects": listing.list_objects,
    "ListObjectVersions": listing.list_object_versions,
    "HeadObject": reading.head_object,
    "GetObject": reading.get_object,
    "GetObjectAttributes": reading.get_object_attributes,
    "PutObject": writing.put_object,
    "GetObjectTagging": writing.get_object_tagging,
    "PutObjectTagging": writing.put_object_tagging,
    "DeleteObjectTagging": writing.delete_object_tagging,
    "GetObjectAcl": writing.get_object_acl,
    "PutObjectAcl": writing.put_object_acl,
    "GetObjectRetention": writing.get_object_retention,
    "GetObjectLegalHold": writing.get_object_legal_hold,
    "RestoreObject": archives.restore_object,
    "CopyObject": copying.copy_object,
    "CreateMultipartUpload": uploads.create_upload,
    "UploadPart": uploads.upload_part,
    "UploadPartCopy": uploads.copy_part,
    "CompleteMultipartUpload": uploads.complete_upload,
    "AbortMultipartUpload": uploads.abort_upload,
    "ListParts": uploads.list_parts,
    "DeleteObject": deleting.delete_object,
    "DeleteObjects": deleting.delete_objects,
}


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
