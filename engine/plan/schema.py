"""The shape of the plan file, table by table. Imported only while a plan is being read.

These tables say names, types and the single values that can be judged alone; `engine.plan.tables` reads by them. What
depends on other places of the file is judged in `engine.plan.reading`, which turns them into the engine's own values.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from engine.plan.selection import problem_of_pattern
from engine.plan.sizes import parse_duration, parse_moment, parse_size
from engine.plan.tables import Refused, Table, read_by


def _text_or_whole(parse: Callable[[Any], Any], what: str) -> Callable[[object], Any]:
    def read(value: object) -> Any:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise ValueError(f"must be {what}")
        return parse(value)

    return read


def _moment(value: object) -> str:
    if not isinstance(value, (str, date)):
        raise ValueError("must be a date such as 2026-01-31")
    return parse_moment(value)


def _patterns(value: object) -> object:
    if isinstance(value, list) and (
        reasons := [((at,), text) for at, item in enumerate(value) if (text := _why(item))]
    ):
        raise Refused(*reasons)
    return value


def _why(pattern: object) -> str:
    if not isinstance(pattern, str):
        return "must be text"
    problem = problem_of_pattern(pattern)
    return f'the pattern "{pattern}" {problem}' if problem else ""


def _tolerance(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError('must be text such as "1 %" or "50 MB"')
    return value


def _word_or_table(value: object) -> object:
    if isinstance(value, dict) or value in ("preserve", "set", "drop", "fail"):
        return value
    raise ValueError('must be "preserve", "drop", "fail", or a table of what to set')


def _payer(value: object) -> object:
    if isinstance(value, bool):
        return "requester" if value else ""
    if value in ("", "requester"):
        return value
    raise ValueError('must be true, false or "requester"')


SizeBytes = Annotated[int, read_by(_text_or_whole(parse_size, 'a size such as "734 MB"'))]
Seconds = Annotated[int, read_by(_text_or_whole(parse_duration, 'a duration such as "24h"'))]
Moment = Annotated[str, read_by(_moment)]
Patterns = Annotated[list[str], read_by(_patterns)]
ToleranceText = Annotated[str | int, read_by(_tolerance)]
KeepOrTable = Annotated[Any, read_by(_word_or_table)]
Payer = Annotated[str, read_by(_payer)]
Count = Annotated[int, Meta(ge=0)]
Name = Annotated[str, Meta(min_length=1)]
PropertyRule = Literal["preserve", "set", "drop", "fail"]
Tables = list[dict[str, Any]]


class PlanTable(Table, frozen=True):
    name: Name | None = None
    bucket: str = ""
    prefix: str = ""
    connection: dict[str, Any] = {}
    sites: dict[str, dict[str, Any]] = {}
    routes: Tables = []
    expect: Tables = []
    probes: Tables = []
    manifest: dict[str, Any] | None = None
    references: dict[str, Any] = {}
    cleanup: dict[str, Any] = {}


class ConnectionTable(Table, frozen=True):
    region: str = ""
    endpoint_url: str = ""
    profile: str = ""
    request_payer: Payer = ""
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    ca_bundle: str = ""
    expected_bucket_owner: str = ""


class ExpectTable(Table, frozen=True):
    objects: Count | None = None
    size: SizeBytes | None = None
    tolerance: ToleranceText | None = None


class TotalTable(ExpectTable, frozen=True):
    name: Name | None = None
    routes: list[str] | None = None


class PropertiesTable(Table, frozen=True):
    content_headers: KeepOrTable = None
    metadata: PropertyRule | None = None
    tags: PropertyRule | None = None
    storage_class: PropertyRule | None = None
    encryption: KeepOrTable = None
    website_redirect: KeepOrTable = None
    lock: KeepOrTable = None
    acl: KeepOrTable = None


class HeadersTable(Table, frozen=True):
    content_type: str = ""
    content_encoding: str = ""
    content_disposition: str = ""
    content_language: str = ""
    cache_control: str = ""
    expires: str = ""


class EncryptionTable(Table, frozen=True):
    algorithm: Literal["AES256", "aws:kms", "aws:kms:dsse"]
    kms_key_id: str = ""
    bucket_key: bool = False


class LockTable(Table, frozen=True):
    mode: Literal["", "GOVERNANCE", "COMPLIANCE"] = ""
    retain_until: Moment = ""
    legal_hold: bool = False


class RedirectTable(Table, frozen=True):
    location: Name


class AclTable(Table, frozen=True):
    canned: Literal[
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
    ]


class RouteTable(Table, frozen=True):
    name: Name
    from_: str = field(name="from")
    to: str
    from_site: Name | None = None
    to_site: Name | None = None
    expect: dict[str, Any] | None = None
    include: Patterns = []
    exclude: Patterns = []
    since: Moment = ""
    until: Moment = ""
    min_size: SizeBytes = 0
    max_size: SizeBytes | None = None
    storage_class: str = ""
    tags: dict[str, str] | None = None
    metadata: dict[str, str] = {}
    properties: dict[str, Any] = {}
    overwrite: Literal["never", "if-different", "always"] = "never"
    exact: bool = False
    keys: Name | None = None
    inventory: Name | None = None
    allow_empty: bool = False


class ProbeTable(Table, frozen=True):
    name: Name | None = None
    npy: Name | None = None
    json_: Name | None = field(default=None, name="json")
    exists: Name | None = None
    min_objects: Annotated[int, Meta(ge=1)] | None = None
    command: Name | None = None
    shape: list[Count] | None = None
    dtype: Name | None = None
    items: Count | None = None
    under: str | None = None
    at: str | None = None
    args: list[str] | None = None
    timeout: Seconds | None = None
    site: str | None = None


class DatasetTable(Table, frozen=True):
    at: Name
    route: Name
    description: str | None = None
    size_in: Literal["GB", "MB"] | None = None


class ManifestTable(Table, frozen=True):
    object: Name
    set_: dict[str, Any] = field(default={}, name="set")
    datasets: Tables = []
    site: str | None = None


class ReferencesTable(Table, frozen=True):
    scan: list[Name] = []
    exclude: Patterns = []
    site: str | None = None


class CleanupTable(Table, frozen=True):
    hold: Seconds = 86_400
    proof: Literal["size", "digest", "bytes"] = "digest"
    unconditional: bool = False
