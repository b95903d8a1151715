"""Buckets and their settings, and the uploads under way in one."""

from __future__ import annotations

import re

from engine.model import Encryption
from engine.sandbox.checksums import check_body
from engine.sandbox.clock import iso_text
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.listing import checksum_elements, limit_of
from engine.sandbox.markup import XML_HEADERS, element, escape, read_document, url_encoded, xml_reply
from engine.sandbox.properties import checked_tags, kms_arn
from engine.sandbox.records import AES256, Account, Bucket, Upload
from engine.sandbox.refusals import S3Error
from engine.sandbox.writing import access_policy, read_tags, tag_set

_OWNERSHIPS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]").fullmatch
_ADDRESS = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+").fullmatch


def list_buckets(account: Account, request: Request) -> Reply:
    prefix = request.query.get("prefix", "")
    rows = [
        f"<Bucket>{element('Name', name)}<CreationDate>{iso_text(bucket.created)}</CreationDate>"
        f"<BucketRegion>{bucket.region}</BucketRegion></Bucket>"
        for name, bucket in sorted(account.buckets.items())
        if name.startswith(prefix)
    ]
    return xml_reply("ListAllMyBucketsResult", f"<Owner>{account.owner}</Owner><Buckets>{''.join(rows)}</Buckets>")


def create_bucket(account: Account, request: Request) -> Reply:
    name = request.bucket
    if not _NAME(name) or ".." in name or _ADDRESS(name):
        raise S3Error("InvalidBucketName", BucketName=name)
    region = account.region
    if request.body:
        document = read_document(request.body, "CreateBucketConfiguration")
        region = document.findtext("LocationConstraint") or account.region
    if region != account.region:
        raise S3Error(
            "IllegalLocationConstraintException",
            f"The {region} location constraint is incompatible for the region specific endpoint this request was "
            "sent to.",
        )
    ownership = request.headers.get("x-amz-object-ownership", "BucketOwnerEnforced")
    if ownership not in _OWNERSHIPS:
        raise S3Error("InvalidArgument", "Invalid x-amz-object-ownership header")
    if name in account.buckets:
        if account.region == "us-east-1":  # as ever there
            return Reply(200, (("Location", f"/{name}"),))
        raise S3Error("BucketAlreadyOwnedByYou", BucketName=name)
    bucket = account.buckets[name] = Bucket(name, region, account.clock.now())
    bucket.ownership = ownership
    if request.headers.get("x-amz-bucket-object-lock-enabled", "").lower() == "true":
        bucket.object_lock, bucket.versioning = True, "Enabled"  # S3 turns on versioning with it
    return Reply(200, (("Location", f"/{name}"),))


def delete_bucket(account: Account, bucket: Bucket, request: Request) -> Reply:
    if len(bucket.objects) or bucket.versions:
        raise S3Error("BucketNotEmpty", BucketName=bucket.name)
    del account.buckets[bucket.name]
    return Reply(204)


def head_bucket(account: Account, bucket: Bucket, request: Request) -> Reply:
    lines = (("x-amz-bucket-region", bucket.region), ("x-amz-access-point-alias", "false"))
    return Reply(200, (*XML_HEADERS, *lines, ("Content-Length", "0")))


def get_location(account: Account, bucket: Bucket, request: Request) -> Reply:
    return xml_reply("LocationConstraint", "" if bucket.region == "us-east-1" else bucket.region)


# --- settings -------------------------------------------------------------------------------------------------------


def get_versioning(account: Account, bucket: Bucket, request: Request) -> Reply:
    """Empty for a bucket that never had versioning."""
    return xml_reply("VersioningConfiguration", element("Status", bucket.versioning) if bucket.versioning else "")


def put_versioning(account: Account, bucket: Bucket, request: Request) -> Reply:
    status = read_document(request.body, "VersioningConfiguration").findtext("Status") or ""
    if status not in ("Enabled", "Suspended"):
        raise S3Error("MalformedXML")
    bucket.versioning = status
    return Reply(200)


def get_replication(account: Account, bucket: Bucket, request: Request) -> Reply:
    if not bucket.replication:
        raise S3Error("ReplicationConfigurationNotFoundError", BucketName=bucket.name)
    return Reply(200, XML_HEADERS, bucket.replication)


def put_replication(account: Account, bucket: Bucket, request: Request) -> Reply:
    """Kept as it was sent; nothing is replicated."""
    rules = read_document(request.body, "ReplicationConfiguration").findall("Rule")
    if not rules or any(rule.findtext("Status") not in ("Enabled", "Disabled") for rule in rules):
        raise S3Error("MalformedXML")
    if bucket.versioning != "Enabled":
        raise S3Error(
            "InvalidRequest", "Versioning must be 'Enabled' on the bucket to apply a replication configuration"
        )
    bucket.replication = request.body
    return Reply(200)


def delete_replication(account: Account, bucket: Bucket, request: Request) -> Reply:
    bucket.replication = b""
    return Reply(204)


def get_encryption(account: Account, bucket: Bucket, request: Request) -> Reply:
    encryption = bucket.encryption
    key = element("KMSMasterKeyID", encryption.kms_key_id) if encryption.kms_key_id else ""
    return xml_reply(
        "ServerSideEncryptionConfiguration",
        f"<Rule><ApplyServerSideEncryptionByDefault>{element('SSEAlgorithm', encryption.algorithm)}{key}"
        f"</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>{'true' if encryption.bucket_key else 'false'}"
        "</BucketKeyEnabled></Rule>",
    )


