"""`Plan`: the routes and what is expected of them. Data only: no client, no flag, nothing to parse again.

A plan is read from TOML (`Plan.load`, `Plan.parse`) or made for one route (`Plan.of`, for `cartage cp`); all three
refuse with one `PlanError` that lists every problem. The form of the file: docs/design.md, "The plan file", and
`engine.plan.schema`.

Locations inside a plan: `s3://bucket/key` is complete; "/key" is in the plan's `bucket`; anything else ("data/raw/")
is under the plan's `prefix`, and allowed for `to` and for the keys of probes, manifest and references, but not for
`from`. A trailing slash means everything under it. In `[references]` "./x", "../x", "~/x" and "file:///x" are local,
the first two relative to the plan's folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import UsageError
from engine.model import Location, Proof
from engine.plan.route import Route

DEFAULT_HOLD_S = 86_400
"""24 hours between an object's proof and its delete, unless the plan says otherwise."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the buckets are, as far as the plan says; empty text leaves it to flags and the AWS environment.

    `request_payer` is "requester" or empty, `addressing_style` "auto", "path" or "virtual", `expected_bucket_owner`
    an account id that every bucket of the plan must belong to."""

    region: str = ""
    endpoint_url: str = ""
    profile: str = ""
    request_payer: str = ""
    addressing_style: str = "auto"
    ca_bundle: str = ""
    expected_bucket_owner: str = ""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the owner says that some routes hold. `name` is a route's name, or that of an `[[expect]]` ("total").

    `objects` must be found exactly, `size_bytes` within `tolerance_bytes`; None is not looked at."""

    name: str
    routes: tuple[str, ...]
    objects: int | None = None
    size_bytes: int | None = None
    tolerance_bytes: int = 0
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class NpyProbe:
    """The object is a NumPy array whose header says this shape and type (None: any), and as long as it says."""

    name: str
    at: Location
    shape: tuple[int, ...] | None = None
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class JsonProbe:
    """The object parses as JSON and, where `items` is given, is a list or table of that many."""

    name: str
    at: Location
    items: int | None = None


@dataclass(frozen=True, slots=True)
class ExistsProbe:
    """The object exists; for a prefix, something is under it."""

    name: str
    at: Location


@dataclass(frozen=True, slots=True)
class MinObjectsProbe:
    """At least `objects` objects are under a prefix."""

    name: str
    under: Location
    objects: int


@dataclass(frozen=True, slots=True)
class CommandProbe:
    """The user's own program ends with 0. Started without a shell, in the plan's folder, with the location it is
    about in its environment."""

    name: str
    command: str
    args: tuple[str, ...] = ()
    at: Location | None = None
    timeout_s: int = 600


Probe = NpyProbe | JsonProbe | ExistsProbe | MinObjectsProbe | CommandProbe


@dataclass(frozen=True, slots=True)
class Dataset:
    """One place in the manifest that is filled from a route: path, size, number of files, description.

    `at` is a dotted path; `size_in` "GB", "MB", or empty: as the file has it already, else by the size."""

    at: str
    route: str
    description: str | None = None
    size_in: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A JSON object that is brought up to date. `set` holds (dotted path, value)."""

    object: Location
    set: tuple[tuple[str, Any], ...] = ()
    datasets: tuple[Dataset, ...] = ()


@dataclass(frozen=True, slots=True)
class References:
    """Where old locations are looked for: in S3 and in local folders or files (as the plan writes them)."""

    locations: tuple[Location, ...] = ()
    folders: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What must hold before a source is deleted. `unconditional` allows servers that cannot delete by ETag."""

    hold_s: int = DEFAULT_HOLD_S
    proof: Proof = Proof.DIGEST
    unconditional: bool = False


