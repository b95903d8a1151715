"""The shape of the plan file, table by table. Imported only while a plan is being read, because of pydantic's price.

These models check types, names and the single values that can be judged alone; what depends on other places of the
file is judged in `engine.plan.reading`, which turns them into the engine's own values.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from engine.plan.selection import problem_of_pattern
from engine.plan.sizes import parse_duration, parse_moment, parse_size


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


def _pattern(value: object) -> object:
    if isinstance(value, str) and (problem := problem_of_pattern(value)):
        raise ValueError(f'the pattern "{value}" {problem}')
    return value


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


SizeBytes = Annotated[int, BeforeValidator(_text_or_whole(parse_size, 'a size such as "734 MB"'))]
Seconds = Annotated[int, BeforeValidator(_text_or_whole(parse_duration, 'a duration such as "24h"'))]
Moment = Annotated[str, BeforeValidator(_moment)]
Pattern = Annotated[str, BeforeValidator(_pattern)]
ToleranceText = Annotated[str | int, BeforeValidator(_tolerance)]
KeepOrTable = Annotated[Any, BeforeValidator(_word_or_table)]
Payer = Annotated[str, BeforeValidator(_payer)]
Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(min_length=1)]
Keep = Literal["preserve", "set", "drop", "fail"]
Tables = list[dict[str, Any]]


class Table(BaseModel):
    """A table of the file: no key but those named here, and no value turned into another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Model = TypeVar("Model", bound=Table)


class PlanTable(Table):
    name: Name | None = None
    bucket: str = ""
    prefix: str = ""
    connection: dict[str, Any] = {}
    routes: Tables = []
    expect: Tables = []
    probes: Tables = []
    manifest: dict[str, Any] | None = None
    references: dict[str, Any] = {}
    cleanup: dict[str, Any] = {}


class ConnectionTable(Table):
    region: str = ""
    endpoint_url: str = ""
    profile: str = ""
    request_payer: Payer = ""
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    ca_bundle: str = ""
    expected_bucket_owner: str = ""


class ExpectTable(Table):
    objects: Count | None = None
    size: SizeBytes | None = None
    tolerance: ToleranceText | None = None


class TotalTable(ExpectTable):
    name: Name | None = None
    routes: list[str] | None = None


class PropertiesTable(Table):
    content_headers: KeepOrTable = None
    metadata: Keep | None = None
    tags: Keep | None = None
    storage_class: Keep | None = None
    encryption: KeepOrTable = None
    website_redirect: KeepOrTable = None
    lock: KeepOrTable = None
    acl: KeepOrTable = None


class HeadersTable(Table):
    content_type: str = ""
    content_encoding: str = ""
    content_disposition: str = ""
    content_language: str = ""
    cache_control: str = ""
    expires: str = ""


class EncryptionTable(Table):
    algorithm: Literal["AES256", "aws:kms", "aws:kms:dsse"]
    kms_key_id: str = ""
    bucket_key: bool = False


class LockTable(Table):
    mode: Literal["", "GOVERNANCE", "COMPLIANCE"] = ""
    retain_until: Moment = ""
    legal_hold: bool = False


class RedirectTable(Table):
    location: Name


class AclTable(Table):
    canned: Literal[
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
    ]


class RouteTable(Table):
    name: Name
    from_: str = Field(alias="from")
    to: str
    expect: dict[str, Any] | None = None
    include: list[Pattern] = []
    exclude: list[Pattern] = []
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


class ProbeTable(Table):
    name: Name | None = None
    npy: Name | None = None
    json_: Name | None = Field(default=None, alias="json")
    exists: Name | None = None
    min_objects: Annotated[int, Field(ge=1)] | None = None
    command: Name | None = None
    shape: list[Count] | None = None
    dtype: Name | None = None
    items: Count | None = None
    under: str | None = None
    at: str | None = None
    args: list[str] | None = None
    timeout: Seconds | None = None


class DatasetTable(Table):
    at: Name
    route: Name
    description: str | None = None
    size_in: Literal["GB", "MB"] | None = None


class ManifestTable(Table):
    object: Name
    set_: dict[str, Any] = Field(default={}, alias="set")
    datasets: Tables = []


class ReferencesTable(Table):
    scan: list[Name] = []
    exclude: list[Pattern] = []


class CleanupTable(Table):
    hold: Seconds = 86_400
    proof: Literal["size", "digest", "bytes"] = "digest"
    unconditional: bool = False
