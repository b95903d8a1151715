"""What a ledger is bound to, so that it is never used for another place. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from engine.model import FILE_SITE
from engine.plan.binding import RouteBinding, is_same_owner, known_owner

Owners = tuple[tuple[str, str], ...]
"""Buckets with their owners' ids, empty where it cannot be known; of local folders, which folder it is."""


Links = Literal["", "skip", "follow", "keep"]
_LINKS = {"skip": "set aside", "follow": "followed", "keep": "kept as links"}


class SiteBinding(NamedTuple):
    """A site beside the plan's own connection; `endpoint` is empty for local folders."""

    name: str
    endpoint: str
    buckets: Owners


@dataclass(frozen=True, slots=True)
class Binding:
    """Endpoint and buckets of the plan's own connection, the other sites, and routes; `lists` are the digests of what
    the routes' lists of keys said, by route; `links` is what becomes of symbolic links in local folders, and
    `machine` has those, where the ledger is kept in S3 and other machines come to it. Hold, probes and expectations are
    not part of it and may change.

    A ledger that was made before lists or links were bound has none; nor has what a command wants that reads no list,
    or goes into no folder."""

    plan_name: str
    endpoint: str
    routes: tuple[RouteBinding, ...]
    buckets: Owners = ()
    lists: tuple[tuple[str, str], ...] = ()
    sites: tuple[SiteBinding, ...] = ()
    links: Links = ""
    machine: str = ""

    @property
    def all_sites(self) -> dict[str, SiteBinding]:
        """By name; the plan's own connection has none."""
        return {site.name: site for site in (SiteBinding("", self.endpoint, self.buckets), *self.sites)}

    @property
    def text(self) -> str:
        """As the ledger's meta table keeps it."""
        return json.dumps(
            {
                "plan": self.plan_name,
                "endpoint": self.endpoint,
                "routes": [list(item) for item in self.routes],
                "buckets": [list(item) for item in self.buckets],
                **({"lists": dict(self.lists)} if self.lists else {}),
                **({"sites": [list(item) for item in self.sites]} if self.sites else {}),
                **({"links": self.links} if self.links else {}),
                **({"machine": self.machine} if self.machine else {}),
            }
        )

    @classmethod
    def from_text(cls, text: str) -> Binding:
        """Raises `ValueError` for anything that `text` never gave."""
        try:
            values = json.loads(text)
            return cls(
                values["plan"],
                values["endpoint"],
                tuple(RouteBinding(*item) for item in values["routes"]),
                _owners(values["buckets"]),
                tuple((name, digest) for name, digest in values.get("lists", {}).items()),
                tuple(SiteBinding(name, at, _owners(buckets)) for name, at, buckets in values.get("sites", [])),
                values.get("links", ""),
                values.get("machine", ""),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a binding: {error}") from error


def _owners(items: Iterable[Sequence[str]]) -> Owners:
    return tuple((name, owner) for name, owner in items)


def learned(bound: Binding, wanted: Binding) -> Binding:
    """What is bound, with what has become known since: owners, and what becomes of links."""
    seen = wanted.all_sites

    def filled(site: SiteBinding) -> SiteBinding:
        owners = dict(seen[site.name].buckets) if site.name in seen else {}
        return site._replace(
            buckets=tuple((name, known_owner(owner, owners.get(name, ""))) for name, owner in site.buckets)
        )

    own, *others = (filled(site) for site in bound.all_sites.values())
    return replace(
        bound,
        buckets=own.buckets,
        sites=tuple(others),
        links=wanted.links if _may_change(bound, wanted) else bound.links,
        machine=bound.machine or wanted.machine,
    )


def _may_change(bound: Binding, wanted: Binding) -> bool:
    """Of a folder's links that were set aside nothing is known that another way with them could make wrong. Of S3's
    objects those that are links by their metadata were written as text, and nothing tells which."""
    if wanted.links == "" or bound.links not in ("", "skip"):
        return False
    return wanted.links != "keep" or not any(_is_download(route) for route in bound.routes)


def _is_download(route: RouteBinding) -> bool:
    return route.target.startswith("/") and not route.source.startswith("/")


def differences(bound: Binding, wanted: Binding) -> list[str]:
    """Every way in which what is wanted is not what the ledger is bound to, a sentence each. Of lists it says nothing:
    whether another one will do, only its keys can tell."""
    lines = []
    if bound.plan_name != wanted.plan_name:
        lines.append(f"it belongs to the plan {bound.plan_name!r}, not {wanted.plan_name!r}")
    if bound.links != wanted.links and wanted.links and not _may_change(bound, wanted):
        lines.append(_of_links(bound.links, wanted.links))
    if bound.machine and wanted.machine not in ("", bound.machine):
        lines.append(f"its folders are those of the machine {bound.machine}, and this is {wanted.machine}")
    had, has = bound.all_sites, wanted.all_sites
    lines += _only_in_one("site", had, has)
    for name in had.keys() & has.keys():
        lines += _of_site(had[name], has[name])
    known = {item.name: item for item in bound.routes}
    asked = {item.name: item for item in wanted.routes}
    lines += _only_in_one("route", known, asked)
    for name in known.keys() & asked.keys():
        old, new = known[name], asked[name]
        for what in ("source", "target"):
            if getattr(old, what) != getattr(new, what):
                lines.append(f'the {what} of "{name}" was {getattr(old, what)}, and is {getattr(new, what)} now')
        if old.digest != new.digest:
            lines.append(f'what route "{name}" takes, or gives its copies, has changed')
    return sorted(lines)


def _of_links(bound: Links, wanted: Links) -> str:
    if bound in ("", "skip"):
        return (
            "objects that are symbolic links by their metadata were written into its folders as files of the link's "
            f"text, and are to be links now (--links {wanted})"
        )
    was, now = _LINKS[bound], _LINKS[wanted]
    return f"symbolic links in its folders were {was} (--links {bound}), and are to be {now} now"


def _only_in_one(what: str, bound: Collection[str], wanted: Collection[str]) -> list[str]:
    gone = [f'the {what} "{name}" is in the ledger and not in the plan' for name in bound if name not in wanted]
    return gone + [f'the {what} "{name}" is in the plan and not in the ledger' for name in wanted if name not in bound]


def _of_site(bound: SiteBinding, wanted: SiteBinding) -> list[str]:
    lines = []
    if bound.endpoint != wanted.endpoint:
        was = f'the site "{bound.name}" was at' if bound.name else "it was made on"
        lines.append(f"{was} {bound.endpoint}, and this is {wanted.endpoint}")
    owners = dict(wanted.buckets)
    for bucket, owner in bound.buckets:
        now = owners.get(bucket)
        if not owner or not now or is_same_owner(owner, now):
            continue
        if bound.name == FILE_SITE:
            lines.append(f"the folder {bucket} was {owner}, and is another one now, {now}")
        else:
            of_site = f' of the site "{bound.name}"' if bound.name else ""
            lines.append(f"the bucket {bucket}{of_site} belonged to {owner}, and belongs to {now} now")
    return lines
