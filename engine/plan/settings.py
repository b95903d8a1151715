"""What a plan says beside its routes: connections, expectations, probes, manifest, references, cleanup. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from engine.model import Location, Proof

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

    @property
    def said(self) -> dict[str, str]:
        """The settings that are not left open, by name."""
        return {item.name: value for item in fields(self) if (value := getattr(self, item.name)) != item.default}


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
    timeout_s: float = 600


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
