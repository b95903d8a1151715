"""One `[[routes]]` table to a `Route` and what is expected of it, or to every reason why not. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from engine.errors import UsageError
from engine.model import FILE_SITE, Encryption, Location, ObjectLock, Overwrite
from engine.plan import schema
from engine.plan.likeness import nearest
from engine.plan.lines import Path
from engine.plan.locations import MAX_KEY_BYTES, Around, key_bytes, resolve_location
from engine.plan.own import is_own
from engine.plan.prices import STORAGE_CLASSES
from engine.plan.route import KeyList, Pairs, PropertyRule, PropertyRules, Route
from engine.plan.selection import Selection
from engine.plan.settings import Expectation
from engine.plan.sizes import DEFAULT_TOLERANCE, parse_tolerance
from engine.plan.tables import Problems, Shape

MAX_TAGS = 10
MAX_METADATA_BYTES = 2048
"""S3's limits on one object (S3 User Guide, "Object tagging" and "Working with object metadata")."""

_CLASS = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*\Z")


class Surroundings:
    """What the tables of one plan share while it is being read: what short forms of locations stand for, the names of
    its sites, which of them routes are at, those of the targets once they are known, and the problems. `in_place` says
    how tags are set where routes set what objects carry where they are; no text of a plan can say that."""

    def __init__(self, problems: Problems, short: Around, sites: Collection[str], in_place: str) -> None:
        self.problems = problems
        self.short = short
        self.sites = sites
        self.in_place = in_place
        self.used: set[str] = set()
        self.target_sites: set[str] = set()

    @property
    def table_site(self) -> str | None:
        """The site of what tables beside the routes name in S3: the targets' one; None where there are several."""
        found = self.target_sites - {FILE_SITE}
        return next(iter(found), "") if len(found) <= 1 else None

    def location(
        self, text: str, path: Path, *, relative: bool = True, site: str | None = "", said_at: Path = ()
    ) -> Location | None:
        """`text` as a location, in S3 at `site` (None: nothing tells which); None, with the reason reported at `path`
        or at `said_at`, where a site was said, where it is none."""
        try:
            location = resolve_location(text, self.short if relative else self.short._replace(prefix=None), site or "")
        except UsageError as error:
            self.problems.add(path, error.message)
            return None
        if said_at and (location.is_local or site == FILE_SITE):
            written = 'it is written "./…", "~/…" or "file:///…", without one'
            self.problems.add(said_at, f"a local folder has no site: {written}")
        elif said_at and site and site not in self.sites:
            known = nearest(site, self.sites) or f": write [sites.{site}]"
            self.problems.add(said_at, f'there is no site "{site}"{known}')
        elif site is None and not location.is_local:
            self.problems.add(path, 'the routes write to several sites: say with site = "NAME" which one is meant')
        else:
            return location
        return None

    def end(self, text: str, path: Path, site: object, *, relative: bool = True) -> Location | None:
        """One end of a route, at the site that it says, if it does."""
        if not isinstance(site, str):
            return self.location(text, path, relative=relative)
        self.used.add(site)
        return self.location(text, path, relative=relative, site=site, said_at=(*path[:-1], f"{path[-1]}_site"))

    def beside(self, text: str, path: Path, table: Path, site: str | None) -> Location | None:
        """What `table`, one beside the routes, names at `path`: at the site that it says, else at the targets'."""
        if site is None:
            return self.location(text, path, site=self.table_site)
        return self.location(text, path, site=site, said_at=(*table, "site"))


def read_expect(
    table: schema.ExpectTable,
    data: Mapping[str, Any],
    name: str,
    routes: tuple[str, ...],
    path: Path,
    problems: Problems,
) -> Expectation | None:
    """What is expected of `routes` together. `data` is the table as written: what of it was refused is known there."""
    tolerance = 0
    try:
        tolerance = parse_tolerance(DEFAULT_TOLERANCE if table.tolerance is None else table.tolerance, table.size or 0)
    except ValueError as error:
        problems.add((*path, "tolerance"), str(error))
    else:
        if table.tolerance is not None and "objects" in data and "size" not in data:
            problems.add((*path, "tolerance"), "goes with a size; objects are counted exactly")
    if table.objects is None and table.size is None:
        if "objects" not in data and "size" not in data:
            problems.add(path, "nothing is expected: give objects, size or both")
        return None
    return Expectation(name, routes, table.objects, table.size, tolerance, problems.line_of(path))


