"""The shape of the plan file, table by table. Imported only while a plan is being read.

These tables say names, types and the single values that can be judged alone, and under each what it is for (of which
docs/plan.md is made); `engine.plan.tables` reads by them. What depends on other places of the file is judged in
`engine.plan.reading`, which turns them into the engine's own values.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from engine.plan.tables import (
    Count,
    KeepOrTable,
    Moment,
    Name,
    Patterns,
    Payer,
    Seconds,
    SizeBytes,
    Table,
    ToleranceText,
)

PropertyRule = Literal["preserve", "set", "drop", "fail"]
Tables = list[dict[str, Any]]


class PlanTable(Table, frozen=True):
    """At the top of the file."""

    name: Name | None = None
    """What the ledger beside the plan is called after."""
    bucket: str = ""
    """What a location that begins with `/` is in."""
    prefix: str = ""
    """What a relative `to`, key or path is under; it ends with a slash."""
    connection: dict[str, Any] = {}
    """Where the buckets are: below."""
    sites: dict[str, dict[str, Any]] = {}
    """Further servers or accounts, by name, for routes that say `from_site` or `to_site`; each has the keys of
    `[connection]`, and takes nothing over from it."""
    routes: Tables = []
    """What goes where: at least one."""
    expect: Tables = []
    """What several routes hold together."""
    probes: Tables = []
    """What has to hold on the targets before a source is deleted."""
    manifest: dict[str, Any] | None = None
    """What tells of the data, and is brought up to date by `cartage manifest`."""
    references: dict[str, Any] = {}
    """Where `cartage rewrite` looks for old locations."""
    cleanup: dict[str, Any] = {}
    """When the sources may go."""


class ConnectionTable(Table, frozen=True):
    """All optional: flags go before these, and what neither says comes from the AWS environment."""

    region: str = ""
    """The region that requests are signed for."""
    endpoint_url: str = ""
    """Another server than AWS, as https://host."""
    profile: str = ""
    """A profile of `~/.aws/config`."""
    credentials: Literal["", "none"] = ""
    """`"none"`: nothing is signed, as for a bucket that anybody may read."""
    request_payer: Payer = ""
    """`"requester"` or true: you pay for requests to buckets whose owner asks for that."""
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    """Whether the bucket is in the path or the host name. `"auto"`: the path for every server but AWS."""
    ca_bundle: str = ""
    """A file of certificate authorities, for a server with one of its own."""
    expected_bucket_owner: str = ""
    """The account id that every bucket of the plan has to belong to."""


class ExpectTable(Table, frozen=True):
    """What the owner believes is there. A difference stops no run, and keeps sources from being deleted until it is
    accepted."""

    objects: Count | None = None
    """How many, counted exactly."""
    size: SizeBytes | None = None
    """Their size together."""
    tolerance: ToleranceText | None = None
    """How far a size may be off, as `"1 %"` or `"50 MB"`. 1 % unless said."""


class TotalTable(ExpectTable, frozen=True):
    """The same of several routes together."""

    name: Name | None = None
    """What it is called in `cartage accept`; `total` unless said."""
    routes: list[str] | None = None
    """Which routes; all of them unless said."""


class PropertiesTable(Table, frozen=True):
    """What becomes of an object's properties on the way: `"preserve"` (as the source has it), `"drop"` (as S3 gives it
    to a new object), `"fail"` (an object that has one is set aside), or a table of what to set."""

    content_headers: KeepOrTable = None
    """Content-Type and its kin, Cache-Control and Expires. Preserved unless said."""
    metadata: PropertyRule | None = None
    """User metadata (`x-amz-meta-…`). Preserved unless said; `"set"` goes with the route's `metadata`."""
    tags: PropertyRule | None = None
    """Object tags. Preserved unless said; `"set"` goes with the route's `tags`."""
    storage_class: PropertyRule | None = None
    """Preserved unless said; `"set"` goes with the route's `storage_class`."""
    encryption: KeepOrTable = None
    """Dropped unless said: the target bucket's default counts."""
    website_redirect: KeepOrTable = None
    """Dropped unless said, as CopyObject does."""
    lock: KeepOrTable = None
    """Retention and legal hold. Dropped unless said, as CopyObject does."""
    acl: KeepOrTable = None
    """Dropped unless said, as CopyObject does: the target is its owner's alone."""


