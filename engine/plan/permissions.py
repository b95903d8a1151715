"""The IAM actions that each command needs on a plan's buckets and prefixes, and the smallest policies: for who runs it,
and of a bucket for somebody who reads there. Pure.

Which action an operation needs: Service Authorization Reference, "Actions, resources, and condition keys for Amazon
S3", and the "Permissions" part of each operation in the API reference. What a principal may be: IAM User
Guide, "AWS JSON policy elements: Principal".
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from engine.errors import UsageError
from engine.model import Location
from engine.plan.aws import partition_of
from engine.plan.document import Plan
from engine.plan.locations import is_access_point, location_of, server_of, state_of
from engine.plan.own import CLAIM, PROBE
from engine.plan.route import PropertyRule, PropertyRules, Route
from engine.plan.settings import ImageProbe, ManifestProbe, Probe

COMMANDS = ("list", "plan", "restore", "run", "verify", "cleanup", "rewrite", "revert")
"""What a policy can be asked for. "rewrite" includes the manifest, "cleanup" the probes."""

CARRIED = {"tags": ("ObjectTagging",), "acl": ("ObjectAcl",), "lock": ("ObjectRetention", "ObjectLegalHold")}
"""What an object may carry that takes an action of its own to read, and one to write; by field of `PropertyRules`."""

VERSION = "2012-10-17"
"""The policy language's, which is not the day's date."""

_WILD = re.compile(r"[*?$]")


class Permission(NamedTuple):
    """Actions on one location: on the objects there, or (`on_bucket`) on their bucket.

    Listing is asked for with the location's prefix as its condition; other bucket actions cannot be narrowed."""

    action: str
    location: Location
    on_bucket: bool = False


def permissions(plan: Plan, command: str, state: str | None = None) -> tuple[Permission, ...]:
    """Everything that `command` needs, each once; `state` is where its ledger is kept in S3. Raises `UsageError` for a
    command that is not in `COMMANDS`, and a state that is no place."""
    if command not in COMMANDS:
        raise UsageError(f'there is no policy for "{command}": ask for {", ".join(COMMANDS)}')
    found: list[Permission] = []
    for route in plan.routes:
        found += _listing(route)
        if route.key_list is not None:  # what its list does not say of a key HEAD does
            found += _on(route.source, "s3:GetObject")
        if command == "restore":
            found += _on(route.source, "s3:RestoreObject", "s3:GetObject")
            found += _bucket(route.source, "s3:GetBucketLocation")
        if command == "run":
            found += _running(route)
            if not route.in_place:  # what an earlier run gave the target is compared if the source was written again
                found += _on(route.target, *_reading_properties(route.properties))
        elif command in ("verify", "cleanup", "revert"):
            found += _on(route.source, "s3:GetObject") + _on(route.target, "s3:GetObject")
        if command in ("verify", "cleanup"):
            for side in (route.source, route.target):
                found += _on(side, *_reading_properties(route.properties))
        if command in ("verify", "cleanup", "revert", "rewrite"):
            # For the server's clock: HeadBucket would need to list the whole bucket.
            found += _bucket(route.source, "s3:GetBucketLocation") + _bucket(route.target, "s3:GetBucketLocation")
        if command == "cleanup":
            # A conditional delete needs s3:GetObject as well; it is there already.
            found += _on(route.source, "s3:DeleteObject")
            found += _bucket(route.source, "s3:GetBucketVersioning", "s3:GetReplicationConfiguration")
            found += _bucket(route.target, "s3:GetLifecycleConfiguration")
        if command == "revert":
            found += _on(route.target, "s3:DeleteObject", "s3:AbortMultipartUpload")
            found += _bucket(route.target, "s3:GetBucketVersioning", "s3:GetReplicationConfiguration")
        if command in ("cleanup", "revert"):
            found += _claiming(route.source) + _claiming(route.target)
            found += _trying_names(plan, route)
    if command in ("cleanup", "rewrite"):
        found += _reading_references(plan)
    if command == "cleanup":
        found += [item for probe in plan.probes for item in _probing(probe)]
    if command == "rewrite":
        found += _rewriting(plan)
    if state is not None and command != "list":
        found += _keeping(state_of(state, plan.name))
    return tuple(item for item in dict.fromkeys(found) if not item.location.is_local)


def actions(plan: Plan, command: str, state: str | None = None) -> tuple[str, ...]:
    """The names of the actions alone, sorted."""
    return tuple(sorted({item.action for item in permissions(plan, command, state)}))


