"""RestoreObject: an archived object made readable, for days or for good.

Tiers, how long each takes and what is refused: API reference, RestoreObject; S3 User Guide, "Archive retrieval options"
and "Restoring an archived object". Which error answers a tier that a class has not, or days where there is no copy to
end, is not in either: the codes here are the likely ones of those that it has.
"""

from __future__ import annotations

from engine.sandbox.exchange import Reply, Request
from engine.sandbox.keeping import change, object_of, version_lines
from engine.sandbox.markup import read_document
from engine.sandbox.properties import is_archived, restore_text, with_changes
from engine.sandbox.records import Account, Bucket
from engine.sandbox.refusals import S3Error

_FOREVER = 1 << 40
_HOUR, _DAY = 3_600, 86_400
_QUICK = {"Expedited": 300, "Standard": 5 * _HOUR, "Bulk": 12 * _HOUR}
_DEEP = {"Standard": 12 * _HOUR, "Bulk": 48 * _HOUR}
_TAKES_S = {"GLACIER": _QUICK, "ARCHIVE_ACCESS": _QUICK, "DEEP_ARCHIVE": _DEEP, "DEEP_ARCHIVE_ACCESS": _DEEP}
"""The longest that S3 says it takes, by class or archive tier of INTELLIGENT_TIERING."""
_FASTER = ("Expedited", "Standard", "Bulk")


def restore_object(account: Account, bucket: Bucket, request: Request) -> Reply:
    """202 for a restore begun, or hurried by a faster tier; 200 for one that is there and now lasts for other days; 409
    while one is under way."""
    stored = object_of(bucket, request.key, request.query.get("versionId"))
    attributes, now = stored.attributes, account.clock.now()
    kind = attributes.archive_status or attributes.storage_class
    if kind not in _TAKES_S:
        raise S3Error("InvalidObjectState", "Restore is not allowed for the object's current storage class")
    if attributes.archive_status and not is_archived(attributes, now):
        raise S3Error("ObjectAlreadyInActiveTierError")
    days, tier = _asked(request, lasts=not attributes.archive_status)
    if tier not in _TAKES_S[kind]:
        raise S3Error("InvalidArgument", "Retrieval option is not supported by this storage class")
    if tier == "Expedited" and not account.expedited_available:
        raise S3Error("GlacierExpeditedRetrievalNotAvailable")
    until = (now // _DAY + days + 1) * _DAY if days is not None else _FOREVER  # to the next midnight in UTC
    takes_s = _TAKES_S[kind][tier] if account.restore_delay_s is None else account.restore_delay_s
    restored_from, status = now + takes_s, 202
    if "true" in restore_text(attributes, now):
        if _FASTER.index(tier) >= _FASTER.index(attributes.restoring_by):
            raise S3Error("RestoreAlreadyInProgress")
        until = attributes.restored_until
    elif not is_archived(attributes, now):
        restored_from, status = attributes.restored_from, 200
    elif days is not None:
        until = ((now + takes_s) // _DAY + days + 1) * _DAY  # the days begin when it can be read
    renewed = with_changes(attributes, restored_from=restored_from, restored_until=until, restoring_by=tier)
    change(bucket, request.key, stored, attributes=renewed)
    return Reply(status, version_lines(bucket, stored))


def _asked(request: Request, *, lasts: bool) -> tuple[int | None, str]:
    """Days and tier of a request. Days are needed where a temporary copy is made, and are no part of it otherwise."""
    document = read_document(request.body, "RestoreRequest")
    days, tier = document.findtext("Days"), document.findtext("GlacierJobParameters/Tier") or "Standard"
    if tier not in _FASTER or (lasts if days is None else not (days.isdigit() and int(days))):
        raise S3Error("MalformedXML")
    if not lasts and days is not None:
        raise S3Error("InvalidRequest", "Days must not be specified for objects in the INTELLIGENT_TIERING class")
    return int(days) if days is not None else None, tier