class HeadersTable(Table, frozen=True):
    """What is laid over the source's content headers."""

    content_type: str = ""
    """Content-Type."""
    content_encoding: str = ""
    """Content-Encoding."""
    content_disposition: str = ""
    """Content-Disposition."""
    content_language: str = ""
    """Content-Language."""
    cache_control: str = ""
    """Cache-Control."""
    expires: str = ""
    """Expires, as the header has it."""


class EncryptionTable(Table, frozen=True):
    """How targets are encrypted."""

    algorithm: Literal["AES256", "aws:kms", "aws:kms:dsse"]
    """S3's own keys, or keys of KMS."""
    kms_key_id: str = ""
    """Which key of KMS; AWS's own for S3 unless said."""
    bucket_key: bool = False
    """Whether S3 keeps a key for the bucket, which saves requests to KMS."""


class LockTable(Table, frozen=True):
    """Object Lock of the targets; the bucket has to have it."""

    mode: Literal["", "GOVERNANCE", "COMPLIANCE"] = ""
    """How strictly they are retained."""
    retain_until: Moment = ""
    """Until when."""
    legal_hold: bool = False
    """Whether they are held until somebody lifts it."""


class RedirectTable(Table, frozen=True):
    """A website redirect of the targets."""

    location: Name
    """Where to: a path of the same site, or a URL."""


class AclTable(Table, frozen=True):
    """A canned ACL of the targets."""

    canned: Literal[
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
    ]
    """Which one."""


class RouteTable(Table, frozen=True):
    """One source location and one target location, and the rules between them."""

    name: Name
    """The name that tables and `accept` use."""
    from_: str = field(name="from")
    """Where the objects are. With a slash at the end everything under it, without one that one key or file."""
    to: str
    """Where they go, of the same form."""
    from_site: Name | None = None
    """The site of `[sites]` that `from` is at; `[connection]` unless said."""
    to_site: Name | None = None
    """The same for `to`."""
    expect: dict[str, Any] | None = None
    """What you believe is there: below."""
    include: Patterns = []
    """Which keys, by pattern: `*` is any characters, slashes too; matched after `from`. All unless said."""
    exclude: Patterns = []
    """Which keys not; goes before `include`."""
    since: Moment = ""
    """Only what changed at this time or later, in UTC."""
    until: Moment = ""
    """Only what changed before this time."""
    min_size: SizeBytes = 0
    """Only objects of this size or more."""
    max_size: SizeBytes | None = None
    """Only objects of this size or less."""
    storage_class: str = ""
    """The class of every copy; the source's unless said."""
    tags: dict[str, str] | None = None
    """Take the place of the source's tags."""
    metadata: dict[str, str] = {}
    """Laid over the source's user metadata."""
    properties: dict[str, Any] = {}
    """What becomes of other properties: below."""
    overwrite: Literal["never", "if-different", "always"] = "never"
    """What may happen to a target that holds something that this ledger did not write: it is a conflict, it is replaced
    where it differs, or always."""
    exact: bool = False
    """Whether anything else under the target is a difference; what `include` and `exclude` leave out is none."""
    keys: Name | None = None
    """A list of keys in place of a listing: a local file beside the plan, or in S3."""
    inventory: Name | None = None
    """The manifest.json of an S3 Inventory in place of a listing."""
    allow_empty: bool = False
    """Whether it is no mistake that nothing is under `from`."""


class ImagesTable(Table, frozen=True):
    """Which images are decoded: a sample of those under a prefix, drawn by a seed, so that the same seed takes the
    same."""

    under: Name
    """The prefix. What has the suffix of an image counts."""
    sample: Annotated[int, Meta(ge=1)] = 200
    """How many."""
    seed: Annotated[int, Meta(ge=0, le=0x7FFFFFFFFFFFFFFF)] = 1
    """Another one takes others."""