def policy(plan: Plan, command: str, site: str | None = None, *, state: str | None = None) -> dict[str, Any]:
    """The smallest IAM policy document that lets a command ("run", "verify", "cleanup", …) do its work, as JSON values.
    Of a plan that is at several sites it is that of `site`: each has its own users. `state` is the place in S3 where
    the ledger's changes are kept too, as in `Options`.

    Raises `UsageError` for a command that is not in `COMMANDS`, where the site is not said or not there, and for a
    state that is no place in S3."""
    needed = permissions(plan, command, state)
    if site is not None:
        plan.connection_of(site)
    sites = dict.fromkeys(item.location.site for item in needed)
    if site is None and len(sites) > 1:
        named = ", ".join(name or "connection" for name in sites)
        raise UsageError(f"the plan is at several sites, each with a policy of its own: say which one ({named})")
    on_bucket: dict[tuple[str, str], list[str]] = {}
    on_objects: dict[tuple[str, ...], list[str]] = {}
    by_resource: dict[str, list[str]] = {}
    for item in needed:
        if site is not None and item.location.site != site:
            continue
        if item.on_bucket:
            listing = item.action == "s3:ListBucket"
            key = (_bucket_arn(plan, item.location), item.action)
            on_bucket.setdefault(key, []).append(f"{literal(item.location.key)}*" if listing else "*")
        else:
            by_resource.setdefault(_object_arn(plan, item.location), []).append(item.action)
    for resource, names in by_resource.items():
        on_objects.setdefault(tuple(sorted(names)), []).append(resource)
    statements: list[dict[str, Any]] = []
    for (arn, action), prefixes in sorted(on_bucket.items()):
        statement: dict[str, Any] = {"Effect": "Allow", "Action": [action], "Resource": [arn]}
        if "*" not in prefixes:
            statement["Condition"] = {"StringLike": {"s3:prefix": sorted(set(prefixes))}}
        statements.append(statement)
    for names_, resources in sorted(on_objects.items()):
        statements.append({"Effect": "Allow", "Action": list(names_), "Resource": sorted(resources)})
    return {"Version": VERSION, "Statement": statements}


def _listing(route: Route) -> list[Permission]:
    found = _bucket(route.source, "s3:ListBucket") + _bucket(route.target, "s3:ListBucket")
    key_list = route.key_list
    if key_list is not None and (where := key_list.location) is not None:
        found += _on(where, "s3:GetObject")
        if key_list.kind == "inventory":  # …/config-ID/2026-01-31T00-00Z/manifest.json, …/config-ID/data/…
            data = "/".join([*where.key.split("/")[:-2], "data/"])
            found += _on(where.at(data), "s3:GetObject")
    return found


def _running(route: Route) -> list[Permission]:
    rules = route.properties
    if route.sets_tags_alone:
        return _on(route.target, "s3:GetObject", "s3:GetObjectTagging", "s3:PutObjectTagging") + _bucket(
            route.target, "s3:GetBucketLocation"
        )
    source, target = ["s3:GetObject"], ["s3:PutObject", "s3:GetObject"]
    target += ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    if route.in_place:  # there they are looked at first
        source.append("s3:GetObjectTagging")
    source += _carrying("Get", rules, PropertyRule.PRESERVE, PropertyRule.FAIL)
    target += _carrying("Put", rules, PropertyRule.PRESERVE, PropertyRule.SET)
    return (
        _on(route.source, *source)
        + _on(route.target, *target)
        + _bucket(route.target, "s3:ListBucketMultipartUploads")
        + _bucket(route.source, "s3:GetBucketLocation")
        + _bucket(route.target, "s3:GetBucketLocation")
    )


def _keeping(state: Location) -> list[Permission]:
    """Journals are read and appended to; that one of several writes wins is raced there, with what is deleted again,
    and no lifecycle rule of the bucket may take them."""
    found = _bucket(state, "s3:ListBucket", "s3:GetBucketLocation", "s3:GetLifecycleConfiguration")
    return found + _on(state, "s3:GetObject", "s3:PutObject", "s3:DeleteObject")


def _claiming(where: Location) -> list[Permission]:
    """One deletion at a time: the object that says so is at the root of each bucket."""
    return _on(where.at(CLAIM), "s3:PutObject", "s3:GetObject", "s3:DeleteObject")


def _trying_names(plan: Plan, route: Route) -> list[Permission]:
    """An access point's name does not tell its bucket, and another server may have two for one: objects of our own
    tell, put on either side and looked for on the other. On AWS two names of buckets are two buckets."""
    sides = (route.source, route.target)
    endpoints = [plan.connection_of(side.site).endpoint_url for side in sides if not side.is_local]
    on_aws = all(server_of(endpoint) == server_of("") for endpoint in endpoints)
    if on_aws and not any(is_access_point(side.bucket) for side in sides):
        return []
    found: list[Permission] = []
    for side in sides:
        probes = side.at(side.folder.key + PROBE)
        found += _on(probes, "s3:PutObject", "s3:GetObject", "s3:DeleteObject")
    return found


def _reading_properties(rules: PropertyRules) -> list[str]:
    """What tells whether the target took what the route says of it; headers and metadata come with s3:GetObject."""
    return _carrying("Get", rules, PropertyRule.PRESERVE, PropertyRule.SET, PropertyRule.FAIL)


