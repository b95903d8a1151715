"""The plan that leads back after a cleanup: the same routes, turned round. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath

from engine.errors import PlanError, UsageError
from engine.finish.turned_tables import Turning, address, commented, one_line
from engine.plan.document import Plan
from engine.plan.overlap import collisions
from engine.plan.route import PropertyRules, Route
from engine.plan.settings import Connection
from engine.plan.sizes import duration_text
from engine.plan.starter import quoted


def way_back(plan: Plan, links: str = "", here: PurePath | None = None) -> str:
    """The text of a plan that copies everything from its targets to where it came from. It is run like any other, with
    `--links` as the plan was, where that is said: no plan can say it. `here` as in `Turning`.

    Raises `UsageError` where that would be refused."""
    lines = [
        f"# The way back of {one_line(plan.name)}: every route turned round. cartage plan shows what it would do.",
        "# It copies whatever lies under its sources today; say with exclude what is not to go back.",
    ]
    if links:
        lines.append(f"# Give plan and run --links {links}, as the way there had it: else no link comes back as one.")
    turned = list(_turned(plan))
    tables = Turning(plan, [route for route, why in turned if not why], here)
    lines += ["", f"name = {quoted(plan.name[:95] + '-back')}", *tables.base()]
    if plan.connection.said:
        lines += _connection("connection", plan.connection)
    for name, site in plan.sites:
        lines += _connection(f"sites.{name}", site)
    for route, why in turned:
        lines += ["", *_route(route)] if not why else ["", *commented([f"Left out: {why}.", *_route(route)])]
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
    return text


def _turned(plan: Plan) -> Iterator[tuple[Route, str]]:
    """Each route, and why the plan cannot have it beside those before it: routes may share a source, but no target."""
    endpoints = {"": plan.connection.endpoint_url} | {name: site.endpoint_url for name, site in plan.sites}
    taken: list[Route] = []
    for route in plan.routes:
        turned = replace(route, source=route.target, target=route.source)
        why = next((item.why for item in collisions([*taken, turned], endpoints)), "")
        if not why:
            taken.append(turned)
        yield route, why


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