def put_encryption(account: Account, bucket: Bucket, request: Request) -> Reply:
    """The default of objects written from now on."""
    rule = read_document(request.body, "ServerSideEncryptionConfiguration").find("Rule")
    default = rule.find("ApplyServerSideEncryptionByDefault") if rule is not None else None
    algorithm = default.findtext("SSEAlgorithm") if default is not None else None
    if rule is None or default is None or algorithm not in ("AES256", "aws:kms", "aws:kms:dsse"):
        raise S3Error("MalformedXML")
    bucket_key = (rule.findtext("BucketKeyEnabled") or "").lower() == "true"
    if algorithm == "AES256":
        bucket.encryption = AES256
    else:
        bucket.encryption = Encryption(
            algorithm, kms_arn(account, default.findtext("KMSMasterKeyID") or ""), bucket_key
        )
    return Reply(200)


def delete_encryption(account: Account, bucket: Bucket, request: Request) -> Reply:
    bucket.encryption = AES256
    return Reply(204)


def get_ownership(account: Account, bucket: Bucket, request: Request) -> Reply:
    return xml_reply("OwnershipControls", f"<Rule>{element('ObjectOwnership', bucket.ownership)}</Rule>")


def put_ownership(account: Account, bucket: Bucket, request: Request) -> Reply:
    found = read_document(request.body, "OwnershipControls").findtext("Rule/ObjectOwnership") or ""
    if found not in _OWNERSHIPS:
        raise S3Error("MalformedXML")
    bucket.ownership = found
    return Reply(200)


def get_tagging(account: Account, bucket: Bucket, request: Request) -> Reply:
    if not bucket.tagging:
        raise S3Error("NoSuchTagSet", BucketName=bucket.name)
    return xml_reply("Tagging", tag_set(read_tags(bucket.tagging)))


def put_tagging(account: Account, bucket: Bucket, request: Request) -> Reply:
    check_body(request.headers, request.body)
    checked_tags(read_tags(request.body), most=50)
    bucket.tagging = request.body
    return Reply(204)


def delete_tagging(account: Account, bucket: Bucket, request: Request) -> Reply:
    bucket.tagging = b""
    return Reply(204)


def get_acl(account: Account, bucket: Bucket, request: Request) -> Reply:
    return xml_reply("AccessControlPolicy", access_policy(account))


def get_object_lock(account: Account, bucket: Bucket, request: Request) -> Reply:
    if not bucket.object_lock:
        raise S3Error("ObjectLockConfigurationNotFoundError", BucketName=bucket.name)
    return xml_reply("ObjectLockConfiguration", element("ObjectLockEnabled", "Enabled"))


# --- uploads under way ----------------------------------------------------------------------------------------------


def list_uploads(account: Account, bucket: Bucket, request: Request) -> Reply:
    """By key, then by when they began."""
    query = request.query
    prefix, key_marker, id_marker = (query.get(name, "") for name in ("prefix", "key-marker", "upload-id-marker"))
    limit = limit_of(query, "max-uploads")
    encode = url_encoded if query.get("encoding-type") == "url" else escape
    waiting = sorted(bucket.uploads.values(), key=lambda upload: (upload.key, upload.initiated, upload.upload_id))
    waiting = [upload for upload in waiting if upload.key.startswith(prefix)]
    waiting = _after(waiting, key_marker, id_marker)
    shown = waiting[:limit]
    more = len(waiting) > limit
    rows = [
        f"<Upload><Key>{encode(upload.key)}</Key>{element('UploadId', upload.upload_id)}"
        f"<Initiator>{account.owner}</Initiator><Owner>{account.owner}</Owner>"
        f"<StorageClass>{upload.attributes.storage_class}</StorageClass><Initiated>{iso_text(upload.initiated)}</Initiated>"
        f"{checksum_elements(upload.algorithm, upload.checksum_type)}</Upload>"
        for upload in shown
    ]
    return xml_reply(
        "ListMultipartUploadsResult",
        element("Bucket", bucket.name),
        f"<KeyMarker>{encode(key_marker)}</KeyMarker>",
        element("UploadIdMarker", id_marker),
        f"<NextKeyMarker>{encode(shown[-1].key)}</NextKeyMarker>" if more and shown else "",
        element("NextUploadIdMarker", shown[-1].upload_id) if more and shown else "",
        f"<Prefix>{encode(prefix)}</Prefix>",
        "<EncodingType>url</EncodingType>" if encode is url_encoded else "",
        f"<MaxUploads>{limit}</MaxUploads><IsTruncated>{'true' if more and shown else 'false'}</IsTruncated>",
        *rows,
    )


def _after(uploads: list[Upload], key_marker: str, id_marker: str) -> list[Upload]:
    if not key_marker:
        return uploads
    passed = [upload for upload in uploads if upload.key > key_marker]
    if not id_marker:
        return passed
    same = [upload for upload in uploads if upload.key == key_marker]
    ids = [upload.upload_id for upload in same]
    return (same[ids.index(id_marker) + 1 :] if id_marker in ids else []) + passed
