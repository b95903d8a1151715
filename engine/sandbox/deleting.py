"""DeleteObject and DeleteObjects, each key under its condition."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.sandbox.checksums import require_digest
from engine.sandbox.conditions import check_delete
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.keeping import remove, remove_version, version_of
from engine.sandbox.markup import element, read_document, xml_reply
from engine.sandbox.records import Account, Bucket
from engine.sandbox.refusals import S3Error

BATCH_KEYS = 1000


def delete_object(account: Account, bucket: Bucket, request: Request) -> Reply:
    """204 also where nothing was there, unless a condition says otherwise."""
    version_id, is_marker = _delete(
        account, bucket, request.key, request.query.get("versionId"), request.headers.get("if-match"), request.headers
    )
    lines = (("x-amz-delete-marker", "true"),) if is_marker else ()
    return Reply(204, (*lines, ("x-amz-version-id", version_id)) if version_id else lines)


def delete_objects(account: Account, bucket: Bucket, request: Request) -> Reply:
    require_digest(request.headers, request.body)
    document = read_document(request.body, "Delete")
    items = document.findall("Object")
    if not 0 < len(items) <= BATCH_KEYS:
        raise S3Error("MalformedXML")
    quiet = (document.findtext("Quiet") or "").strip().lower() == "true"
    rows = []
    for item in items:
        key, version_id = item.findtext("Key") or "", item.findtext("VersionId")
        named = element("VersionId", version_id) if version_id else ""
        if not key:
            raise S3Error("UserKeyMustBeSpecified")
        try:
            found, is_marker = _delete(account, bucket, key, version_id, item.findtext("ETag"), request.headers)
        except S3Error as error:
            rows.append(
                f"<Error>{element('Key', key)}{named}{element('Code', error.code)}"
                f"{element('Message', error.message)}</Error>"
            )
            continue
        if quiet:
            continue
        marker = ""
        if is_marker:
            marker = f"<DeleteMarker>true</DeleteMarker>{element('DeleteMarkerVersionId', found)}"
        rows.append(f"<Deleted>{element('Key', key)}{named}{marker}</Deleted>")
    return xml_reply("DeleteResult", *rows)


def _delete(
    account: Account, bucket: Bucket, key: str, version_id: str | None, wanted: str | None, headers: dict[str, str]
) -> tuple[str, bool]:
    """The version id that was deleted or made (empty without versioning), and whether it is a delete marker."""
    if version_id:
        if wanted is not None:
            raise S3Error("InvalidRequest", "Conditional deletes are for the current version of an object only.")
        _check_lock(account, bucket, key, version_id, headers)
        gone = remove_version(bucket, key, version_id)
        return version_id, gone is not None and gone.is_marker
    check_delete(wanted if account.conditional_deletes else None, key, bucket.objects.get(key))
    marker = remove(account, bucket, key)
    return (marker.version_id, True) if marker is not None else ("", False)


def _check_lock(account: Account, bucket: Bucket, key: str, version_id: str, headers: dict[str, str]) -> None:
    """A version under retention or a legal hold stays, unless governance is bypassed."""
    found = version_of(bucket, key, version_id)
    lock = found.attributes.lock if found is not None else None
    if lock is None:
        return
    held = lock.legal_hold
    if lock.mode:
        try:
            until = datetime.fromisoformat(lock.retain_until.replace("Z", "+00:00")).replace(tzinfo=UTC).timestamp()
        except ValueError:
            until = 0.0
        bypassed = lock.mode == "GOVERNANCE" and headers.get("x-amz-bypass-governance-retention", "") == "true"
        held = held or (until > account.clock.now() and not bypassed)
    if held:
        raise S3Error("AccessDenied", "Access Denied because object protected by object lock.")
