"""A bucket's lifecycle configuration: kept as it was sent, looked at as S3 does, and not carried out.

API reference, PutBucketLifecycleConfiguration; S3 User Guide, "Lifecycle configuration elements" and "Transitioning
objects"; the sentences are those that S3 was seen to answer with.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from engine.sandbox.checksums import check_body
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.markup import XML_HEADERS, read_document
from engine.sandbox.records import Account, Bucket
from engine.sandbox.refusals import S3Error

LEAST_SIZE = "x-amz-transition-default-minimum-object-size"
LEAST_SIZES = ("all_storage_classes_128K", "varies_by_storage_class")
MOST_RULES, LONGEST_ID = 1_000, 255
INTO = ("STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")
LEAST_DAYS = {"STANDARD_IA": 30, "ONEZONE_IA": 30}
ACTIONS = (
    "Expiration", "Transition", "NoncurrentVersionExpiration", "NoncurrentVersionTransition",
    "AbortIncompleteMultipartUpload",
)  # fmt: skip


def get_lifecycle(account: Account, bucket: Bucket, request: Request) -> Reply:
    if not bucket.lifecycle:
        raise S3Error("NoSuchLifecycleConfiguration", BucketName=bucket.name)
    return Reply(200, (*XML_HEADERS, (LEAST_SIZE, bucket.least_size)), bucket.lifecycle)


def put_lifecycle(account: Account, bucket: Bucket, request: Request) -> Reply:
    """In place of all that is there; what the header does not say is S3's default again."""
    headers = request.headers
    if "content-md5" not in headers and not any(name.startswith("x-amz-checksum-") for name in headers):
        raise S3Error("InvalidRequest", "Missing required header for this request: Content-MD5")
    check_body(headers, request.body)
    least_size = headers.get(LEAST_SIZE, LEAST_SIZES[0])
    if least_size not in LEAST_SIZES:
        raise S3Error("InvalidRequest", f"Invalid value for {LEAST_SIZE}")
    _check(read_document(request.body, "LifecycleConfiguration").findall("Rule"))
    bucket.lifecycle, bucket.least_size = request.body, least_size
    return Reply(200, ((LEAST_SIZE, least_size),))


def delete_lifecycle(account: Account, bucket: Bucket, request: Request) -> Reply:
    bucket.lifecycle, bucket.least_size = b"", LEAST_SIZES[0]
    return Reply(204)


def _check(rules: list[Element]) -> None:
    """Raise S3Error for a configuration that S3 refuses."""
    if not 0 < len(rules) <= MOST_RULES:
        raise S3Error("MalformedXML")
    ids = [rule_id for rule in rules if (rule_id := rule.findtext("ID"))]
    if len(set(ids)) < len(ids):
        raise S3Error("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")
    if any(len(rule_id) > LONGEST_ID for rule_id in ids):
        raise S3Error("InvalidArgument", f"ID length should not exceed allowed limit of {LONGEST_ID}")
    older = [rule for rule in rules if rule.find("Prefix") is not None]
    for rule in rules:
        _check_rule(rule)
    if older and len(older) < len(rules):
        raise S3Error(
            "InvalidRequest",
            "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.",
        )
    for at, rule in enumerate(older):
        for other in older[at + 1 :]:
            _refuse_overlap(rule, other)


def _refuse_overlap(rule: Element, other: Element) -> None:
    """In the older form alone: rules with a filter may overlap."""
    one, two = rule.findtext("Prefix") or "", other.findtext("Prefix") or ""
    both = {item.tag for item in rule} & {item.tag for item in other}.intersection(ACTIONS)
    if both and (one.startswith(two) or two.startswith(one)):
        raise S3Error(
            "InvalidRequest", f"Found overlapping prefixes '{one}' and '{two}' for same action type '{min(both)}'"
        )


def _check_rule(rule: Element) -> None:
    chosen, base = rule.find("Filter"), rule.find("Prefix")
    if rule.findtext("Status") not in ("Enabled", "Disabled") or (chosen is None) == (base is None):
        raise S3Error("MalformedXML")
    if not any(rule.find(name) is not None for name in ACTIONS):
        raise S3Error("InvalidRequest", "At least one action needs to be specified in a rule")
    if chosen is not None and len(chosen) > 1:
        raise S3Error("MalformedXML")
    asks = {item.tag for item in rule.iter()} & {"Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan"}
    if asks and rule.find("AbortIncompleteMultipartUpload") is not None:
        raise S3Error("InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes.")
    expires = rule.find("Expiration")
    if expires is not None:
        _check_expiration(expires, tagged="Tag" in asks)
    latest = max(_transition_days(rule), default=-1)
    days = expires.findtext("Days") if expires is not None else None
    if days is not None and int(days) <= latest:
        prefix = base.text if base is not None else rule.findtext("Filter/Prefix") or rule.findtext("Filter/And/Prefix")
        raise S3Error(
            "InvalidArgument",
            f"'Days' in the Expiration action for filter '(prefix={prefix or ''})' must be greater than 'Days' in the "
            "Transition action",
        )
    for path in ("NoncurrentVersionExpiration/NoncurrentDays", "AbortIncompleteMultipartUpload/DaysAfterInitiation"):
        name, _, figure = path.partition("/")
        if rule.find(name) is not None and _days(rule.findtext(path)) < 1:
            raise S3Error("InvalidArgument", f"'{figure}' for {name} action must be a positive integer")


def _check_expiration(expires: Element, *, tagged: bool) -> None:
    if len(expires) != 1:
        raise S3Error("MalformedXML")
    only = expires[0]
    if only.tag == "ExpiredObjectDeleteMarker" and tagged:
        raise S3Error("InvalidRequest", "ExpiredObjectDeleteMarker cannot be specified with Tags.")
    if only.tag == "Days" and _days(only.text) < 1:
        raise S3Error("InvalidArgument", "'Days' for Expiration action must be a positive integer")
    if only.tag == "Date" and "T00:00:00" not in (only.text or ""):
        raise S3Error("InvalidArgument", "'Date' must be at midnight GMT")


def _transition_days(rule: Element) -> Iterator[int]:
    """Of each transition, once it was looked at."""
    for item in rule.findall("Transition"):
        into, days = item.findtext("StorageClass") or "", item.findtext("Days")
        if into not in INTO:
            raise S3Error("MalformedXML")
        if days is None:
            continue
        if _days(days) < 0:
            raise S3Error("InvalidArgument", "'Days' in Transition action must be nonnegative")
        least = LEAST_DAYS.get(into, 0)
        if _days(days) < least:
            raise S3Error(
                "InvalidArgument",
                f"'Days' in Transition action must be greater than or equal to {least} for storageClass '{into}'",
            )
        yield _days(days)


def _days(text: str | None) -> int:
    try:
        return int(text or "")
    except ValueError:
        raise S3Error("MalformedXML") from None
