"""`Plan`: the routes and what is expected of them. Data only: no client, no flag, nothing to parse again.

A plan is read from TOML (`Plan.parse`; `engine.load_plan` reads the file) or made for one route (`Plan.of`, for
`cartage cp`); both refuse with one `PlanError` that lists every problem. The form of the file: docs/design.md, "The
plan file", and `engine.plan.schema`.

Locations inside a plan: `s3://bucket/key` is complete; "/key" is in the plan's `bucket`; anything else ("data/raw/")
is under the plan's `prefix`, and allowed for `to` and for the keys of probes, manifest and references, but not for
`from`. A trailing slash means everything under it. In `[references]` "./x", "../x", "~/x" and "file:///x" are local,
the first two relative to the plan's folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from engine.errors import UsageError
from engine.model import Location
from engine.plan.binding import RouteBinding, binding_of, canonical, digest_of, text_of
from engine.plan.likeness import nearest
from engine.plan.locations import local_path
from engine.plan.route import Route
from engine.plan.settings import DEFAULT_HOLD_S, Cleanup, Connection, Expectation, Manifest, Probe, References


@dataclass(frozen=True, slots=True)
class Plan:
    """Routes, and everything that must hold about them. `expectations` are those of the routes, then `[[expect]]`.
    `connection` is the default site's, `sites` those of the others, by name.

    `base` is where what is relative stands: the plan's bucket and prefix, or the first route's target. `source` is
    the file's name, `folder` where it lies and `home` what "~" stands for in local paths; none of them is part of the
    plan's identity.
    `read_from` is the text that it was read from, with the digest of what that means (`written`). `asked` is what a
    plan without a file was made of, as plain values: `again` makes it once more. `flags` are what a command line said
    of the connection, for commands that are shown.
    """

    name: str
    routes: tuple[Route, ...]
    connection: Connection = field(default_factory=Connection)
    sites: tuple[tuple[str, Connection], ...] = ()
    expectations: tuple[Expectation, ...] = ()
    probes: tuple[Probe, ...] = ()
    manifest: Manifest | None = None
    references: References = field(default_factory=References)
    cleanup: Cleanup = field(default_factory=Cleanup)
    base: Location = field(default_factory=lambda: Location("", ""))
    source: str = field(default="", compare=False)
    folder: PurePath = field(default=PurePath(), compare=False)
    home: PurePath | None = field(default=None, compare=False, repr=False)
    read_from: tuple[str, str] = field(default=("", ""), compare=False, repr=False)
    asked: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    flags: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def parse(
        cls,
        text: str | bytes,
        source: str = "plan.toml",
        *,
        folder: PurePath | None = None,
        home: PurePath | None = None,
    ) -> Plan:
        """Read a plan from TOML; `source` names it. `folder` is the working folder, absolute, that a relative `source`
        is seen from, `home` what "~" stands for: without them no location can be a relative local folder.

        Raises `PlanError` with every problem."""
        from engine.plan import reading  # here, for what only holds a plan need not pay for it

        return reading.read(text, source, folder or PurePath(), home)

    @classmethod
    def of(
        cls,
        source: str | Location,
        target: str | Location,
        *,
        name: str = "",
        connection: Connection | None = None,
        overwrite: str = "never",
        exact: bool = False,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        since: str = "",
        until: str = "",
        min_size: str | int = 0,
        max_size: str | int | None = None,
        storage_class: str = "",
        tags: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        properties: Mapping[str, Any] | None = None,
        keys: str = "",
        inventory: str = "",
        hold: str | int = DEFAULT_HOLD_S,
        source_connection: Connection | None = None,
        target_connection: Connection | None = None,
        folder: PurePath | None = None,
        home: PurePath | None = None,
    ) -> Plan:
        """A plan of one route, each rule as the plan file writes it. Plan and route bear one name, made from source,
        target and rules unless `name` is given, so that the same copy finds its ledger again.

        `source_connection` and `target_connection` are for a side that is at another site than `connection`. A local
        path begins in `folder`, the working folder, or with "~" in `home`; "/x" is an absolute one.

        Raises `PlanError` with every problem."""
        given = _said(
            overwrite=str(overwrite),
            exact=exact,
            include=list(include),
            exclude=list(exclude),
            since=since,
            until=until,
            min_size=min_size,
            max_size=max_size,
            storage_class=storage_class,
            tags=dict(tags) if tags is not None else None,
            metadata=dict(metadata or {}),
            properties=dict(properties or {}),
            keys=keys,
            inventory=inventory,
        )
        cleanup = {"hold": f"{hold}s" if isinstance(hold, int) else hold}
        asked: dict[str, Any] = {"source": str(source), "target": str(target), "name": name, "rules": given}
        asked["cleanup"] = cleanup
        for side, site in (("from", source_connection), ("to", target_connection)):
            if site is not None:
                given[f"{side}_site"] = side
                asked.setdefault("sites", {})[side] = site.said
        return _one_route(asked, connection, folder, home)

    @classmethod
    def setting(
        cls,
        location: str | Location,
        *,
        name: str = "",
        connection: Connection | None = None,
        storage_class: str = "",
        tags: Mapping[str, str] | None = None,
        replace_tags: bool = False,
        metadata: Mapping[str, str] | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        since: str = "",
        until: str = "",
        min_size: str | int = 0,
        max_size: str | int | None = None,
        keys: str = "",
        folder: PurePath | None = None,
        home: PurePath | None = None,
    ) -> Plan:
        """A plan that sets what the objects at a location carry, where they are: their storage class, tags and
        metadata. Tags are laid over those of an object, or with `replace_tags` take the place of all; metadata is laid
        over. Everything else stays as it is: headers, encryption, redirect, lock, ACL. It is surveyed, carried out
        (`engine.migrate`) and verified like any other; nothing that deletes takes it.

        Raises `PlanError` with every problem."""
        given = _said(
            storage_class=storage_class,
            metadata=dict(metadata or {}),
            include=list(include),
            exclude=list(exclude),
            since=since,
            until=until,
            min_size=min_size,
            max_size=max_size,
            keys=keys,
            properties=dict.fromkeys(("encryption", "website_redirect", "lock", "acl"), "preserve"),
        )
        if tags is not None:  # none at all is said too: they may take the place of others
            given["tags"] = dict(tags)
        asked: dict[str, Any] = {
            "source": str(location),
            "target": str(location),
            "name": name,
            "rules": given,
            "cleanup": {},
            "in_place": "replacing tags" if replace_tags else "laying tags",
        }
        return _one_route(asked, connection, folder, home)

    @classmethod
    def again(cls, asked: Mapping[str, Any]) -> Plan:
        """The plan that `Plan.of` made and whose `asked` was kept. Raises `PlanError` where that was changed."""
        return _one_route(asked)

    @property
    def digest(self) -> str:
        """SHA-256 of the plan's canonical form: the same for two files that mean the same."""
        return digest_of(canonical(self))

    @property
    def written(self) -> str:
        """The text that it was read from. The canonical form, whose SHA-256 is the digest, of one that was made without
        a text, or is no longer what its text says (`dataclasses.replace`)."""
        text, digest = self.read_from
        return text if digest == self.digest else text_of(canonical(self))

    @property
    def list_is_gone(self) -> bool:
        """Whether it is a copy by a list that came through a pipe, which no other command can read."""
        return self.asked is not None and self.asked.get("list_at") == ""

    def with_list_at(self, at: str) -> Plan:
        """The plan of a copy whose list comes through a pipe, and lies at `at` as long as this command goes on."""
        (route,) = self.routes
        assert route.key_list is not None
        route = replace(route, key_list=replace(route.key_list, at=at))
        return replace(self, routes=(route,), asked={**(self.asked or {}), "list_at": ""})

    @property
    def in_place(self) -> bool:
        """Whether it sets what objects carry where they are (`setting`)."""
        return any(route.in_place for route in self.routes)

    @property
    def binding_routes(self) -> tuple[RouteBinding, ...]:
        """What a ledger of this plan is bound to."""
        return tuple(binding_of(route) for route in self.routes)

    @property
    def places(self) -> tuple[Location, ...]:
        """Every bucket that the routes touch, as a place, sources first, each once."""
        return tuple(dict.fromkeys(side.whole_bucket for side in self.sides))

    @property
    def sides(self) -> list[Location]:
        """The sources of the routes, then their targets."""
        return [route.source for route in self.routes] + [route.target for route in self.routes]

    @property
    def buckets(self) -> tuple[str, ...]:
        """The names of the `places`, each once."""
        return tuple(dict.fromkeys(place.bucket for place in self.places))

    @property
    def sites_in_use(self) -> tuple[str, ...]:
        """The sites that the routes touch, those of sources first, each once: "" is `connection`."""
        return tuple(dict.fromkeys(place.site for place in self.places))

    def connection_of(self, site: str) -> Connection:
        """How a site in S3 is spoken to. Raises `UsageError` where the plan has none of that name."""
        found = {"": self.connection, **dict(self.sites)}.get(site)
        if found is None:
            raise UsageError(f'the plan has no site "{site}"{nearest(site, dict(self.sites))}')
        return found

    def route(self, name: str) -> Route:
        """The route of that name. Raises `UsageError` where there is none."""
        for route in self.routes:
            if route.name == name:
                return route
        known = [route.name for route in self.routes]
        raise UsageError(f'the plan has no route "{name}"{nearest(name, known)}; it has {", ".join(known)}')

    @property
    def dated_by(self) -> Location:
        """Whose clock dates proofs, and says how old they are: two servers' may be half an hour apart. The first
        target's that has a server, else the first source's; this machine's where all are local folders."""
        places = [route.target for route in self.routes] + [route.source for route in self.routes]
        return next((place for place in places if not place.is_local), places[0])

    def local_path(self, text: str) -> PurePath:
        """A local path of the plan, from the folder that the plan lies in. Raises `UsageError` for one with a "~"
        where no home is known."""
        return local_path(text, self.folder, self.home)


def _one_route(
    asked: Mapping[str, Any],
    connection: Connection | None = None,
    folder: PurePath | None = None,
    home: PurePath | None = None,
) -> Plan:
    from engine.plan import reading

    return reading.read_one_route(asked, connection or Connection(), folder, home)


def _said(**rules: Any) -> dict[str, Any]:
    """Those rules of a route that say anything."""
    return {key: value for key, value in rules.items() if value not in (None, "", [], {})}