def _carrying(does: str, rules: PropertyRules, *such: PropertyRule) -> list[str]:
    """The actions that read ("Get") or write ("Put") what is `CARRIED`, as far as its rule is such a one."""
    return [f"s3:{does}{what}" for name, parts in CARRIED.items() if getattr(rules, name) in such for what in parts]


def _probing(probe: Probe) -> list[Permission]:
    at = getattr(probe, "under", None) or getattr(probe, "at", None)
    if at is None:
        return []
    found = _on(at, "s3:GetObject") if not at.is_prefix or isinstance(probe, ImageProbe) else []
    found += _bucket(at, "s3:ListBucket") if at.is_prefix else []
    if isinstance(probe, ManifestProbe):  # what it names besides is for whoever wrote it to allow
        found += _bucket(probe.base, "s3:ListBucket") + _on(probe.base, "s3:GetObject")
    return found


def _reading_references(plan: Plan) -> list[Permission]:
    found: list[Permission] = []
    for location in plan.references.locations:
        found += _bucket(location, "s3:ListBucket") + _on(location, "s3:GetObject")
    return found


def _rewriting(plan: Plan) -> list[Permission]:
    told = plan.manifest.places if plan.manifest is not None else ()
    carried = [f"s3:{does}{what}" for parts in CARRIED.values() for what in parts for does in ("Get", "Put")]
    found = [item for place in told for item in _on(place, "s3:GetObject")]
    for location in (*plan.references.locations, *told):  # with the tags, the ACL and the lock that it had
        found += _on(location, "s3:PutObject", *carried)
    return found


def _on(location: Location, *names: str) -> list[Permission]:
    return [Permission(name, location) for name in names]


def _bucket(location: Location, *names: str) -> list[Permission]:
    return [Permission(name, location, on_bucket=True) for name in names]


def literal(key: str) -> str:
    """A key in a policy: `*`, `?` and `$` stand for themselves only as policy variables (IAM User Guide)."""
    return _WILD.sub(lambda found: "${" + found.group() + "}", key)


def _bucket_arn(plan: Plan, location: Location) -> str:
    if location.bucket.startswith("arn:"):
        return location.bucket.replace("accesspoint:", "accesspoint/")
    return f"arn:{partition_of(plan.connection_of(location.site).region)}:s3:::{location.bucket}"


def _object_arn(plan: Plan, location: Location) -> str:
    arn = _bucket_arn(plan, location)
    inside = "/object/" if location.bucket.startswith("arn:") else "/"
    many = location.is_prefix or location.key.endswith(PROBE)
    return f"{arn}{inside}{literal(location.key)}{'*' if many else ''}"


_READER = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):(iam|sts)::[A-Za-z0-9_$-]*:(root|(user|role|assumed-role|federated-user)/[^*\s]+)"
)

VERSIONS = (
    "It reads what is there now: older versions of objects need s3:GetObjectVersion and s3:ListBucketVersions as well."
)
KEYS = (
    "Objects under a KMS key need kms:Decrypt in the key's own policy too; those under the key aws/s3 cannot be read "
    "from another account."
)
ACCOUNT = "Somebody of another account needs these actions in a policy of their own as well."
ONE = "A bucket has one policy: where there is one, add these statements to it, since writing it replaces all of it."


class BucketPolicy(NamedTuple):
    """`document` is the policy as JSON values, `notes` are sentences about what it does not give."""

    document: dict[str, Any]
    notes: tuple[str, ...]


def bucket_policy(where: str | Location, read: str) -> BucketPolicy:
    """The smallest policy for the bucket of `where` ("s3://bucket/prefix/", or one exact key) that lets `read`, the ARN
    of a user, a role or an account's root, get what is there and list it. Nothing is asked, nothing changed.

    Raises `UsageError` for what is no location of S3, an access point, and for whatever is no one's ARN: a policy for
    everyone would make the objects public."""
    where = location_of(where)
    if where.is_local or is_access_point(where.bucket):
        raise UsageError(f"{where} is no bucket's.", advice="Name the bucket itself, as s3://bucket/prefix/.")
    found = _READER.fullmatch(read)
    if found is None:
        everyone = " With a star it would be everyone." if "*" in read else ""
        raise UsageError(
            f"{read!r} is not the ARN of one who reads.{everyone}",
            advice="It looks like arn:aws:iam::123456789012:user/ana, with role/… or root in place of user/….",
        )
    bucket = f"arn:{found['partition']}:s3:::{where.bucket}"
    pattern = literal(where.key) + ("*" if where.is_prefix else "")
    statements = [_statement(read, "s3:GetObject", f"{bucket}/{pattern}")]
    if where.is_prefix:
        listing = _statement(read, "s3:ListBucket", bucket)
        if where.key:
            listing["Condition"] = {"StringLike": {"s3:prefix": [pattern]}}
        statements.append(listing)
    return BucketPolicy({"Version": VERSION, "Statement": statements}, (ONE, VERSIONS, KEYS, ACCOUNT))


def _statement(reader: str, action: str, resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": reader}, "Action": action, "Resource": resource}
