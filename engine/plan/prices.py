"""What AWS bills for objects, by their storage class. Pure.

AWS's list prices (aws.amazon.com/s3/pricing), of the first 50 TB a month and without taxes, discounts or the free
tier; of `REGION`, as they stood in `AS_OF`. What is not in `CLASSES` has no price here, which is not the price of
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from engine.model import GIB

REGION = "us-east-1"
AS_OF = "2025"
SAID = f"AWS's list prices of {REGION} ({AS_OF})"
"""What every figure in dollars has to say of itself."""

STORAGE_CLASSES = (
    "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER",
    "DEEP_ARCHIVE",
)  # fmt: skip
"""What CopyObject takes on a general-purpose bucket, in the order in which rules move objects. Other servers have
classes of their own."""
KIB = 1 << 10
DAYS_A_MONTH = 30

TAG_MONTH = 0.0065 / 10_000
"""A tag of an object, in a month."""


@dataclass(frozen=True, slots=True)
class ClassPrice:
    """US dollars. A GB is 2^30 bytes here, as S3 bills it.

    `writes_per_1000` are COPY, PUT and POST, and moves into the class by a lifecycle rule, unless `moves_per_1000`
    says otherwise of these; `reads_per_1000` GET of it, `retrieval_gb` is what reading it costs besides (also as
    the source of a copy). An object below `least_bytes` is billed as so large, one that is gone, written over or in
    another class within `least_days` as if it had stayed so long. Beside each object `beside_bytes` are billed at
    its own price and `beside_standard_bytes` at STANDARD's. `monitoring_per_1000` objects of 128 KiB or more a
    month."""

    gb_month: float
    writes_per_1000: float
    reads_per_1000: float
    retrieval_gb: float = 0.0
    least_bytes: int = 0
    least_days: int = 0
    beside_bytes: int = 0
    beside_standard_bytes: int = 0
    monitoring_per_1000: float = 0.0
    moves_per_1000: float = 0.0


STANDARD = ClassPrice(0.023, 0.005, 0.0004)
_LEAST = 128 * KIB
_BESIDE = 32 * KIB, 8 * KIB

CLASSES: Mapping[str, ClassPrice] = {
    "STANDARD": STANDARD,
    # Its objects move to cheaper tiers by themselves, of which no listing tells: this is the most.
    "INTELLIGENT_TIERING": ClassPrice(0.023, 0.005, 0.0004, monitoring_per_1000=0.0025, moves_per_1000=0.01),
    "STANDARD_IA": ClassPrice(0.0125, 0.01, 0.001, 0.01, _LEAST, 30),
    "ONEZONE_IA": ClassPrice(0.01, 0.01, 0.001, 0.01, _LEAST, 30),
    "GLACIER_IR": ClassPrice(0.004, 0.02, 0.01, 0.03, _LEAST, 90),
    "GLACIER": ClassPrice(0.0036, 0.03, 0.0004, 0.01, 0, 90, *_BESIDE),
    "DEEP_ARCHIVE": ClassPrice(0.00099, 0.05, 0.0004, 0.02, 0, 180, *_BESIDE),
    "REDUCED_REDUNDANCY": ClassPrice(0.024, 0.005, 0.0004),
}
"""By the name that listings have."""


def dollars_a_month(storage_class: str, size: int) -> float | None:
    """What one object of so many bytes costs in a month; None where its class has no price here."""
    price = CLASSES.get(storage_class or "STANDARD")
    if price is None:
        return None
    billed = max(size, price.least_bytes) + price.beside_bytes
    dollars = (billed * price.gb_month + price.beside_standard_bytes * STANDARD.gb_month) / GIB
    return dollars + price.monitoring_per_1000 / 1000 if size >= _LEAST else dollars


def early_dollars(storage_class: str, size: int, days: float) -> float:
    """What an object that leaves its class after so many days there is billed for all the same: what those lack of the
    least. Nothing where its class has no price here."""
    price = CLASSES.get(storage_class or "STANDARD")
    lacking = 0.0 if price is None else price.least_days - max(0.0, days)
    if lacking <= 0:
        return 0.0
    return (dollars_a_month(storage_class, size) or 0.0) * lacking / DAYS_A_MONTH


def read_dollars(storage_class: str, requests: int) -> float:
    """What so many GET, HEAD and the like of objects of a class cost; as of STANDARD where it has no price here."""
    return CLASSES.get(storage_class or "STANDARD", STANDARD).reads_per_1000 * requests / 1000


class Tier(StrEnum):
    """How fast an archived object is to come back."""

    BULK = "bulk"
    STANDARD = "standard"
    EXPEDITED = "expedited"


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What it costs to have objects restored, and the time that AWS says it typically takes, in seconds."""

    requests_per_1000: float
    gb: float
    least_s: int
    most_s: int


_MINUTES, _HOURS = 60, 3_600
_FREE_STANDARD = Retrieval(0.0, 0.0, 3 * _HOURS, 5 * _HOURS)
_FREE_BULK = Retrieval(0.0, 0.0, 5 * _HOURS, 12 * _HOURS)
_EXPEDITED = Retrieval(10.0, 0.03, 1 * _MINUTES, 5 * _MINUTES)

RETRIEVALS: Mapping[str, Mapping[Tier, Retrieval]] = {
    "GLACIER": {
        Tier.BULK: _FREE_BULK,
        Tier.STANDARD: Retrieval(0.05, 0.01, 3 * _HOURS, 5 * _HOURS),
        Tier.EXPEDITED: _EXPEDITED,
    },
    "DEEP_ARCHIVE": {
        Tier.BULK: Retrieval(0.025, 0.0025, 12 * _HOURS, 48 * _HOURS),
        Tier.STANDARD: Retrieval(0.1, 0.02, 9 * _HOURS, 12 * _HOURS),
    },
    "ARCHIVE_ACCESS": {Tier.BULK: _FREE_BULK, Tier.STANDARD: _FREE_STANDARD, Tier.EXPEDITED: _EXPEDITED},
    "DEEP_ARCHIVE_ACCESS": {
        Tier.BULK: Retrieval(0.0, 0.0, 12 * _HOURS, 48 * _HOURS),
        Tier.STANDARD: Retrieval(0.0, 0.0, 9 * _HOURS, 12 * _HOURS),
    },
}
"""By archive class, or archive tier of INTELLIGENT_TIERING, and how fast: what is not in it cannot be had so (S3 User
Guide, "Archive retrieval options")."""