def read_route(around: Surroundings, data: dict[str, Any], path: Path) -> tuple[Route | None, Expectation | None]:
    """The route of one table; None where its name or one of its ends cannot be read."""
    problems = around.problems
    table = problems.read(schema.RouteTable, data, path)
    if table is None:
        _check_what_there_is(around, data, path)
        return None, None
    source = around.end(table.from_, (*path, "from"), table.from_site, relative=False)
    target = around.end(table.to, (*path, "to"), table.to_site)
    if source is not None and target is not None:
        _check_ends(table, source, target, problems, path)
    if around.in_place:
        _check_what_is_set(table, source, problems, path)
    _check_filters(table, source, problems, path)
    tags = _tags(table, problems, path)
    metadata = _metadata(table, problems, path)
    _check_storage_class(table.storage_class, problems, (*path, "storage_class"))
    key_list = _key_list(around, table, path, source)
    carried = _Carried(problems, table, (*path, "properties"))
    expectation = _expectation(table.expect, table.name, path, problems)
    if source is None or target is None:
        return None, expectation
    route = Route(
        name=table.name,
        source=source,
        target=target,
        overwrite=Overwrite(table.overwrite),
        exact=table.exact,
        selection=Selection(
            tuple(table.include), tuple(table.exclude), table.since, table.until, table.min_size, table.max_size
        ),
        key_list=key_list,
        storage_class=table.storage_class,
        set_tags=tags,
        set_metadata=metadata,
        set_headers=carried.headers,
        set_encryption=carried.encryption,
        set_lock=carried.lock,
        set_redirect=carried.redirect,
        set_acl=carried.acl,
        properties=carried.rules,
        allow_empty=table.allow_empty,
        in_place=bool(around.in_place),
        lays_tags=around.in_place == "laying tags" and tags is not None,
        line=problems.line_of(path),
    )
    return route, expectation


def _expectation(data: Mapping[str, Any] | None, name: str, path: Path, problems: Problems) -> Expectation | None:
    """What a route's table expects of it."""
    path = (*path, "expect")
    table = problems.read(schema.ExpectTable, data, path) if data is not None else None
    if data is None or table is None:
        return None
    return read_expect(table, data, name, (name,), path, problems)


def _check_what_there_is(around: Surroundings, data: dict[str, Any], path: Path) -> None:
    """A route that lacks something: its ends are judged all the same, where they are there, and what is expected."""
    for key in ("from", "to"):
        if isinstance(data.get(key), str):
            around.end(data[key], (*path, key), data.get(f"{key}_site"), relative=key == "to")
    if isinstance(data.get("expect"), dict):
        _expectation(data["expect"], "", path, around.problems)


def _check_ends(table: schema.RouteTable, source: Location, target: Location, problems: Problems, path: Path) -> None:
    for name, end in (("from", source), ("to", target)):
        if is_own(end.key):
            problems.add((*path, name), f'"{end.key}" is a name of Cartage\'s own, which no route takes along')
    sides = f'"{table.to}" is {_reach(target)}, and "{table.from_}" is {_reach(source)}'
    if source.is_prefix and not target.is_prefix:
        problems.add((*path, "to"), f'{sides}: write "{table.to}/"')
    elif target.is_prefix and not source.is_prefix:
        whole = f"{table.to}{'' if table.to.endswith('/') or not table.to else '/'}{source.key.rpartition('/')[2]}"
        problems.add((*path, "to"), f'{sides}: write "{whole}", or "{table.from_}/" as the source')
    elif target.is_prefix and key_bytes(target.key) >= MAX_KEY_BYTES:
        problems.add(
            (*path, "to"), f"the prefix alone has {key_bytes(target.key):,} bytes and leaves no room for a key"
        )