class ProbeTable(Table, frozen=True):
    """Has exactly one of `exists`, `json`, `npy`, `usearch`, `parquet`, `csv`, `image`, `images`, `manifest`,
    `min_objects` and `command`, and what goes with it."""

    name: Name | None = None
    """What it is called in messages."""
    npy: Name | None = None
    """An object that is a NumPy array, read from its header."""
    json_: Name | None = field(default=None, name="json")
    """An object that is JSON."""
    usearch: Name | None = None
    """An object that is a USearch index, read from its header; opened and searched where the extra `usearch` is
    installed."""
    parquet: Name | None = None
    """An object that is Parquet, read from its footer (needs the extra `parquet`)."""
    csv: Name | None = None
    """An object that is CSV in UTF-8, read from beginning to end."""
    image: Name | None = None
    """An object that is an image, decoded (needs the extra `image`)."""
    images: dict[str, Any] | None = None
    """A sample of the images under a prefix, decoded: below (needs the extra `image`)."""
    manifest: Name | None = None
    """A JSON, YAML or TOML object that names places, with their number of files, size or digest: all of it is so."""
    exists: Name | None = None
    """An object that exists, or a prefix with something under it."""
    min_objects: Annotated[int, Meta(ge=1)] | None = None
    """How many objects are under `under`, at least."""
    command: Name | None = None
    """A program of your own that ends with 0; started without a shell, in the plan's folder, and only with
    `--allow-commands`."""
    agrees: Name | None = None
    """With all that count (`npy`, `json`, `usearch`, `parquet`, `csv`, `images`): those that agree on one name must
    count the same rows, and the same dimensions where they have any."""
    shape: list[Count] | None = None
    """With `npy`: the array's shape."""
    dtype: Name | None = None
    """With `npy`: its type, as `"float32"`; with `usearch` that of the vectors, as `"f16"`."""
    items: Count | None = None
    """With `json`: how many items its list or table has."""
    rows: Count | None = None
    """With `usearch`, `parquet`, `csv`: how many there are, a header not counted; with `images`: how many images are
    under the prefix."""
    dims: Count | None = None
    """With `usearch`: how many dimensions a vector has."""
    metric: Name | None = None
    """With `usearch`: how vectors are compared, as `"cos"`."""
    search: bool | None = None
    """With `usearch`: whether it has to be opened and searched for vectors of its own; where the extra is installed
    unless said."""
    columns: Count | None = None
    """With `parquet`, `csv`: how many."""
    header: list[str] | None = None
    """With `parquet`, `csv`: what the columns are called, in order."""
    headless: bool | None = None
    """With `csv`: the first row is data."""
    delimiter: Name | None = None
    """With `csv`: what is between two fields; a comma unless said (a tab for `.tsv`)."""
    pixels: list[Count] | None = None
    """With `image`, `images`: width and height of each."""
    under: str | None = None
    """With `min_objects`: the prefix; the plan's own unless said."""
    at: str | None = None
    """With `command`: the location that it is told in its environment."""
    args: list[str] | None = None
    """With `command`: its arguments."""
    timeout: Seconds | None = None
    """With `command`: how long it may take; 10 minutes unless said."""
    site: str | None = None
    """Where routes' targets are at several sites: which one it is about (`""` is `[connection]`)."""


class DatasetTable(Table, frozen=True):
    """A place in the manifest that is filled from a route: path, size, number of files, description."""

    at: Name
    """The place, as a dotted path; its last name is what the table calls the data set."""
    route: Name
    """The route."""
    description: str | None = None
    """Its description."""
    size_in: Literal["GB", "MB"] | None = None
    """The unit of the size; as the file has it, else by the size."""


class ManifestTable(Table, frozen=True):
    """The files that tell of the data: a manifest, texts with a table, or both. In S3, or local (`./…`)."""

    object: Name | None = None
    """The manifest: JSON, or by its name YAML or TOML (which need the extra `manifest`)."""
    tables: list[Name] = []
    """Markdown texts. The table of the data sets stands between `<!-- cartage:data -->` and `<!-- /cartage:data -->`,
    each on a line of its own."""
    set_: dict[str, Any] = field(default={}, name="set")
    """Values to set in the manifest, by dotted path."""
    datasets: Tables = []
    """What is filled from the ledger: below."""
    site: str | None = None
    """As in `[[probes]]`."""


class ReferencesTable(Table, frozen=True):
    """Where texts may still name the old locations."""

    scan: list[Name] = []
    """Objects and prefixes in S3, and local folders and files (`./…`)."""
    exclude: Patterns = []
    """Which names not, by pattern."""
    site: str | None = None
    """As in `[[probes]]`."""


class CleanupTable(Table, frozen=True):
    """What has to be so before a source is deleted."""

    hold: Seconds = 86_400
    """How long an object keeps its source after it first reached the proof."""
    proof: Literal["size", "digest", "bytes"] = "digest"
    """How far each object has to be proven."""
    unconditional: bool = False
    """Whether sources are deleted also on a server that cannot delete by ETag."""
