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

    `credentials` is "none" (nothing is signed) or empty, `request_payer` "requester" or empty, `addressing_style`
    "auto", "path" or "virtual", `expected_bucket_owner` an account id that every bucket of the plan must belong to."""

    region: str = ""
    endpoint_url: str = ""
    profile: str = ""
    credentials: str = ""
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
class _Probe:
    """What every probe has. `agrees` is the name by which several have to count the same rows, and dimensions where
    they do; those that count none agree with nobody."""

    name: str
    agrees: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class _ProbeAt(_Probe):
    at: Location


@dataclass(frozen=True, slots=True)
class NpyProbe(_ProbeAt):
    """The object is a NumPy array whose header says this shape and type (None: any), and as long as it says."""

    shape: tuple[int, ...] | None = None
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class JsonProbe(_ProbeAt):
    """The object parses as JSON and, where `items` is given, is a list or table of that many."""

    items: int | None = None


METRICS = ("ip", "cos", "l2sq", "pearson", "haversine", "divergence", "hamming", "tanimoto", "sorensen", "jaccard")
"""How USearch compares vectors."""
VECTOR_TYPES = {
    "b1": "b1", "bf16": "bf16", "bfloat16": "bf16", "f64": "f64", "float64": "f64", "f32": "f32", "float32": "f32",
    "f16": "f16", "float16": "f16", "f8": "f8", "e5m2": "e5m2", "e4m3": "e4m3", "e3m2": "e3m2", "e2m3": "e2m3",
    "i8": "i8", "int8": "i8", "u8": "u8", "uint8": "u8",
}  # fmt: skip
"""What USearch's vectors are made of, by the names that a plan may write, and as USearch calls it."""


@dataclass(frozen=True, slots=True)
class UsearchProbe(_ProbeAt):
    """The object is a USearch index of so many vectors, dimensions, that metric and type, as long as its header says.
    `search`: it is also opened, and finds its own vectors; None: where USearch is installed."""

    rows: int | None = None
    dims: int | None = None
    metric: str = ""
    dtype: str = ""
    search: bool | None = None


@dataclass(frozen=True, slots=True)
class ParquetProbe(_ProbeAt):
    """The object is a Parquet file of so many rows and columns, which `header` names."""

    rows: int | None = None
    columns: int | None = None
    header: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class CsvProbe(_ProbeAt):
    """The object is CSV of so many rows and columns; its first row is `header`, or the first of the data
    (`headless`)."""

    rows: int | None = None
    columns: int | None = None
    header: tuple[str, ...] | None = None
    headless: bool = False
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class ImageProbe(_ProbeAt):
    """The object is an image that decodes, of so many `pixels` (width, height); for a prefix, each of a `sample` drawn
    by `seed` is, and `rows` is how many images there are in all."""

    pixels: tuple[int, int] | None = None
    rows: int | None = None
    sample: int = 200
    seed: int = 1


@dataclass(frozen=True, slots=True)
class ManifestProbe(_ProbeAt):
    """What the project's manifest tells of places is so; `base` is what its relative paths are under."""

    base: Location


@dataclass(frozen=True, slots=True)
class ExistsProbe(_ProbeAt):
    """The object exists; for a prefix, something is under it."""


@dataclass(frozen=True, slots=True)
class MinObjectsProbe(_Probe):
    """At least `objects` objects are under a prefix."""

    under: Location
    objects: int


@dataclass(frozen=True, slots=True)
class CommandProbe(_Probe):
    """The user's own program ends with 0. Started without a shell, in the plan's folder, with the location it is
    about in its environment."""

    command: str
    args: tuple[str, ...] = ()
    at: Location | None = None
    timeout_s: float = 600


Probe = (
    NpyProbe
    | JsonProbe
    | UsearchProbe
    | ParquetProbe
    | CsvProbe
    | ImageProbe
    | ManifestProbe
    | ExistsProbe
    | MinObjectsProbe
    | CommandProbe
)


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
    """A JSON, YAML or TOML file that is brought up to date (in S3 or a local one), and Markdown texts with a table of
    the data sets in them. `set` holds (dotted path, value)."""

    object: Location | None = None
    set: tuple[tuple[str, Any], ...] = ()
    datasets: tuple[Dataset, ...] = ()
    tables: tuple[Location, ...] = ()

    @property
    def places(self) -> tuple[Location, ...]:
        """Every file of it."""
        return (self.object, *self.tables) if self.object is not None else self.tables


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