def _check_what_is_set(table: schema.RouteTable, source: Location | None, problems: Problems, path: Path) -> None:
    if not (table.storage_class or table.metadata or table.tags is not None):
        problems.add(path, "nothing is to be set: say a storage class, tags or metadata")
    if source is not None and source.is_local:
        problems.add((*path, "from"), "a file has no storage class, no tags and no metadata: name a place in S3")


def _reach(end: Location) -> str:
    """How much a location is, in words that follow it."""
    if end.is_local:
        return "everything in that folder" if end.is_prefix else "one file"
    return "everything under that prefix" if end.is_prefix else "one exact key"


def _check_filters(table: schema.RouteTable, source: Location | None, problems: Problems, path: Path) -> None:
    if table.since and table.until and table.since >= table.until:
        problems.add((*path, "until"), f"{table.until} is not after since, {table.since}")
    if table.max_size is not None and table.max_size < table.min_size:
        problems.add((*path, "max_size"), "is below min_size, so that nothing would be copied")
    if source is not None and not source.is_prefix:
        for key in ("include", "exclude", "keys", "inventory"):
            if getattr(table, key):
                problems.add((*path, key), "is for a prefix, and this route is of one exact key")


def _tags(table: schema.RouteTable, problems: Problems, path: Path) -> Pairs | None:
    if table.tags is None:
        return None
    at = (*path, "tags")
    if len(table.tags) > MAX_TAGS:
        problems.add(at, f"{len(table.tags)} tags, and S3 allows {MAX_TAGS} on an object")
    for key, value in table.tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256:
            problems.add((*at, key), "a tag has a key of 1 to 128 characters and a value of at most 256")
        if key.lower().startswith("aws:"):
            problems.add((*at, key), 'keys that begin with "aws:" belong to AWS')
    return tuple(sorted(table.tags.items()))


def _metadata(table: schema.RouteTable, problems: Problems, path: Path) -> Pairs:
    at = (*path, "metadata")
    pairs: dict[str, str] = {}
    for key, value in table.metadata.items():
        name = key.lower().removeprefix("x-amz-meta-")  # S3 keeps names in lower case
        if not _HEADER_NAME.match(name) or not _HEADER_VALUE.match(value) or value != value.strip():
            problems.add((*at, key), "cannot be sent in a header: use printable ASCII")
        elif name in pairs:
            problems.add((*at, key), "is there twice; S3 does not tell capitals from small letters here")
        pairs[name] = value
    if sum(len(name) + len(value) for name, value in pairs.items()) > MAX_METADATA_BYTES:
        problems.add(at, f"is over S3's {MAX_METADATA_BYTES:,} bytes")
    return tuple(sorted(pairs.items()))


def _check_storage_class(name: str, problems: Problems, path: Path) -> None:
    if not name or name in STORAGE_CLASSES:
        return
    close = difflib.get_close_matches(name.upper().replace("-", "_"), STORAGE_CLASSES, n=1, cutoff=0.8)
    if close:
        problems.add(path, f'"{name}" is not a storage class; did you mean "{close[0]}"?')
    elif not _CLASS.match(name):
        problems.add(path, f'"{name}" is not a storage class: S3 has {", ".join(STORAGE_CLASSES)}')


def _key_list(around: Surroundings, table: schema.RouteTable, path: Path, source: Location | None) -> KeyList | None:
    """The route's list of keys; one in S3 is where the objects are that it names."""
    if table.keys is not None and table.inventory is not None:
        around.problems.add((*path, "inventory"), "a route has one list: keys or inventory, not both")
    kind, text = ("keys", table.keys) if table.keys is not None else ("inventory", table.inventory)
    if text is None:
        return None
    if not text.startswith("s3://"):
        if "\0" in text:
            around.problems.add((*path, kind), "has a NUL in it, which no name of a file can have")
        return KeyList(kind, path=text)
    location = around.location(text, (*path, kind), site="" if source is None or source.is_local else source.site)
    if location is not None and location.is_prefix:
        around.problems.add((*path, kind), f'"{text}" is a prefix: name the one object that holds the list')
    return KeyList(kind, location)


