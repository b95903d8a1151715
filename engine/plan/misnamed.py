"""Keys that can be no file's name below a route's target, told by the key itself: no run mends that, and nothing is
asked for the sake of one. Pure; which keys those are a folder says (`engine.folder.names`)."""

from __future__ import annotations

from collections.abc import Callable

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
