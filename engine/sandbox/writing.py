"""Making and changing an object from outside: PutObject, tags, ACLs; and what locks it."""

from __future__ import annotations

import hashlib

from engine.model import Checksum, ObjectLock
from engine.sandbox import bodies
from engine.sandbox.checksums import (
    FULL_OBJECT,
    asked_for,
    check_body,
    default_algorithm,
    header_lines,
    pending,
    require_locked_digest,
    sent,
)
from engine.sandbox.checksums import checksum_of as computed
from engine.sandbox.conditions import check_target
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.keeping import change, keep, object_of, version_lines
from engine.sandbox.markup import element, read_document, xml_reply
from engine.sandbox.properties import attributes_of, checked_tags, encryption_lines, tags_of, with_changes
from engine.sandbox.records import Account, Attributes, Bucket, Pairs, StoredObject
from engine.sandbox.refusals import S3Error

PUT_LIMIT_BYTES = 5 << 30
KEY_LIMIT_BYTES = 1024


def check_key(key: str) -> None:
    """A key has at most 1,024 bytes of UTF-8."""
    if len(key) > 256 and len(key.encode("utf-8", "surrogateescape")) > KEY_LIMIT_BYTES:
        raise S3Error("KeyTooLongError", MaxSizeAllowed=str(KEY_LIMIT_BYTES))


def etag_of(account: Account, attributes: Attributes, content: bodies.Content) -> str:
    """MD5 of the bytes; under KMS or a customer's key something that looks like one and is not."""
    if attributes.encryption.algorithm == "AES256" and not attributes.customer_key_md5:
        return bodies.md5_of(content)
    return hashlib.md5(b"opaque %d" % account.next_number(), usedforsecurity=False).hexdigest()


def put_object(account: Account, bucket: Bucket, request: Request) -> Reply:
    headers, key, body = request.headers, request.key, request.body
    check_key(key)
    if len(body) > PUT_LIMIT_BYTES:
        raise S3Error("EntityTooLarge", MaxSizeAllowed=str(PUT_LIMIT_BYTES))
    check_target(headers, key, bucket.objects.get(key))
    if account.echoes_checksums and (told := sent(headers))[0]:
        (algorithm, value), body = told, body[::-1]
    else:
        algorithm, value = check_body(headers, body)
    attributes = attributes_of(account, bucket, headers)
    if attributes.lock is not None:
        require_locked_digest(headers, "Put Object")
    tags = tags_of(headers)
    if algorithm:
        checksum: Checksum | None = Checksum(algorithm, FULL_OBJECT, value)
    else:
        checksum = pending(asked_for(headers) or default_algorithm(bucket))
    stored = StoredObject(
        body, len(body), etag_of(account, attributes, body), account.clock.now(), attributes, checksum, tags
    )
    keep(account, bucket, key, stored)
    lines = (
        ("ETag", f'"{stored.etag}"'),
        *encryption_lines(attributes),
        *header_lines(computed(stored)),
        *version_lines(bucket, stored),
    )
    return Reply(200, lines)


# --- tags -----------------------------------------------------------------------------------------------------------


def get_object_tagging(account: Account, bucket: Bucket, request: Request) -> Reply:
    stored = object_of(bucket, request.key, request.query.get("versionId"))
    return xml_reply("Tagging", tag_set(stored.tags), headers=version_lines(bucket, stored))


def put_object_tagging(account: Account, bucket: Bucket, request: Request) -> Reply:
    check_body(request.headers, request.body)
    tags = checked_tags(read_tags(request.body))
    return _retag(bucket, request, tags, 200)


def delete_object_tagging(account: Account, bucket: Bucket, request: Request) -> Reply:
    return _retag(bucket, request, (), 204)


def _retag(bucket: Bucket, request: Request, tags: Pairs, status: int) -> Reply:
    stored = object_of(bucket, request.key, request.query.get("versionId"))
    change(bucket, request.key, stored, tags=tags)
    return Reply(status, version_lines(bucket, stored))


def tag_set(tags: Pairs) -> str:
    rows = [f"<Tag>{element('Key', name)}{element('Value', value)}</Tag>" for name, value in tags]
    return f"<TagSet>{''.join(rows)}</TagSet>"


def read_tags(body: bytes) -> Pairs:
    """The tags of a Tagging document. Raises MalformedXML."""
    found = read_document(body, "Tagging").find("TagSet")
    if found is None:
        raise S3Error("MalformedXML")
    return tuple((tag.findtext("Key") or "", tag.findtext("Value") or "") for tag in found.findall("Tag"))


# --- access ---------------------------------------------------------------------------------------------------------


_GROUPS = "http://acs.amazonaws.com/groups/global/"
_CANNED = {
    "public-read": [("AllUsers", "READ")],
    "public-read-write": [("AllUsers", "READ"), ("AllUsers", "WRITE")],
    "authenticated-read": [("AuthenticatedUsers", "READ")],
}


def access_policy(account: Account, canned: str = "") -> str:
    """The owner, with full control, and whom a canned ACL names."""
    group = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"'
    others = "".join(
        f"<Grant><Grantee {group}>{element('URI', _GROUPS + name)}</Grantee>{element('Permission', what)}</Grant>"
        for name, what in _CANNED.get(canned, [])
    )
    schema = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"'
    return (
        f"<Owner>{account.owner}</Owner><AccessControlList><Grant><Grantee {schema}>{account.owner}</Grantee>"
        f"<Permission>FULL_CONTROL</Permission></Grant>{others}</AccessControlList>"
    )


def get_object_acl(account: Account, bucket: Bucket, request: Request) -> Reply:
    stored = object_of(bucket, request.key, request.query.get("versionId"))
    policy = access_policy(account, stored.attributes.acl)
    return xml_reply("AccessControlPolicy", policy, headers=version_lines(bucket, stored))


def get_object_retention(account: Account, bucket: Bucket, request: Request) -> Reply:
    stored, lock = _locked(bucket, request)
    if not lock.mode:
        raise S3Error("NoSuchObjectLockConfiguration", Key=request.key)
    lines = element("Mode", lock.mode) + element("RetainUntilDate", lock.retain_until)
    return xml_reply("Retention", lines, headers=version_lines(bucket, stored))


def get_object_legal_hold(account: Account, bucket: Bucket, request: Request) -> Reply:
    """Of an object that was held and is no more S3 says OFF; here it is as if it never was."""
    stored, lock = _locked(bucket, request)
    if not lock.legal_hold:
        raise S3Error("NoSuchObjectLockConfiguration", Key=request.key)
    return xml_reply("LegalHold", element("Status", "ON"), headers=version_lines(bucket, stored))


def _locked(bucket: Bucket, request: Request) -> tuple[StoredObject, ObjectLock]:
    if not bucket.object_lock:
        raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
    stored = object_of(bucket, request.key, request.query.get("versionId"))
    return stored, stored.attributes.lock or ObjectLock()


def put_object_acl(account: Account, bucket: Bucket, request: Request) -> Reply:
    """Refused where the bucket's owner owns everything, but for the one ACL that says just that."""
    stored = object_of(bucket, request.key, request.query.get("versionId"))
    canned = request.headers.get("x-amz-acl", "")
    if bucket.ownership == "BucketOwnerEnforced":
        if canned != "bucket-owner-full-control":
            raise S3Error("AccessControlListNotSupported")
        return Reply(200)
    change(bucket, request.key, stored, attributes=with_changes(stored.attributes, acl=canned))
    return Reply(200)
