"""Keys that can be no file's name below a route's target, told by the key itself: no run mends that, and nothing is
asked for the sake of one. Pure; which keys those are a folder says (`engine.folder.names`)."""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import CUSTOMER_KEY

MISNAMED = (
    "NameDots",
    "NameEmpty",
    "NameLeadingSlash",
    "NameNotUtf8",
    "NameNul",
    "NameOwn",
    "NameReserved",
    "NameTooLong",
    "PathTooLong",
)
"""Their codes. What only shows where a file is to get its name (`NameClash`, say) may be another by the next run."""

Misnames = Callable[[str, int], tuple[str, str] | None]
"""By the relative key and the size of an object: the code and the message of what its target can not be named; None
where it can."""

WAY_OUT = "leave them out with exclude, or name another target"
WAY_OUT_LATER = f"{WAY_OUT}; with another --ledger what is copied is found"
"""Once a ledger is bound to the plan as it was."""

KEYED = (CUSTOMER_KEY,)
"""The code of what is under a key of its owner's own, which no run ever has."""
KEYED_WAY_OUT = "copy them by hand, or leave them out with exclude; with another --ledger what is copied is found"


def no_run_mends(misnamed: int, keyed: int) -> list[str]:
    """Of those that failed, what no run mends, a sentence each, with what its owner may do. `keyed` are under a key of
    their owner's own, `misnamed` as above."""
    said = [
        (misnamed, f"can be no file's name at the target, which no run mends: {WAY_OUT_LATER}"),
        (keyed, f"cannot be read without their owner's key (SSE-C), which no run has: {KEYED_WAY_OUT}"),
    ]
    return [f"{count:,} of the failed {what}" for count, what in said if count]