class _Carried:
    """The properties contract of one route: what happens to each, and the values that go with `set`."""

    def __init__(self, problems: Problems, table: schema.RouteTable, path: Path) -> None:
        self._problems = problems
        self._path = path
        self.headers: Pairs = ()
        self.encryption: Encryption | None = None
        self.lock: ObjectLock | None = None
        self.redirect = ""
        self.acl = ""
        asked = problems.read(schema.PropertiesTable, table.properties, path)
        assert asked is not None
        self._read_tables(asked)
        said = {name: value for name, value in msgspec.structs.asdict(asked).items() if value is not None}
        rules = {name: PropertyRule.SET if isinstance(how, dict) else PropertyRule(how) for name, how in said.items()}
        rules["metadata"] = self._with_values("metadata", asked.metadata, bool(table.metadata), drop_adds=True)
        rules["tags"] = self._with_values("tags", asked.tags, table.tags is not None)
        rules["storage_class"] = self._with_values("storage_class", asked.storage_class, bool(table.storage_class))
        self.rules = PropertyRules(**rules)

    def _read_tables(self, asked: schema.PropertiesTable) -> None:
        headers = self._table(schema.HeadersTable, asked.content_headers, "content_headers")
        if headers is not None:
            self.headers = tuple((name, value) for name, value in msgspec.structs.asdict(headers).items() if value)
            for name, value in self.headers:
                if not _HEADER_VALUE.match(value):
                    self._problems.add((*self._path, "content_headers", name), "use printable ASCII in a header")
        encryption = self._table(schema.EncryptionTable, asked.encryption, "encryption")
        if encryption is not None:
            self.encryption = Encryption(encryption.algorithm, encryption.kms_key_id, encryption.bucket_key)
            if encryption.algorithm == "AES256" and (encryption.kms_key_id or encryption.bucket_key):
                self._problems.add((*self._path, "encryption"), "AES256 has no KMS key and no bucket key")
        lock = self._table(schema.LockTable, asked.lock, "lock")
        if lock is not None:
            self.lock = ObjectLock(lock.mode, f"{lock.retain_until}Z" if lock.retain_until else "", lock.legal_hold)
            if bool(lock.mode) != bool(lock.retain_until):
                self._problems.add((*self._path, "lock"), "mode and retain_until go together")
        redirect = self._table(schema.RedirectTable, asked.website_redirect, "website_redirect")
        if redirect is not None:
            self.redirect = redirect.location
        acl = self._table(schema.AclTable, asked.acl, "acl")
        if acl is not None:
            self.acl = acl.canned

    def _table(self, shape: type[Shape], value: Any, name: str) -> Shape | None:
        if value == PropertyRule.SET:
            self._problems.add((*self._path, name), '"set" needs values: write a table of them in its place')
        return self._problems.read(shape, value, (*self._path, name)) if isinstance(value, dict) else None

    def _with_values(self, name: str, asked: str | None, given: bool, *, drop_adds: bool = False) -> PropertyRule:
        """A property whose values stand beside the table, on the route itself.

        `drop_adds`: "drop" clears what the source has, and the route's own values are laid on top."""
        keep = PropertyRule(asked) if asked is not None else PropertyRule.SET if given else PropertyRule.PRESERVE
        if keep is PropertyRule.SET and not given:
            self._problems.add((*self._path, name), f'"set" needs a value: give the route {name} = …')
        elif given and keep is not PropertyRule.SET and not (drop_adds and keep is PropertyRule.DROP):
            self._problems.add((*self._path, name), f'"{keep}" contradicts the {name} that the route sets')
        return keep
