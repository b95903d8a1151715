"""The plan that leads back after a cleanup: the same routes, turned round. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import PurePath
from typing import NamedTuple

from engine.errors import PlanError, UsageError
from engine.finish.turned_tables import Turning, address, commented, one_line
from engine.plan.document import Plan
from engine.plan.locations import flat
from engine.plan.overlap import Collision, collisions
from engine.plan.route import PropertyRules, Route
from engine.plan.settings import Connection
from engine.plan.sizes import duration_text
from engine.plan.starter import quoted


class WayBack(NamedTuple):
    """The text of a plan that leads back. `left_out` are the names of routes that it cannot have beside the others,
    and whose objects these do not all bring back."""

    text: str
    left_out: tuple[str, ...]


def way_back(plan: Plan, links: str = "", here: PurePath | None = None) -> WayBack:
    """A plan that copies everything from its targets to where it came from. It is run like any other, with `--links` as
    the plan was, where that is said: no plan can say it. `here` as in `Turning`.

    Raises `UsageError` where that would be refused."""
    lines = [
        f"# The way back of {one_line(plan.name)}: every route turned round. cartage plan shows what it would do.",
        "# It copies whatever lies under its sources today; say with exclude what is not to go back.",
    ]
    if links:
        lines.append(f"# Give plan and run --links {links}, as the way there had it: else no link comes back as one.")
    reasons = _reasons(plan)
    taken = [route for route in plan.routes if route.name not in reasons]
    tables = Turning(plan, taken, here)
    lines += ["", f"name = {quoted(plan.name[:95] + '-back')}", *tables.base()]
    if plan.connection.said:
        lines += _connection("connection", plan.connection)
    for name, site in plan.sites:
        lines += _connection(f"sites.{name}", site)
    for route in plan.routes:
        why = reasons.get(route.name)
        lines += ["", *(commented([f"Left out: {why}.", *_route(route)]) if why else _route(route))]
    lines += tables.lines()
    cleanup = plan.cleanup
    lines += ["", "[cleanup]", f"hold = {quoted(duration_text(cleanup.hold_s))}"]
    lines.append(f"proof = {quoted(cleanup.proof.name.lower())}")
    if cleanup.unconditional:
        lines.append("unconditional = true")
    text = "\n".join(lines) + "\n"
    try:
        Plan.parse(text)
    except PlanError as error:
        raise UsageError(
            f"a plan of the way back would be refused: {'; '.join(error.problems)}",
            advice="Write one by hand: its routes lead from the targets to the sources.",
        ) from error
    left_out = [
        route for route in plan.routes if route.name in reasons and not any(_has_all(it, route) for it in taken)
    ]
    return WayBack(text, tuple(route.name for route in left_out))


def _reasons(plan: Plan) -> dict[str, str]:
    """Why the plan cannot have a route, by its name: routes may share a source, but no target. The one whose source
    holds those of the others is taken, wherever it stands."""
    endpoints = {"": plan.connection.endpoint_url} | {name: site.endpoint_url for name, site in plan.sites}
    in_order = sorted(plan.routes, key=lambda route: (len(flat(route.source).key), not route.selection.is_everything))
    turned = [replace(route, source=route.target, target=route.source) for route in in_order]
    meetings: dict[str, list[Collision]] = defaultdict(list)
    for item in collisions(turned, endpoints):
        meetings[item.route.name].append(item)
    reasons: dict[str, str] = {}
    for route in in_order:
        if why := next((item.why for item in meetings[route.name] if item.other.name not in reasons), ""):
            reasons[route.name] = why
    return reasons


def _has_all(taken: Route, route: Route) -> bool:
    """Whether a route has everything at its target that another one has."""
    one, other = flat(taken.source), flat(route.source)
    within = (one.site, one.bucket) == (other.site, other.bucket) and one.holds(other.key)
    same = taken.source == route.source and taken.selection == route.selection
    return taken.key_list is None and (same or (taken.selection.is_everything and within))


def _connection(title: str, connection: Connection) -> list[str]:
    return ["", f"[{title}]", *(f"{name} = {quoted(value)}" for name, value in connection.said.items())]


def _route(route: Route) -> list[str]:
    lines = []
    selection = route.selection
    if selection.since or selection.until or route.key_list is not None:
        lines.append("# The route took its objects by time or from a list, which cannot be turned round.")
    if route.properties != PropertyRules() or route.sets_unlisted:
        lines.append("# The route changed properties on the way; they go back as they are now.")
    lines += [
        "[[routes]]",
        f"name = {quoted(route.name)}",
        f"from = {quoted(address(route.target))}",
        f"to = {quoted(address(route.source))}",
    ]
    for key, end in (("from_site", route.target), ("to_site", route.source)):
        if end.site and not end.is_local:
            lines.append(f"{key} = {quoted(end.site)}")
    for name, patterns in (("include", selection.include), ("exclude", selection.exclude)):
        if patterns:
            lines.append(f"{name} = [{', '.join(map(quoted, patterns))}]")
    if selection.min_bytes:
        lines.append(f"min_size = {selection.min_bytes}")
    if selection.max_bytes is not None:
        lines.append(f"max_size = {selection.max_bytes}")
    return lines
