"""A local folder, or one file, in the place of a location."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from engine.errors import PlanError, UsageError
from engine.model import FILE_SITE, Location, ObjectRef
from engine.plan.document import Plan
from engine.plan.locations import covers, parse_location
from engine.plan.permissions import actions, policy
from engine.plan.route import KeyList

FOLDER, HOME = PurePosixPath("/base/here"), PurePosixPath("/users/me")


def local(folder: str, key: str = "") -> Location:
    return Location(folder, key, FILE_SITE)


def parsed(text: str) -> Location:
    return parse_location(text, folder=FOLDER, home=HOME)


def plan(source: str, target: str, rules: str = "", *, text: str = "", file: str = "plans/p.toml") -> Plan:
    route = f'[[routes]]\nname = "r"\nfrom = "{source}"\nto = "{target}"\n{rules}\n'
    return Plan.parse(f'bucket = "main"\nprefix = "project/"\n{route}{text}', file, folder=FOLDER, home=HOME)


def copy(source: str, target: str) -> Plan:
    return Plan.of(source, target, folder=FOLDER, home=HOME)


def why(source: str, target: str) -> str:
    with pytest.raises(PlanError) as refused:
        copy(source, target)
    (problem,) = refused.value.problems
    return problem.partition(": ")[2]


@pytest.mark.parametrize(
    ("text", "expected", "written"),
    [
        ("./data/", local("/base/here/data"), "/base/here/data/"),
        ("./data/a.bin", local("/base/here/data", "a.bin"), "/base/here/data/a.bin"),
        ("./data", local("/base/here", "data"), "/base/here/data"),
        (".", local("/base/here"), "/base/here/"),
        ("./", local("/base/here"), "/base/here/"),
        ("..", local("/base"), "/base/"),
        ("../x/", local("/base/x"), "/base/x/"),
        ("./a/../b/./c//d/", local("/base/here/b/c/d"), "/base/here/b/c/d/"),
        ("./a/..", local("/base/here"), "/base/here/"),
        ("../../../../x/", local("/x"), "/x/"),
        ("~", local("/users/me"), "/users/me/"),
        ("~/", local("/users/me"), "/users/me/"),
        ("./~", local("/base/here", "~"), "/base/here/~"),
        ("~/x/", local("/users/me/x"), "/users/me/x/"),
        ("~//etc/", local("/users/me/etc"), "/users/me/etc/"),
        ("/data/x/", local("/data/x"), "/data/x/"),
        ("//data/x/", local("/data/x"), "/data/x/"),
        ("/", local("/"), "/"),
        ("/x", local("/", "x"), "/x"),
        ("file:///data/x/", local("/data/x"), "/data/x/"),
        ("file:///data/a%20b", local("/data", "a%20b"), "/data/a%20b"),
        ("./with space/ümlaut/", local("/base/here/with space/ümlaut"), "/base/here/with space/ümlaut/"),
    ],
)
def test_a_path_is_its_absolute_folder_and_what_lies_in_it(text: str, expected: Location, written: str) -> None:
    location = parsed(text)
    assert location == expected
    assert str(location) == written
    assert parsed(written) == location, "what is kept of it is read back as the same place"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("./a\nb/", "has a line break or a NUL in it"),
        ("./a\rb/", "has a line break or a NUL in it"),
        ("./a\0b/", "has a line break or a NUL in it"),
        ("./a\udcff/", "is not valid UTF-8"),
        ("file://host/x/", "is not an S3 location"),
        ("file://localhost/x/", "no absolute path: write file:///x/"),
        ("file:/x/", "is not a complete location"),
        ("data/x/", "is not a complete location"),
    ],
)
def test_a_path_that_cannot_be_kept_or_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r"C:\Users\me\data", "is a Windows path: under WSL a folder there is /mnt/c/Users/me/data/"),
        ("d:/", "is a Windows path: under WSL a folder there is /mnt/d/"),
        ("s3:/one/x", "is not an S3 location: write s3://one/x"),
        ("S3://one/x/", "is not an S3 location: write s3://one/x/"),
        ("s3//one/x", "is not an S3 location: write s3://one/x"),
        ("arn:aws:s3:::one/x", "is not an S3 location: write s3://one/x"),
        ("arn:aws:s3:::one", "is not an S3 location: write s3://one/"),
        ("https://one.s3.amazonaws.com/x%20y", "is not an S3 location: write s3://one/x y"),
        ("https://one.two.s3.eu-west-1.amazonaws.com/x", "is not an S3 location: write s3://one.two/x"),
        ("https://s3.eu-west-1.amazonaws.com/one/x", "is not an S3 location: write s3://one/x"),
        ("https://one.s3.amazonaws.com/x%FFy", "is not an S3 location: it must begin with s3://"),
        ("https://p-1.s3-accesspoint.us-east-1.amazonaws.com/x", "is not an S3 location: it must begin with s3://"),
        ("https://s3.amazonaws.com/", "is not an S3 location: it must begin with s3://"),
        ("S3://a", "is not an S3 location: it must begin with s3://"),
    ],
)
def test_what_is_spelled_otherwise_is_said_as_it_has_to_be(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parsed(text)
    assert refused.value.message == f'"{text}" {message}'


def test_a_long_name_of_a_host_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="must begin with s3://"):
        parsed(f"https://s3{'-a' * 200}.example.com/x")


def test_what_takes_only_locations_in_s3_says_so() -> None:
    with pytest.raises(UsageError, match=r'"\./x/" is a local path, and this takes'):
        parse_location("./x/")


def test_without_a_folder_or_a_home_no_path_is_guessed() -> None:
    with pytest.raises(PlanError, match="it is not known in which folder it begins"):
        Plan.of("./x/", "s3://main/x/")
    with pytest.raises(PlanError, match='it is not known which folder "~" stands for'):
        Plan.of("~/x/", "s3://main/x/", folder=FOLDER)
    assert Plan.of("/x/", "s3://main/x/").routes[0].source == local("/x")


# --- in plans ----------------------------------------------------------------------------------------------------


def test_in_a_plan_a_relative_folder_is_beside_the_plan_and_a_slash_is_still_the_bucket() -> None:
    (route,) = plan("/data/raw/", "./project/").routes
    assert route.source == Location("main", "data/raw/")
    assert route.target == local("/base/here/plans/project")
    (route,) = plan("~/made/", "made/").routes
    assert route.source == local("/users/me/made")
    assert route.target == Location("main", "project/made/")
    (route,) = plan("file:///srv/made/", "/made/").routes
    assert (route.source, route.target) == (local("/srv/made"), Location("main", "made/"))


def test_a_plan_that_is_named_absolutely_has_its_folders_beside_it() -> None:
    found = plan("./made/", "made/", file="/elsewhere/p.toml")
    assert found.routes[0].source == local("/elsewhere/made")
    assert found.folder == PurePosixPath("/elsewhere")


def test_keys_are_mapped_between_a_folder_and_a_bucket() -> None:
    (down,) = plan("/data/", "./data/").routes
    relative = down.relative("data/a/b.png")
    assert down.target_key(relative) == "a/b.png"
    assert str(ObjectRef(down.target.bucket, down.target_key(relative))) == "/base/here/plans/data/a/b.png"
    (one,) = plan("./made/model.tar.gz", "models/model.tar.gz").routes
    assert one.relative("model.tar.gz") == ""
    assert one.source_key("") == "model.tar.gz"
    assert one.target_key("") == "project/models/model.tar.gz"


def test_a_path_may_be_longer_than_any_key_and_is_found_out_when_it_is_mapped() -> None:
    (up,) = plan("./made/", "s3://main/made/").routes
    assert not up.maps_any_key
    assert up.problem_of("x" * 1000) == ""
    assert "has 1,027 bytes, and S3 allows 1,024" in up.problem_of("x" * 1022)
    (down,) = plan("/data/", "./data/").routes
    assert down.maps_any_key


def test_tables_beside_the_routes_are_in_the_folder_that_the_routes_fill() -> None:
    found = plan("/data/", "./data/", text='[[probes]]\nmin_objects = 3\n[[probes]]\nexists = "./data/index.json"')
    assert found.base == local("/base/here/plans/data")
    assert [getattr(probe, "under", None) or getattr(probe, "at", None) for probe in found.probes] == [
        local("/base/here/plans/data"),
        local("/base/here/plans/data", "index.json"),
    ]


def test_a_manifest_may_be_a_local_file_and_its_table_too() -> None:
    manifest = (
        '[manifest]\nobject = "./manifest.json"\ntables = ["../README.md"]\ndatasets = [{ at = "a", route = "r" }]'
    )
    found = plan("/data/", "./data/", text=manifest).manifest
    assert found is not None
    assert [str(place) for place in found.places] == ["/base/here/plans/manifest.json", "/base/here/README.md"]


# --- what may be one place ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target", "problem"),
    [
        ("./x/", "./x/", "it would copy /base/here/x/ onto itself"),
        ("./x/", "../here/x/", "it would copy /base/here/x/ onto itself"),
        ("./x/a", "./x/a", "it would copy /base/here/x/a onto itself"),
        (
            "./x/",
            "./x/y/",
            "its target /base/here/x/y/ is inside its source /base/here/x/: it would copy its own copies",
        ),
        ("./x/y/", "/base/here/", "its source /base/here/x/y/ is inside its target /base/here/"),
        ("/", "./x/", "its target /base/here/x/ is inside its source /"),
    ],
)
def test_a_folder_is_not_copied_into_itself(source: str, target: str, problem: str) -> None:
    assert why(source, target).startswith(problem)


def test_folders_that_only_look_alike_are_two() -> None:
    copy("./x/", "./xy/")
    copy("./x/a", "./x/b")
    assert not covers(local("/base/x"), local("/base/xy"))
    assert covers(local("/base/x"), local("/base/x/y", "a"))
    assert not covers(local("/base/x"), Location("/base/x", "y"))


def test_two_routes_do_not_write_one_file_whatever_their_folders_are_called() -> None:
    second = '[[routes]]\nname = "s"\nfrom = "/other/"\nto = "./project/data/"'
    with pytest.raises(PlanError, match="could write one target key: /base/here/plans/project/data/ is inside"):
        plan("/data/", "./project/", text=second)
    plan("/data/", "./project/", 'exclude = ["data/*"]', text=second)


def test_an_end_with_a_slash_and_one_without_do_not_go_together() -> None:
    assert 'write "./x/a.bin"' in why("s3://main/x/a.bin", "./x/")
    assert 'write "./x/"' in why("s3://main/x/", "./x")


# --- what is kept of it ------------------------------------------------------------------------------------------


def test_the_same_folder_finds_its_ledger_again_from_anywhere() -> None:
    here = copy("s3://main/project/", "./project/")
    there = Plan.of("s3://main/project/", "here/project/".join(("../", "")), folder=FOLDER, home=HOME)
    assert there.digest == here.digest
    assert here.name == there.name
    assert here.name.startswith("project-to-project-")
    assert here.binding_routes[0].target == "/base/here/project/"
    assert here.asked is not None
    again = Plan.again(here.asked)
    assert (again.digest, again.routes) == (here.digest, here.routes)


def test_a_list_of_a_copy_is_the_same_file_from_anywhere_and_its_ledger_is_found_by_the_name_as_typed() -> None:
    plan = Plan.of("s3://bkt/x/", "s3://bkt/y/", keys="k.txt", folder=FOLDER, home=HOME)
    assert (plan.name, plan.digest[:8]) == ("x-to-y-29927e00", "08204258"), "older ledgers are bound to these"
    assert plan.routes[0].key_list == KeyList("keys", path="k.txt") and plan.asked is not None
    again = Plan.again(plan.asked).routes[0].key_list
    assert again is not None and again.at == "/base/here/k.txt"
    old = Plan.of("s3://bkt/x/", "s3://bkt/y/", keys="k.txt")
    assert old.digest == plan.digest and old.asked is not None
    assert Plan.again(old.asked).routes == plan.routes


def test_what_is_asked_of_s3_needs_no_permission_for_a_folder() -> None:
    down = plan("/data/", "./data/")
    assert "s3:GetObject" in actions(down, "run")
    assert "s3:PutObject" not in actions(down, "run")
    assert "/base" not in str(policy(down, "cleanup"))
