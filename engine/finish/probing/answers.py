"""What a probe came to, and whether several found the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.model import Location
from engine.plan.settings import Probe


class ProbeResult(NamedTuple):
    """`name` says which probe, `found` what was there in a few words, `sentence` all of it for a reader. `rows` and
    `dims` are what it counted, where it counts: what probes that agree are compared by."""

    name: str
    ok: bool
    found: str
    sentence: str
    rows: int | None = None
    dims: int | None = None


def judged(
    name: str, at: Location, found: str, wrong: Sequence[str], holds: str, rows: int | None, dims: int | None = None
) -> ProbeResult:
    """What was found at a place: all that is `wrong` with it, or where nothing is, what it `holds`."""
    sentence = f"{at}: {', and '.join(wrong)}" if wrong else f"{at} {holds}"
    return ProbeResult(name, not wrong, found, sentence, rows, dims)


def agreements(probes: Sequence[Probe], results: Sequence[ProbeResult]) -> list[ProbeResult]:
    """One more result for each name that probes agree on (`agrees`): whether all of them counted the same rows, and
    the same dimensions as far as they have any. What was not counted is no agreement."""
    groups: dict[str, list[ProbeResult]] = {}
    for probe, result in zip(probes, results, strict=True):
        if probe.agrees:
            groups.setdefault(probe.agrees, []).append(result)
    return [_agreement(name, found) for name, found in groups.items()]


def _agreement(name: str, results: Sequence[ProbeResult]) -> ProbeResult:
    uncounted = [item.name for item in results if item.rows is None]
    if uncounted:
        said = f"{name}: whether all agree could not be found out: no rows were counted by {_listed(uncounted)}"
        return ProbeResult(name, False, "not counted", said)
    rows = {item.name: item.rows for item in results if item.rows is not None}
    dims = {item.name: item.dims for item in results if item.dims is not None}
    for what, counted in (("rows", rows), ("dimensions", dims)):
        if len(set(counted.values())) > 1:
            found = ", ".join(f"{count:,} in {one}" for one, count in counted.items())
            return ProbeResult(name, False, "they differ", f"{name}: the {what} differ: {found}")
    (count,) = set(rows.values())
    wide = f" of {next(iter(dims.values())):,} dimensions" if dims else ""
    return ProbeResult(name, True, f"{count} rows", f"{name}: {count:,} rows{wide} in each of {_listed(rows)}", count)


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