class RouteBinding(NamedTuple):
    """What a ledger is bound to, one a route. `digest` is of the rules that decide what is copied and how it is
    written; who may be overwritten and what is expected can change under a ledger, and is not in it."""

    name: str
    source: str
    target: str
    digest: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Routes, and everything that must hold about them. `expectations` are those of the routes, then `[[expect]]`.

    `base` is where what is relative stands: the plan's bucket and prefix, or the first route's target. `source` is
    the file's name and `folder` where it lies, for messages and local paths; neither is part of the plan's identity.
    `asked` is what a plan without a file was made of, as plain values: `again` makes it once more. `flags` are what a
    command line said of the connection, for commands that are shown.
    """

    name: str
    routes: tuple[Route, ...]
    connection: Connection = field(default_factory=Connection)
    expectations: tuple[Expectation, ...] = ()
    probes: tuple[Probe, ...] = ()
    manifest: Manifest | None = None
    references: References = field(default_factory=References)
    cleanup: Cleanup = field(default_factory=Cleanup)
    base: Location = field(default_factory=lambda: Location("", ""))
    source: str = field(default="", compare=False)
    folder: Path = field(default=Path(), compare=False)
    asked: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    flags: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Read a plan file. Raises `UsageError` where there is none to read, `PlanError` where it is refused."""
        path = Path(path)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise UsageError(f"there is no plan at {path}", advice="cartage init writes one to start from.") from None
        except OSError as error:
            raise UsageError(f"the plan {path} cannot be read: {error.strerror or error}") from error
        from engine.plan.reading import read_bytes

        return read_bytes(data, source=str(path))

    @classmethod
    def parse(cls, text: str, source: str = "plan.toml") -> Plan:
        """Read a plan from TOML text; `source` names it, and its folder is where local paths begin.

        Raises `PlanError` with every problem."""
        from engine.plan.reading import read_text

        return read_text(text, source=source)

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
    ) -> Plan:
        """A plan of one route, each rule as the plan file writes it. Plan and route bear one name, made from source,
        target and rules unless `name` is given, so that the same copy finds its ledger again.

        Raises `PlanError` with every problem."""
        from engine.plan.reading import read_one_route

        rules: dict[str, Any] = {
            "overwrite": str(overwrite),
            "exact": exact,
            "include": list(include),
            "exclude": list(exclude),
            "since": since,
            "until": until,
            "min_size": min_size,
            "max_size": max_size,
            "storage_class": storage_class,
            "tags": dict(tags) if tags is not None else None,
            "metadata": dict(metadata or {}),
            "properties": dict(properties or {}),
            "keys": keys,
            "inventory": inventory,
        }
        given = {key: value for key, value in rules.items() if value not in (None, "", [], {})}
        cleanup = {"hold": f"{hold}s" if isinstance(hold, int) else hold}
        plan = read_one_route(str(source), str(target), name, given, cleanup, connection or Connection())
        asked = {"source": str(source), "target": str(target), "name": name, "rules": given, "cleanup": cleanup}
        return replace(plan, asked=asked)

    @classmethod
    def again(cls, asked: Mapping[str, Any]) -> Plan:
        """The plan that `Plan.of` made and whose `asked` was kept. Raises `PlanError` where that was changed."""
        from engine.plan.reading import read_one_route

        plan = read_one_route(
            asked["source"], asked["target"], asked["name"], asked["rules"], asked["cleanup"], Connection()
        )
        return replace(plan, asked=asked)

    @property
    def digest(self) -> str:
        """SHA-256 of the plan's canonical form: the same for two files that mean the same."""
        return _sha256(canonical(self))

    @property
    def binding_routes(self) -> tuple[RouteBinding, ...]:
        """What a ledger of this plan is bound to."""
        return tuple(binding_of(route) for route in self.routes)

    @property
    def buckets(self) -> tuple[str, ...]:
        """Every bucket that the routes touch, sources first, each once."""
        names = [route.source.bucket for route in self.routes] + [route.target.bucket for route in self.routes]
        return tuple(dict.fromkeys(names))

    def route(self, name: str) -> Route:
        """The route of that name. Raises `UsageError` where there is none."""
        for route in self.routes:
            if route.name == name:
                return route
        known = ", ".join(route.name for route in self.routes)
        raise UsageError(f'the plan has no route "{name}"; it has {known}')

    def local_path(self, text: str) -> Path:
        """A local path of the plan, from the folder that the plan lies in."""
        return self.folder / Path(text.removeprefix("file://")).expanduser()


_FREE_TO_CHANGE = frozenset({"name", "source", "target", "overwrite", "exact", "allow_empty"})


def binding_of(route: Route) -> RouteBinding:
    """What a ledger keeps of a route to know it again."""
    rules = {key: value for key, value in canonical(route).items() if key not in _FREE_TO_CHANGE}
    return RouteBinding(route.name, str(route.source), str(route.target), _sha256(rules))


def canonical(value: Any) -> Any:
    """A value as plain JSON values. What equals its default is left out, so that a later version with more settings
    still gives an old plan the digest that its ledger was bound to."""
    if isinstance(value, Location):
        return str(value)
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        kept = {
            item.name: getattr(value, item.name)
            for item in fields(value)
            if item.init and item.compare and getattr(value, item.name) != _default_of(item)
        }
        return {"": type(value).__name__} | {key: canonical(item) for key, item in kept.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    return value


def _default_of(item: Any) -> Any:
    return item.default_factory() if item.default_factory is not MISSING else item.default


def _sha256(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
