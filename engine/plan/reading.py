"""From the text of a plan file to what a `Plan` is made of, or to every reason why not. Pure.

Nothing stops at the first mistake: a table is judged by what of it can be read, and only what hangs on a missing
piece is left out.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import msgspec

from engine.errors import PlanError
from engine.model import FILE_SITE, Location, Proof
from engine.plan import schema
from engine.plan.binding import binding_of
from engine.plan.document import Plan
from engine.plan.likeness import nearest
from engine.plan.lines import Path, lines_of
from engine.plan.locations import Around, flat, local_path, problem_of_bucket
from engine.plan.overlap import collisions
from engine.plan.reading_finish import read_manifest, read_probes, read_references
from engine.plan.reading_route import Surroundings, read_expect, read_route
from engine.plan.route import Route
from engine.plan.settings import Cleanup, Connection, Expectation
from engine.plan.tables import Problems

_NAME = re.compile(r"\w[\w .+-]{0,99}\Z")
_AT = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)\Z")
_OWNER = re.compile(r"\d{12}\Z")
_SITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")


def read(data: str | bytes, source: str, folder: PurePath, home: PurePath | None) -> Plan:
    """Read the text of a plan file, or its bytes; a relative `source` is seen from `folder`. Raises `PlanError`."""
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        text = text.replace("\r\n", "\n")
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise PlanError([f"line {line}: the file is not UTF-8 text"], advice=_advice(source)) from None
    except RecursionError:
        raise PlanError(["this is not a plan: it is nested too deeply"], advice=_advice(source)) from None
    except ValueError as error:  # TOMLDecodeError, and numbers that are too long to be read
        raise PlanError([_syntax_problem(str(error), text)], advice=_advice(source)) from None
    lies_in = PurePath(source).parent
    around = Around(prefix="", folder=folder / lies_in, home=home)
    plan = _read(table, Problems(lines_of(text), table), source, around)
    written = data.decode() if isinstance(data, bytes) else data
    return replace(plan, source=source, folder=lies_in, read_from=(written, plan.digest))


def read_one_route(
    asked: Mapping[str, Any], connection: Connection, folder: PurePath | None, home: PurePath | None
) -> Plan:
    """Read a plan of one route from what `Plan.of` was asked for instead of text. Raises `PlanError`."""
    name = asked["name"]
    label = name or ("set" if asked.get("in_place") else "copy")
    data = {
        "name": label,
        "routes": [{"name": label, "from": asked["source"], "to": asked["target"], **asked["rules"]}],
        "cleanup": asked["cleanup"],
        "connection": connection.said,
        "sites": asked.get("sites", {}),
    }
    around = Around(prefix="", folder=folder, home=home, absolute=True)
    plan = _read(data, Problems({}, data), "", around, asked.get("in_place", ""))
    (route,) = plan.routes
    name = name or _name_of(route)
    local = {end: str(at) for end, at in (("source", route.source), ("target", route.target)) if at.is_local}
    key_list = route.key_list
    if key_list is not None and key_list.path and folder is not None:
        local["list_at"] = str(local_path(key_list.path, folder, home))
    asked = {**asked, **local}
    if key_list is not None:
        key_list = replace(key_list, at=asked.get("list_at", ""))
    return replace(plan, name=name, routes=(replace(route, name=name, key_list=key_list),), asked=asked)


def _name_of(route: Route) -> str:
    """A name that is the same for the same copy, reads well, and can be a file's."""
    copied = "\0".join(binding_of(route)[1:])
    mark = hashlib.sha256(copied.encode()).hexdigest()[:8]
    ends = [_slug(location) for location in (route.source, route.target)]
    return f"{ends[0]}-set-{mark}" if route.in_place else f"{ends[0]}-to-{ends[1]}-{mark}"


def _slug(location: Location) -> str:
    parts = [part for part in flat(location).key.split("/") if part]
    words = re.sub(r"[^A-Za-z0-9._]+", "-", parts[-1] if parts else location.bucket).strip("-._")
    return words[:32].rstrip("-._") or "all"


def _advice(source: str) -> str:
    return f"Nothing was sent to S3. Mend {source} and try again." if source else ""


def _syntax_problem(message: str, text: str) -> str:
    found = _AT.search(message)
    line = int(found.group(1)) if found and found.group(1) else text.rstrip("\n").count("\n") + 1
    what = message[: found.start()] if found else message
    return f"line {line}: this is not TOML: {what[:1].lower()}{what[1:]}"


def _read(data: dict[str, Any], problems: Problems, source: str, short: Around, in_place: str = "") -> Plan:
    top = problems.read(schema.PlanTable, data, ())
    assert top is not None  # nothing in it is required
    name = top.name if top.name is not None else PurePath(source).stem
    if not _NAME.match(name) or name.endswith((".", " ")):
        problems.add(("name",), f'"{name}" cannot name a ledger: use letters, digits, ".", "-", "_" and spaces')
    _check_bucket(top.bucket, problems)
    _check_prefix(top.prefix, problems)
    short = short._replace(bucket=top.bucket, prefix=top.prefix)
    connection = _read_connection(top.connection, problems, ("connection",))
    sites = _read_sites(top.sites, problems)
    around = Surroundings(problems, short, top.sites, in_place)
    if not top.routes and not isinstance(data.get("routes"), (dict, list)):
        problems.add((), "there is no [[routes]], so that nothing would be copied")
    found = [read_route(around, table, ("routes", index)) for index, table in enumerate(top.routes)]
    routes = [route for route, _ in found if route is not None]
    _check_names(top.routes, problems)
    positions = {id(route): index for index, (route, _) in enumerate(found)}
    _check_sites_are_used(around)
    endpoints = {"": connection.endpoint_url} | {name: site.endpoint_url for name, site in sites}
    for collision in collisions(
        [route for route in routes if _patterns_stand(route, top.routes[positions[id(route)]])], endpoints
    ):
        problems.add(("routes", positions[id(collision.route)]), collision.why)
    names = [str(table["name"]) for table in top.routes if isinstance(table.get("name"), str)]
    expectations = [item for _, item in found if item is not None]
    expectations += _read_expectations(top.expect, names, problems)
    around.target_sites = {route.target.site for route in routes}
    base = routes[0].target if routes else Location(top.bucket, top.prefix)
    if top.bucket and around.target_sites != {FILE_SITE}:
        base = Location(top.bucket, top.prefix, around.table_site or "")
    probes = read_probes(around, top.probes, base)
    manifest = read_manifest(around, top.manifest, names)
    references = read_references(around, top.references)
    cleanup = _read_cleanup(top.cleanup, problems)
    if len(problems):
        raise PlanError(problems.texts(), advice=_advice(source))
    return Plan(
        name=name,
        routes=tuple(routes),
        connection=connection,
        sites=sites,
        expectations=tuple(expectations),
        probes=probes,
        manifest=manifest,
        references=references,
        cleanup=cleanup,
        base=base,
        home=short.home,
    )


