"""Access control lists: S3's grants as the engine's `Acl`, and as the headers that write one. Pure.

Grants that are exactly those of a canned ACL are kept under its name, which every server can be told; others by the
grantee's id or group, as the x-amz-grant-* headers take them (API reference, PutObjectAcl).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from engine.model import Acl, Grant

_GROUPS = "http://acs.amazonaws.com/groups/global/"
ALL_USERS, AUTHENTICATED = f'uri="{_GROUPS}AllUsers"', f'uri="{_GROUPS}AuthenticatedUsers"'
CANNED: dict[frozenset[Grant], str] = {
    frozenset(): "private",
    frozenset({Grant("READ", ALL_USERS)}): "public-read",
    frozenset({Grant("READ", ALL_USERS), Grant("WRITE", ALL_USERS)}): "public-read-write",
    frozenset({Grant("READ", AUTHENTICATED)}): "authenticated-read",
}
HEADERS = {
    "FULL_CONTROL": "x-amz-grant-full-control",
    "READ": "x-amz-grant-read",
    "READ_ACP": "x-amz-grant-read-acp",
    "WRITE_ACP": "x-amz-grant-write-acp",
}
"""Permissions that an object's ACL can give, and how each is written."""


def acl_of(owner_id: str, grants: Iterable[tuple[str, str, str]]) -> Acl:
    """An `Acl` of (permission, id, group's URI) as GetObjectAcl answers them."""
    found = frozenset(
        Grant(permission, f'uri="{uri}"' if uri else f'id="{grantee}"') for permission, grantee, uri in grants
    )
    canned = CANNED.get(found - {Grant("FULL_CONTROL", f'id="{owner_id}"')})
    return Acl(canned=canned) if canned else Acl(grants=tuple(sorted(found)))


def acl_headers(acl: Acl | None) -> dict[str, str]:
    """The headers that give a new object this ACL; none for what every new object has."""
    if acl is None or acl.is_private:
        return {}
    if acl.canned:
        return {"x-amz-acl": acl.canned}
    by_header: dict[str, list[str]] = defaultdict(list)
    for grant in acl.grants:
        if grant.permission in HEADERS:
            by_header[HEADERS[grant.permission]].append(grant.grantee)
    return {name: ", ".join(grantees) for name, grantees in by_header.items()}
