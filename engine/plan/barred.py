"""Refusals that no run mends while the plan stands as it is: what an object is, or carries, is not taken. Pure."""

from __future__ import annotations

from engine.errors import CUSTOMER_KEY
from engine.plan.misnamed import WAY_OUT_LATER

BARRED = (
    CUSTOMER_KEY,
    "InvalidStorageClass",
    "MetadataHidden",
    "MetadataTooLarge",
    "NotImplemented",
    "PropertyRefused",
    "XNotImplemented",
)
"""Their codes, as objects fail with them."""

_WAY_OUT = (
    "the reason of each says what may be left out or set; else copy them by hand, or leave them out with exclude; with "
    "another --ledger what is copied is found"
)


def no_run_mends(misnamed: int, barred: int) -> list[str]:
    """Of those that failed, what no run mends, a sentence each, with what its owner may do. `misnamed` have keys that
    can be no file's name, `barred` are refused for what they are or carry."""
    said = [
        (misnamed, f"can be no file's name at the target, which no run mends: {WAY_OUT_LATER}"),
        (barred, f"are refused for what they are or carry, which no run mends: {_WAY_OUT}"),
    ]
    return [f"{count:,} of the failed {what}" for count, what in said if count]
