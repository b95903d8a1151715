"""Routes between sites: which places a plan means, and which of them may be one."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from engine.errors import PlanError
from engine.model import Location
from engine.plan.document import Plan
from engine.plan.overlap import refuse_collisions
from engine.plan.settings import Connection, ExistsProbe

NEAR = '[sites.near]\nendpoint_url = "http://127.0.0.1:9000"\nregion = "local"\n'
FAR = '[sites.far]\nendpoint_url = "https://s3.example.com"\n'


def route(source: str, target: str, more: str = "", name: str = "r") -> str:
    return f'[[routes]]\nname = "{name}"\nfrom = "{source}"\nto = "{target}"\n{more}\n'


def plan(*tables: str, top: str = "") -> Plan:
    return Plan.parse(
        f'name = "p"\n{top}\n' + "\n".join(tables), folder=PurePosixPath("/plans"), home=PurePosixPath("/me")
    )


def refusals(*tables: str, top: str = "") -> list[str]:
    with pytest.raises(PlanError) as refused:
        plan(*tables, top=top)
    return [text.partition(": ")[2] for text in refused.value.problems]


def test_each_end_of_a_route_is_at_the_site_that_it_names_and_else_at_the_plans_own_connection() -> None:
    found = plan(NEAR, route("/in/", "out/", 'to_site = "near"'), top='bucket = "main"\nprefix = "project/"')
    (only,) = found.routes
    assert only.source == Location("main", "in/")
    assert only.target == Location("main", "project/out/", "near")
    assert found.sites == (("near", Connection(endpoint_url="http://127.0.0.1:9000", region="local")),)
    assert found.sites_in_use == ("", "near")
    assert found.connection_of("near").region == "local"
    assert [str(place) for place in found.places] == ["s3://main/", "near:s3://main/"]


def test_a_site_is_part_of_what_a_ledger_is_bound_to() -> None:
    here = plan(route("s3://main/in/", "s3://main/out/"))
    there = plan(NEAR, route("s3://main/in/", "s3://main/out/", 'to_site = "near"'))
    assert there.binding_routes[0].target == "near:s3://main/out/"
    assert there.binding_routes[0].digest == here.binding_routes[0].digest
    assert there.digest != here.digest


@pytest.mark.parametrize(
    ("tables", "problems"),
    [
        (
            [NEAR, route("s3://main/in/", "s3://main/out/", 'to_site = "naer"')],
            [
                'no route is at it: say from_site = "near" or to_site = "near"',
                'to_site: there is no site "naer"; did you mean "near"?',
            ],
        ),
        (
            [route("s3://main/in/", "s3://main/out/", 'from_site = "near"')],
            ['from_site: there is no site "near": write [sites.near]'],
        ),
        (
            [NEAR, route("s3://main/in/", "s3://main/out/")],
            ['no route is at it: say from_site = "near" or to_site = "near"'],
        ),
        (
            [NEAR.replace("near", "file"), route("s3://main/in/", "s3://main/out/", 'to_site = "file"')],
            [
                '"file" is what local folders are at: call it otherwise',
                'to_site: a local folder has no site: it is written "./…", "~/…" or "file:///…", without one',
            ],
        ),
        (
            [NEAR, route("s3://main/in/", "./out/", 'to_site = "near"')],
            ['to_site: a local folder has no site: it is written "./…", "~/…" or "file:///…", without one'],
        ),
        (
            [NEAR.replace("near", '"a b"'), route("s3://main/in/", "s3://main/out/", 'to_site = "a b"')],
            ['"a b" cannot name a site: use letters, digits, "-" and "_"'],
        ),
        (
            [NEAR + 'regoin = "x"', route("s3://main/in/", "s3://main/out/", 'to_site = "near"')],
            ['unknown key "regoin"; did you mean "region"?'],
        ),
        (
            [NEAR.replace("http:", "ftp:"), route("s3://main/in/", "s3://main/out/", 'to_site = "near"')],
            ['endpoint_url: "ftp://127.0.0.1:9000" must begin with http:// or https://'],
        ),
        (
            ['[sites]\nnear = "http://x"', route("s3://main/in/", "s3://main/out/")],
            ["must be a table"],
        ),
    ],
    ids=["misspelt", "not there", "unused", "reserved", "local", "name", "key", "value", "no table"],
)
def test_a_site_that_cannot_be_meant_is_refused(tables: list[str], problems: list[str]) -> None:
    assert refusals(*tables) == problems


def test_the_line_of_a_site_is_named() -> None:
    with pytest.raises(PlanError) as refused:
        plan("[sites.near]\nregion = 1", route("s3://main/in/", "s3://main/out/", 'to_site = "near"'))
    assert refused.value.problems == ("line 4, [sites.near]: region: must be text",)


# --- which places may be one ---------------------------------------------------------------------------------------


def test_one_bucket_name_at_two_servers_is_two_places() -> None:
    one = plan(NEAR, FAR, route("s3://main/x/", "s3://main/x/", 'from_site = "near"\nto_site = "far"'))
    assert one.routes[0].source.key == one.routes[0].target.key
    plan(NEAR, route("s3://main/x/", "s3://main/x/", 'to_site = "near"'))


@pytest.mark.parametrize(
    "tables",
    [
        '[sites.far]\nendpoint_url = "http://127.0.0.1:9000/"',
        '[sites.far]\nendpoint_url = "http://localhost:9000"',
        '[sites.far]\nendpoint_url = "http://LOCALHOST:9000/"',
    ],
)
def test_two_names_of_one_server_are_one_place(tables: str) -> None:
    (problem,) = refusals(NEAR, tables, route("s3://main/x/", "s3://main/x/", 'from_site = "near"\nto_site = "far"'))
    assert problem == (
        "it would copy near:s3://main/x/ onto itself "
        "(the two sites are one server; of two buckets of one name there, one takes another name)"
    )


@pytest.mark.parametrize(
    "site",
    [
        'profile = "other"',
        'region = "eu-west-1"',
        'endpoint_url = "https://s3.eu-west-1.amazonaws.com"',
        'endpoint_url = "https://s3.cn-north-1.amazonaws.com.cn"',
        'endpoint_url = "https://s3.us-iso-east-1.c2s.ic.gov"',
        'endpoint_url = "https://s3.eusc-de-east-1.amazonaws.eu"',
    ],
)
def test_a_bucket_of_aws_is_one_bucket_whatever_the_account_and_the_region(site: str) -> None:
    tables = f"[sites.far]\n{site}"
    (problem,) = refusals(tables, route("s3://main/x/", "s3://main/x/deeper/", 'to_site = "far"'))
    assert "its target far:s3://main/x/deeper/ is inside its source s3://main/x/" in problem
    plan(tables, route("s3://main/x/", "s3://other/x/", 'to_site = "far"'))


def test_two_routes_may_write_one_key_only_at_different_servers() -> None:
    first = route("s3://main/a/", "s3://target/x/", 'to_site = "near"', "a")
    apart = route("s3://main/b/", "s3://target/x/", 'to_site = "far"', "b")
    plan(NEAR, FAR, first, apart)
    (problem,) = refusals(NEAR, first, route("s3://main/b/", "s3://target/x/", 'to_site = "near"', "b"))
    assert problem == 'routes "a" and "b" both write to near:s3://target/x/'


def test_sites_that_turn_out_to_be_one_server_are_refused_once_their_endpoints_are_known() -> None:
    found = plan(NEAR, route("s3://main/x/", "s3://main/x/", 'to_site = "near"'))
    refuse_collisions(found.routes, {"": "https://s3.us-east-1.amazonaws.com", "near": "http://127.0.0.1:9000"})
    with pytest.raises(PlanError, match="it would copy s3://main/x/ onto itself"):
        refuse_collisions(found.routes, {"": "http://127.0.0.1:9000", "near": "http://127.0.0.1:9000"})


# --- the tables beside the routes ----------------------------------------------------------------------------------

TABLES = """
[[probes]]
exists = "index.json"
[manifest]
object = "manifest.json"
[references]
scan = ["pipelines/"]
"""


def test_tables_beside_the_routes_are_where_the_targets_are() -> None:
    found = plan(NEAR, route("/in/", "out/", 'to_site = "near"'), TABLES, top='bucket = "main"')
    assert found.probes == (ExistsProbe("exists index.json", Location("main", "index.json", "near")),)
    assert found.manifest is not None
    assert found.manifest.object == Location("main", "manifest.json", "near")
    assert found.references.locations == (Location("main", "pipelines/", "near"),)
    assert found.base == Location("main", "", "near")


def test_where_the_targets_are_at_several_sites_a_table_says_which_it_means() -> None:
    routes = [
        route("s3://main/a/", "s3://target/a/", 'to_site = "near"', "a"),
        route("s3://main/b/", "s3://target/b/", name="b"),
    ]
    assert refusals(NEAR, *routes, '[[probes]]\nexists = "s3://target/a/x"') == [
        'exists: the routes write to several sites: say with site = "NAME" which one is meant'
    ]
    found = plan(
        NEAR,
        *routes,
        '[[probes]]\nexists = "s3://target/a/x"\nsite = "near"\n[[probes]]\nexists = "s3://target/b/x"\nsite = ""',
    )
    assert [probe.at.site for probe in found.probes if isinstance(probe, ExistsProbe)] == ["near", ""]
    assert refusals(NEAR, *routes, '[manifest]\nobject = "s3://target/m.json"\nsite = "naer"') == [
        'site: there is no site "naer"; did you mean "near"?'
    ]


def test_a_list_of_keys_in_s3_is_where_the_objects_are_that_it_names() -> None:
    found = plan(NEAR, route("s3://main/a/", "s3://target/a/", 'from_site = "near"\nkeys = "s3://lists/keys.txt"'))
    assert found.routes[0].key_list is not None
    assert found.routes[0].key_list.location == Location("lists", "keys.txt", "near")


# --- a copy without a file -----------------------------------------------------------------------------------------


def test_a_copy_without_a_file_has_a_site_for_each_side_with_a_connection_of_its_own() -> None:
    found = Plan.of("s3://main/x/", "s3://main/x/", target_connection=Connection(endpoint_url="http://127.0.0.1:9000"))
    assert found.routes[0].source.site == ""
    assert found.routes[0].target.site == "to"
    assert found.connection_of("to").endpoint_url == "http://127.0.0.1:9000"
    assert found.asked is not None
    again = Plan.again(found.asked)
    assert again.digest == found.digest
    assert again.name == found.name


@pytest.mark.parametrize(
    ("ends", "dated_by"),
    [
        ([("s3://main/a/", "s3://copies/a/")], "s3://copies/a/"),
        ([("s3://main/a/", "file:///srv/a/"), ("s3://main/b/", "s3://copies/b/")], "s3://copies/b/"),
        ([("file:///home/x/", "file:///srv/x/"), ("s3://main/b/", "file:///srv/b/")], "s3://main/b/"),
        ([("file:///home/x/", "file:///srv/x/")], "/srv/x/"),
    ],
    ids=["a target's", "the first target's that has a server", "a source's", "this machine's"],
)
def test_proof_is_dated_by_a_server_wherever_there_is_one(ends: list[tuple[str, str]], dated_by: str) -> None:
    plan = Plan.parse(
        "".join(
            f'[[routes]]\nname = "{number}"\nfrom = "{source}"\nto = "{target}"\n'
            for number, (source, target) in enumerate(ends)
        )
    )
    assert str(plan.dated_by) == dated_by