def _patterns_stand(route: Route, data: Mapping[str, Any]) -> bool:
    """Whether none of its patterns was refused: without them it would seem to meet routes that it does not."""
    return all(
        list(kept) == data.get(key, [])
        for key, kept in (("include", route.selection.include), ("exclude", route.selection.exclude))
    )


def _check_bucket(bucket: str, problems: Problems) -> None:
    problem = problem_of_bucket(bucket) if bucket else ""
    if bucket.startswith("s3://"):
        problem = f'is a location: write bucket = "{bucket[5:].partition("/")[0]}"'
    if problem:
        problems.add(("bucket",), f'"{bucket}" {problem}')


def _check_prefix(prefix: str, problems: Problems) -> None:
    if "://" in prefix[:12]:
        problems.add(("prefix",), f'"{prefix}" is a location: write the part after the bucket')
    elif prefix.startswith("/"):
        problems.add(("prefix",), f'"{prefix}" begins with a slash, which would be part of every key: write without it')
    elif prefix and not prefix.endswith("/"):
        problems.add(("prefix",), f'"{prefix}" must end with a slash: write "{prefix}/"')


def _read_connection(data: Mapping[str, Any], problems: Problems, path: Path) -> Connection:
    table = problems.read(schema.ConnectionTable, data, path)
    assert table is not None
    if table.endpoint_url and not re.match(r"https?://[^/\s]+", table.endpoint_url):
        problems.add((*path, "endpoint_url"), f'"{table.endpoint_url}" must begin with http:// or https://')
    if table.expected_bucket_owner and not _OWNER.match(table.expected_bucket_owner):
        problems.add((*path, "expected_bucket_owner"), "must be an account id of 12 digits")
    return Connection(**msgspec.structs.asdict(table))


def _read_sites(tables: Mapping[str, dict[str, Any]], problems: Problems) -> tuple[tuple[str, Connection], ...]:
    """The `[sites.NAME]` tables, by name."""
    for name in tables:
        if name == FILE_SITE:
            problems.add(("sites", name), f'"{name}" is what local folders are at: call it otherwise')
        elif name == "connection":
            problems.add(("sites", name), f'"{name}" is the plan\'s own, which needs no name: call it otherwise')
        elif not _SITE.match(name):
            problems.add(("sites", name), f'"{name}" cannot name a site: use letters, digits, "-" and "_"')
    return tuple((name, _read_connection(tables[name], problems, ("sites", name))) for name in sorted(tables))


def _check_sites_are_used(around: Surroundings) -> None:
    for name in around.sites:
        if name not in around.used:
            around.problems.add(("sites", name), f'no route is at it: say from_site = "{name}" or to_site = "{name}"')


def _check_names(tables: list[dict[str, Any]], problems: Problems) -> None:
    seen: set[str] = set()
    for index, name in enumerate(table.get("name") for table in tables):
        if not isinstance(name, str) or not name:
            continue
        if not _NAME.match(name):
            problems.add(("routes", index, "name"), f'"{name}" has characters that a name cannot have')
        if name in seen:
            problems.add(("routes", index, "name"), f'another route is called "{name}" already')
        seen.add(name)


def _read_expectations(tables: list[dict[str, Any]], names: list[str], problems: Problems) -> list[Expectation]:
    """The `[[expect]]` tables. Unnamed ones are "total", "total-2", …; without `routes` they are over all."""
    found = []
    taken = set(names)
    for index, data in enumerate(tables):
        path: Path = ("expect", index)
        table = problems.read(schema.TotalTable, data, path)
        assert table is not None
        name = table.name or ("total" if "total" not in taken else f"total-{index + 1}")
        if name in taken:
            problems.add((*path, "name"), f'"{name}" is the name of a route or another expectation already')
        taken.add(name)
        routes = tuple(dict.fromkeys(table.routes)) if table.routes is not None else tuple(names)
        if table.routes == []:
            problems.add((*path, "routes"), "names no route: leave it out to mean all")
        for route in routes:
            if route not in names:
                problems.add((*path, "routes"), f'there is no route "{route}"{nearest(route, names)}')
        expectation = read_expect(table, data, name, routes, path, problems)
        if expectation is not None:
            found.append(expectation)
    return found


def _read_cleanup(data: Mapping[str, Any], problems: Problems) -> Cleanup:
    table = problems.read(schema.CleanupTable, data, ("cleanup",))
    assert table is not None
    return Cleanup(table.hold, Proof[table.proof.upper()], table.unconditional)
