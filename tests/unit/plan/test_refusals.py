"""A plan is refused once, with every reason, each with its line and its route."""

from __future__ import annotations

import pytest

from engine.api.load import load_plan
from engine.errors import PlanError, UsageError
from engine.plan.document import Plan

TEN_MISTAKES = """\
name   = "ten-mistakes"
bucket = "my-bucket"
prefix = "project/"

[[routes]]
name = "nested"
from = "/data/"
to   = "/data/copies/"

[[routes]]
name   = "sizes"
from   = "/one/"
to     = "one/"
expect = { objects = 10, size = "734 MBs" }

[[routes]]
name   = "spelling"
from   = "/two/"
to     = "two/"
includ = ["*.png"]

[[routes]]
name = "slashes"
from = "/three/"
to   = "three"

[[routes]]
name = "outer"
from = "/four/"
to   = "same/"

[[routes]]
name = "inner"
from = "/five/"
to   = "same/deeper/"

[[routes]]
name = "outer"
from = "/six/"
to   = "six/"

[[routes]]
name = "itself"
from = "s3://my-bucket/seven/"
to   = "/seven/"

[[routes]]
name = "bucket"
from = "s3://My..Bucket!/eight/"
to   = "eight/"

[[routes]]
name = "directory"
from = "/nine/"
to   = "s3://fast--usw2-az1--x-s3/nine/"

[[expect]]
routes  = ["sizes", "speling"]
objects = 10
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(PlanError) as refused:
        Plan.parse(text)
    return list(refused.value.problems)


def one_route(rules: str = "", *, top: str = "", source: str = "s3://one/a/", target: str = "s3://two/b/") -> str:
    return f'{top}\n[[routes]]\nname = "r"\nfrom = "{source}"\nto = "{target}"\n{rules}\n'


def test_a_plan_with_ten_mistakes_lists_all_ten_with_their_lines_and_routes() -> None:
    with pytest.raises(PlanError) as refused:
        Plan.parse(TEN_MISTAKES)

    assert str(refused.value) == "\n".join(
        [
            "The plan has 10 problems:",
            '  - line 5, route "nested": its target s3://my-bucket/data/copies/ is inside its source '
            "s3://my-bucket/data/: it would copy its own copies",
            '  - line 14, route "sizes": expect.size: "734 MBs" is not a size: write 734 MB (decimal) or 734 MiB '
            "(binary)",
            '  - line 20, route "spelling": unknown key "includ"; did you mean "include"?',
            '  - line 25, route "slashes": to: "three" is one exact key, and "/three/" is everything under '
            'that prefix: write "three/"',
            '  - line 32, route "inner": routes "outer" and "inner" could write one target key: '
            "s3://my-bucket/project/same/deeper/ is inside s3://my-bucket/project/same/ (leave it out of route "
            '"outer" by an exclude if they never meet)',
            '  - line 38, route "outer": name: another route is called "outer" already',
            '  - line 42, route "itself": it would copy s3://my-bucket/seven/ onto itself',
            '  - line 49, route "bucket": from: "My..Bucket!" is not a bucket name: only letters, digits, dots and '
            "hyphens can be in it",
            '  - line 55, route "directory": to: "fast--usw2-az1--x-s3" is a directory bucket: it lists its keys in '
            "no order, so that two sides cannot be compared safely",
            '  - line 58, [[expect]]: routes: there is no route "speling"; did you mean "spelling"?',
        ]
    )
    assert refused.value.exit_code == 2
    assert "Nothing was sent to S3" in refused.value.advice


def test_a_syntax_error_names_its_line() -> None:
    assert problems_of('name = "a"\n\n[[routes]\n') == [
        "line 3: this is not TOML: expected ']]' at the end of an array declaration"
    ]


def test_a_syntax_error_at_the_end_names_the_last_line() -> None:
    (problem,) = problems_of('name = "a"\nx = [1,\n')
    assert problem.startswith("line 2: this is not TOML")


@pytest.mark.parametrize("text", ["x = " + "[" * 5000 + "]" * 5000, "x = " + "9" * 5000])
def test_what_toml_cannot_hold_is_refused_without_a_traceback(text: str) -> None:
    assert len(problems_of(text)) == 1


def test_a_file_that_is_not_utf8_names_the_line(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "plan.toml"
    path.write_bytes(b'name = "a"\n# caf\xe9\n')
    with pytest.raises(PlanError, match="line 2: the file is not UTF-8"):
        load_plan(path)


def test_a_plan_that_is_not_there_says_where_it_was_looked_for(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=r"there is no plan at .*nowhere\.toml") as refused:
        load_plan(tmp_path / "nowhere.toml")
    assert "cartage init" in refused.value.advice


def test_a_ledger_in_the_plans_place_is_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "k.ledger"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 84)
    with pytest.raises(UsageError, match=r"k\.ledger is a ledger, and no plan") as refused:
        load_plan(path)
    assert refused.value.advice == f"Give it with --ledger {path}"


def test_a_folder_is_no_plan(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match="cannot be read"):
        load_plan(tmp_path)


def test_a_plan_without_routes_is_refused() -> None:
    assert problems_of('name = "a"') == ["there is no [[routes]], so that nothing would be copied"]


def test_single_brackets_around_routes_are_explained() -> None:
    assert problems_of('[routes]\nname = "a"') == [
        "line 1, [routes]: there can be several: write [[routes]], with two brackets"
    ]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ('overwrite = "perhaps"', 'overwrite: must be "never", "if-different" or "always"'),
        ('exact = "yes"', "exact: must be true or false"),
        ('include = ["[abc"]', 'include: the pattern "[abc" has a "[" that is never closed'),
        ('include = ["s3://one/a/x"]', 'is a location: patterns are matched against the key after "from"'),
        ('exclude = [""]', 'the pattern "" is empty and would match nothing'),
        ('since = "last week"', 'since: "last week" is not a date: write 2026-01-31 or 2026-01-31T10:00:00Z'),
        ("since = 2026-02-01\nuntil = 2026-01-01", "until: 2026-01-01T00:00:00 is not after since"),
        ('min_size = "5 M"', 'min_size: "5 M" is not a size: write 5 MB (decimal) or 5 MiB (binary)'),
        ("min_size = 10\nmax_size = 9", "max_size: is below min_size, so that nothing would be copied"),
        ('storage_class = "INTELIGENT_TIERING"', 'did you mean "INTELLIGENT_TIERING"?'),
        ('storage_class = "?"', '"?" is not a storage class: S3 has STANDARD'),
        ('tags = { "aws:x" = "1" }', 'keys that begin with "aws:" belong to AWS'),
        ("tags = { a = 1 }", "tags.a: must be text"),
        ('metadata = { a = "é" }', "metadata.a: cannot be sent in a header: use printable ASCII"),
        ('metadata = { a = "1", A = "2" }', "metadata.A: is there twice"),
        ('properties = { tags = "keep" }', 'properties.tags: must be "preserve", "set", "drop" or "fail"'),
        ('properties = { tags = "set" }', '"set" needs a value: give the route tags = …'),
        ('tags = { a = "1" }\nproperties = { tags = "drop" }', '"drop" contradicts the tags that the route sets'),
        ('properties = { lock = "set" }', '"set" needs values: write a table of them in its place'),
        ('properties = { acl = "set" }', '"set" needs values'),
        ('properties = { encryption = { algorithm = "AES256", kms_key_id = "k" } }', "AES256 has no KMS key"),
        ('properties = { content_headers = { content_typ = "a" } }', 'unknown key "content_typ" in content_headers'),
        ('keys = "a.txt"\ninventory = "b.json"', "a route has one list: keys or inventory, not both"),
        ('keys = "./a\\u0000b"', "keys: has a NUL in it, which no name of a file can have"),
        ('keys = "s3://lists/all/"', "is a prefix: name the one object that holds the list"),
        ("expect = {}", "expect: nothing is expected: give objects, size or both"),
        ("expect = { objects = -1 }", "expect.objects: must not be below 0"),
        ('expect = { objects = 1, tolerance = "1 %" }', "goes with a size; objects are counted exactly"),
        ('expect = { size = 1, tolerance = "some" }', '"some" is not a tolerance: write "1 %" or a size'),
        ('destination = "x"', 'unknown key "destination"; did you mean "to"?'),
    ],
)
def test_a_rule_that_cannot_be_meant_is_named(rules: str, expected: str) -> None:
    (problem,) = problems_of(one_route(rules))
    assert problem.startswith(("line 2, ", "line 6, ", "line 7, "))
    assert 'route "r"' in problem
    assert expected in problem


@pytest.mark.parametrize("ends", ['from = "s3://one/a/"\nto = "s3://two/b/"', 'to = "s3://two/b/"'])
def test_all_that_is_wrong_with_what_is_expected_is_said_at_once(ends: str) -> None:
    expect = 'expect = { objects = "5", sizes = 3, tolerance = "x" }'
    found = problems_of(f'[[routes]]\nname = "r"\n{ends}\n{expect}')
    assert [problem.partition('route "r": ')[2] for problem in found if '"from"' not in problem] == [
        "expect.objects: must be a whole number",
        'unknown key "sizes" in expect; did you mean "size"?',
        'expect.tolerance: "x" is not a tolerance: write "1 %" or a size such as "50 MB"',
    ]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("data/", "s3://two/b/", 'from: "data/" is not a complete location: write s3://bucket/data/'),
        (
            "/data/",
            "s3://two/b/",
            "needs a bucket: write s3://bucket/data/, or name the plan's bucket; on this machine it is file:///data/",
        ),
        ("s3://one/a/", "b/", "is relative, and the plan names no bucket"),
        ("https://one/a/", "s3://two/b/", "is not an S3 location: it must begin with s3://"),
        ("s3:///a/", "s3://two/b/", "names no bucket"),
        ("s3://ab/a/", "s3://two/b/", "it must have 3 to 63 characters"),
        ("s3://1.2.3.4/a/", "s3://two/b/", "it looks like an IP address"),
        ("s3://one/a/", "s3://two/b", 'and "s3://one/a/" is everything under that prefix: write "s3://two/b/"'),
        (
            "s3://one/a/model.bin",
            "s3://two/b/",
            'write "s3://two/b/model.bin", or "s3://one/a/model.bin/" as the source',
        ),
        ("s3://one/a/", f"s3://two/{'x' * 1024}/", "has 1,025 bytes, and S3 allows 1,024"),
        ("s3://one/a/", f"s3://two/{'x' * 1023}/", "leaves no room for a key"),
        ("s3://one/a/", "s3://one/a/b/", "is inside its source"),
        ("s3://one/a/b/", "s3://one/a/", "is inside its target"),
        ("s3://one/a/", "s3://one/a/", "onto itself"),
        ("s3://one/a", "s3://one/a", "onto itself"),
        ("s3://one", "s3://one/copy/", "is inside its source"),
        ("s3://one/a/", "s3://thing-abc-s3alias/a/", "(an access point may stand for the same bucket)"),
    ],
)
def test_ends_that_cannot_be_joined_are_refused(source: str, target: str, expected: str) -> None:
    (problem,) = problems_of(one_route(source=source, target=target))
    assert 'route "r"' in problem
    assert expected in problem


def test_neighbours_that_only_look_nested_are_fine() -> None:
    plan = Plan.parse(one_route(source="s3://one/data/raw/", target="s3://one/data/raw2/"))
    assert str(plan.routes[0].target) == "s3://one/data/raw2/"


def test_a_route_without_its_source_is_still_judged_in_all_else() -> None:
    problems = problems_of('[[routes]]\nname = "r"\nto = "s3://a!b/x/"\nfrm = "s3://one/a/"')
    assert problems == [
        'line 1, route "r": "from" is missing',
        'line 3, route "r": to: "a!b" is not a bucket name: only letters, digits, dots and hyphens can be in it',
        'line 4, route "r": unknown key "frm"; did you mean "from"?',
    ]


def test_a_route_without_a_name_is_called_by_its_number() -> None:
    assert problems_of('[[routes]]\nfrom = "s3://one/a/"\nto = "s3://two/b/"') == [
        'line 1, route number 1: "name" is missing'
    ]


def test_a_refused_pattern_makes_no_second_mistake_of_its_route() -> None:
    text = one_route('include = ["[a"]') + one_route('include = ["*.json"]').replace('"r"', '"s"')
    assert len(problems_of(text)) == 1


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("[connection]\nregon = 'x'", '[connection]: unknown key "regon"; did you mean "region"?'),
        ("[connection]\nendpoint_url = 'localhost:9000'", "must begin with http:// or https://"),
        ("[connection]\nexpected_bucket_owner = 'me'", "must be an account id of 12 digits"),
        ('[cleanup]\nhold = "9999999d"', 'hold: "9999999d" is too long: a duration is 100 years (36500d) at most'),
        ("[cleanup]\nhold = 24", 'hold: 24 is not a duration: it needs a unit, such as "24h"'),
        ("[cleanup]\nproof = 'none'", 'proof: must be "size", "digest" or "bytes"'),
        ("[[probes]]\nshape = [1]", "[[probes]]: a probe is one of npy, json, usearch, parquet, csv, image, images, "),
        ("[[probes]]\nnpy = 's3://two/x'\nitems = 1", "items: goes with json, not with npy"),
        ("[[probes]]\ncsv = 's3://two/x'\ndtype = 'f4'", "dtype: goes with npy, usearch, not with csv"),
        ("[[probes]]\ncsv = 's3://two/x'\ndelimiter = ';;'", "delimiter: must be one character"),
        ("[[probes]]\ncsv = 's3://two/x'\nheadless = true\nheader = ['a']", "has none to compare"),
        ("[[probes]]\ncsv = 's3://two/x'\nagrees = 'cards'", 'no other probe agrees on "cards"'),
        ("[[probes]]\nusearch = 's3://two/x'\nmetric = 'cosine'", '"cosine" is not a metric of USearch'),
        ("[[probes]]\nusearch = 's3://two/x'\ndtype = '<f2'", '"<f2" is not a type of USearch'),
        ("[[probes]]\nimage = 's3://two/x'\npixels = [1]", "pixels: must be width and height"),
        ("[[probes]]\nimages = { under = 's3://two/x' }", "is one exact key: end it with a slash"),
        ("[[probes]]\nimages = { under = 's3://two/x/', sample = 0 }", "sample: must not be below 1"),
        ("[[probes]]\nimages = { sample = 3 }", '"under" is missing'),
        ("[[probes]]\nmanifest = 'file:///m.json'", "is a local file: name an object in S3"),
        ("[[probes]]\nnpy = 's3://two/x/'", "is a prefix: name one object"),
        ("[[probes]]\nnpy = 's3://two/x'\ndtype = 'floaty'", '"floaty" is not a type of NumPy'),
        ("[[probes]]\nmin_objects = 1\nunder = 's3://two/x'", "is one exact key: end it with a slash"),
        ("[manifest]\nset = {}", "[manifest]: it names nothing to bring up to date"),
        ("[manifest]\nobject = 's3://two/x/'", "is a prefix: name the one object or file"),
        ("[manifest]\nobject = 's3://two/m'\ndatasets = [{ at = 'a', route = 'q' }]", 'there is no route "q"'),
        ("[manifest]\nobject = 's3://two/m'\nset = { 'a..b' = 1 }", "is not a place in a manifest"),
        ("[manifest]\ntables = ['s3://two/R.md']", "a table is of datasets, and there are none"),
        ("[manifest]\ntables = ['s3://two/d/']\ndatasets = [{ at = 'a', route = 'r' }]", "name the one object or file"),
        (
            "[manifest]\ntables = ['s3://two/R.md']\nset = { a = 1 }\ndatasets = [{ at = 'a', route = 'r' }]",
            "goes with object, which is not there",
        ),
        ("[references]\nscan = ['data/']", "is relative, and the plan names no bucket"),
        ("[[expect]]\nobjects = 1\nname = 'r'", "is the name of a route or another expectation already"),
        ("[[expect]]\nobjects = 1\nroutes = []", "names no route: leave it out to mean all"),
        ("[cleanups]", 'unknown key "cleanups"; did you mean "cleanup"?'),
    ],
)
def test_the_other_tables_are_judged_as_strictly(table: str, expected: str) -> None:
    (problem,) = problems_of(one_route() + table)
    assert problem.startswith("line ")
    assert expected in problem


@pytest.mark.parametrize("name", ["a/b", "../a", ".hidden", "", "a\\nb", "x."])
def test_a_name_that_could_not_be_a_file_is_refused(name: str) -> None:
    (problem,) = problems_of(one_route(top=f'name = "{name}"'))
    assert problem.startswith("line 1: name:")


@pytest.mark.parametrize("prefix", ["project", "/project/", "s3://one/project/"])
def test_a_prefix_that_would_not_be_one_is_refused(prefix: str) -> None:
    (problem,) = problems_of(one_route(top=f'prefix = "{prefix}"'))
    assert problem.startswith("line 1: prefix:")
