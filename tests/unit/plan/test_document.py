"""What a plan file comes to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.api.load import load_plan
from engine.errors import PlanError, UsageError
from engine.model import Encryption, Location, ObjectLock, Overwrite, Proof
from engine.plan.document import Plan
from engine.plan.route import PropertyRule
from engine.plan.settings import (
    CommandProbe,
    Connection,
    CsvProbe,
    Dataset,
    ExistsProbe,
    ImageProbe,
    JsonProbe,
    ManifestProbe,
    MinObjectsProbe,
    NpyProbe,
    ParquetProbe,
    UsearchProbe,
)

EXAMPLE = Path(__file__).parents[3] / "examples" / "pokemon.toml"
BUCKET = "pokemon-card-training-us-east-2"
UNDER = "project/pokemon-card-recognition/"

FULL = """\
name = "full"
bucket = "main"
prefix = "project/"

[connection]
region = "eu-west-1"
endpoint_url = "http://127.0.0.1:9000"
profile = "work"
credentials = "none"
request_payer = true
addressing_style = "path"
ca_bundle = "ca.pem"
expected_bucket_owner = "123456789012"

[[routes]]
name = "everything"
from = "/in/"
to = "out/"
include = ["*.png"]
exclude = ["tmp/*"]
since = 2026-01-31
until = 2026-02-01T01:00:00+01:00
min_size = "1 kB"
max_size = "1 GiB"
storage_class = "STANDARD_IA"
tags = { project = "p", cost = "c" }
metadata = { Origin = "o" }
overwrite = "if-different"
exact = true
inventory = "s3://lists/manifest.json"
expect = { objects = 2, size = "100 MB", tolerance = "5 MB" }

[routes.properties]
content_headers = { cache_control = "no-store" }
encryption = { algorithm = "aws:kms", kms_key_id = "key", bucket_key = true }
lock = { mode = "GOVERNANCE", retain_until = 2030-01-01 }
website_redirect = { location = "/new" }

[[expect]]
objects = 3

[[probes]]
name = "card array"
npy = "a.npy"
shape = [3, 4]

[[probes]]
json = "/b.json"
items = 3

[[probes]]
exists = "s3://other/c"

[[probes]]
min_objects = 5
under = "out/"

[[probes]]
command = "python3"
args = ["check.py", "--all"]
at = "d.index"
timeout = "5m"

[manifest]
object = "manifest.json"
set = { "project.version" = "2.0.0", "project.date" = 2026-01-31 }
datasets = [{ at = "project.data", route = "everything", description = "All", size_in = "GB" }]

[references]
scan = ["pipelines/", "s3://other/x", "./notebooks/"]
exclude = ["*.bak"]

[cleanup]
hold = "2d"
proof = "bytes"
unconditional = true
"""


def minimal(rules: str = "") -> Plan:
    return Plan.parse(f'[[routes]]\nname = "r"\nfrom = "s3://one/a/"\nto = "s3://two/b/"\n{rules}')


PROBES = """
bucket = "main"
prefix = "project/"
[[routes]]
name = "r"
from = "/in/"
to = "out/"
[[probes]]
usearch = "u.index"
rows = 3
dims = 4
metric = "cos"
dtype = "float16"
search = true
agrees = "cards"
[[probes]]
parquet = "/t.parquet"
rows = 3
columns = 2
agrees = "cards"
[[probes]]
csv = "t.tsv"
header = ["id", "name"]
[[probes]]
csv = "t.csv"
headless = true
delimiter = ";"
[[probes]]
image = "i.png"
pixels = [640, 480]
[[probes]]
images = { under = "cards/", sample = 9, seed = 7 }
rows = 3
agrees = "cards"
[[probes]]
name = "told"
manifest = "m.yaml"
"""


def test_probes_of_every_format() -> None:
    def at(key: str) -> Location:
        return Location("main", key)

    assert Plan.parse(PROBES).probes == (
        UsearchProbe("usearch u.index", at("project/u.index"), 3, 4, "cos", "float16", True, agrees="cards"),
        ParquetProbe("parquet /t.parquet", at("t.parquet"), 3, 2, None, agrees="cards"),
        CsvProbe("csv t.tsv", at("project/t.tsv"), header=("id", "name"), delimiter="\t"),
        CsvProbe("csv t.csv", at("project/t.csv"), headless=True, delimiter=";"),
        ImageProbe("image i.png", at("project/i.png"), (640, 480)),
        ImageProbe("images cards/", at("project/cards/"), None, 3, 9, 7, agrees="cards"),
        ManifestProbe("told", at("project/m.yaml"), at("project/")),
    )


def test_the_reference_migration_loads_and_says_what_its_owner_wrote() -> None:
    plan = load_plan(EXAMPLE)

    assert plan.name == "pokemon-consolidation"
    assert [(route.name, str(route.source), route.target.key) for route in plan.routes] == [
        ("calibration", f"s3://{BUCKET}/data/calibration/", f"{UNDER}models/efficientnet-hailo/calibration/"),
        ("raw", f"s3://{BUCKET}/data/raw/", f"{UNDER}data/raw/"),
        ("processed", f"s3://{BUCKET}/data/processed/", f"{UNDER}data/processed/"),
        ("reference", f"s3://{BUCKET}/data/reference/", f"{UNDER}data/reference/"),
        (
            "teacher",
            f"s3://{BUCKET}/training-output/dinov3-teacher/model.tar.gz",
            f"{UNDER}models/dinov3-teacher/v1.0/model.tar.gz",
        ),
    ]
    assert [(item.name, item.objects, item.size_bytes) for item in plan.expectations] == [
        ("calibration", 1024, 734_000_000),
        ("raw", 17_592, 13_000_000_000),
        ("processed", 17_592, 13_000_000_000),
        ("reference", 4, 109_000_000),
        ("teacher", 1, 5_600_000_000),
        ("total", 52_994, 26_800_000_000),
    ]
    assert plan.expectations[-1].routes == ("calibration", "raw", "processed", "reference")
    assert plan.cleanup.hold_s == 86_400
    assert plan.cleanup.proof is Proof.DIGEST
    assert plan.manifest is not None
    assert [item.route for item in plan.manifest.datasets] == ["raw", "processed", "reference", "calibration"]
    assert isinstance(plan.probes[0], NpyProbe)
    assert plan.probes[0].shape == (17_592, 768)
    assert plan.folder == EXAMPLE.parent


def test_every_setting_arrives() -> None:
    plan = Plan.parse(FULL, source="plans/full.toml")
    (route,) = plan.routes

    assert plan.connection == Connection(
        "eu-west-1", "http://127.0.0.1:9000", "work", "none", "requester", "path", "ca.pem", "123456789012"
    )
    assert (route.source, route.target) == (Location("main", "in/"), Location("main", "project/out/"))
    assert route.selection.include == ("*.png",)
    assert route.selection.exclude == ("tmp/*",)
    assert (route.selection.since, route.selection.until) == ("2026-01-31T00:00:00", "2026-02-01T00:00:00")
    assert (route.selection.min_bytes, route.selection.max_bytes) == (1000, 1 << 30)
    assert route.storage_class == "STANDARD_IA"
    assert route.set_tags == (("cost", "c"), ("project", "p"))
    assert route.set_metadata == (("origin", "o"),)
    assert route.set_headers == (("cache_control", "no-store"),)
    assert route.set_encryption == Encryption("aws:kms", "key", True)
    assert route.set_lock == ObjectLock("GOVERNANCE", "2030-01-01T00:00:00Z")
    assert route.set_redirect == "/new"
    assert route.properties.tags is PropertyRule.SET
    assert route.properties.storage_class is PropertyRule.SET
    assert route.overwrite is Overwrite.IF_DIFFERENT
    assert route.exact
    assert route.key_list is not None
    assert str(route.key_list) == "s3://lists/manifest.json"
    assert route.line == 15
    assert plan.expectations[0].tolerance_bytes == 5_000_000
    assert plan.expectations[1].routes == ("everything",)
    assert plan.probes == (
        NpyProbe("card array", Location("main", "project/a.npy"), (3, 4)),
        JsonProbe("json /b.json", Location("main", "b.json"), 3),
        ExistsProbe("exists s3://other/c", Location("other", "c")),
        MinObjectsProbe("min_objects out/", Location("main", "project/out/"), 5),
        CommandProbe("command python3", "python3", ("check.py", "--all"), Location("main", "project/d.index"), 300),
    )
    assert plan.manifest is not None
    assert plan.manifest.set == (("project.version", "2.0.0"), ("project.date", "2026-01-31"))
    assert plan.manifest.datasets == (Dataset("project.data", "everything", "All", "GB"),)
    assert plan.references.locations == (Location("main", "project/pipelines/"), Location("other", "x"))
    assert plan.references.folders == ("./notebooks/",)
    assert plan.local_path("./notebooks/") == Path("plans/notebooks")
    assert (plan.cleanup.hold_s, plan.cleanup.proof, plan.cleanup.unconditional) == (172_800, Proof.BYTES, True)


@pytest.mark.parametrize("written", ['"project.version" = 1', "project.version = 1", "project = { version = 1 }"])
def test_a_place_in_the_manifest_is_one_place_however_it_is_written(written: str) -> None:
    """Setting project.version must never replace all of "project"."""
    manifest = minimal(f'[manifest]\nobject = "s3://two/m.json"\nset = {{ {written} }}').manifest
    assert manifest is not None
    assert manifest.set == (("project.version", 1),)


def test_what_is_not_said_is_safe() -> None:
    plan = minimal()
    (route,) = plan.routes

    assert route.overwrite is Overwrite.NEVER
    assert route.selects_all
    assert route.plain_properties
    assert plan.cleanup.hold_s == 86_400
    assert not plan.cleanup.unconditional
    assert plan.name == "plan"  # after the file
    assert plan.base == route.target


def test_windows_line_endings_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "full.toml"
    path.write_bytes(b"\xef\xbb\xbf" + FULL.replace("\n", "\r\n").encode())
    assert load_plan(path) == Plan.parse(FULL)


def test_the_digest_is_of_the_meaning_and_not_of_the_text() -> None:
    bare = '[[routes]]\nname = "r"\nfrom = "s3://one/a/"\nto = "s3://two/b/"'
    said = "# a comment\n" + bare + '\noverwrite = "never"\n[cleanup]\nhold = "1d"'
    assert Plan.parse(bare).digest == Plan.parse(said, source="elsewhere/plan.toml").digest
    assert Plan.parse(bare).digest != Plan.parse(said.replace("1d", "2d")).digest


@pytest.mark.parametrize(
    "rules",
    ['overwrite = "always"', "exact = true", "expect = { objects = 3 }", '[cleanup]\nhold = "7d"'],
)
def test_what_may_change_under_a_ledger_does_not_change_the_binding(rules: str) -> None:
    assert minimal(rules).binding_routes == minimal().binding_routes


@pytest.mark.parametrize(
    "rules",
    ['include = ["*.png"]', "min_size = 1", 'storage_class = "GLACIER"', 'tags = { a = "b" }', 'keys = "k.txt"'],
)
def test_what_decides_the_copies_changes_the_binding(rules: str) -> None:
    (before,), (after,) = minimal().binding_routes, minimal(rules).binding_routes
    assert before[:3] == after[:3]
    assert before.digest != after.digest


def test_the_binding_is_the_same_in_every_version() -> None:
    """A digest that changed with a release would lock users out of their ledgers."""
    (binding,) = minimal('include = ["*.png"]').binding_routes
    assert binding.digest == "92059c0923f56c79dae67586247f968afca6bdac8efbe531058fea59a361a0e0"


def test_a_prefix_is_taken_exactly_as_written() -> None:
    """Two slashes at its end are two slashes of a key, in what is relative and in the plan's own place alike."""
    for prefix in ("project/", "project//", "a//b/", ""):
        plan = Plan.parse(f'bucket = "one"\nprefix = "{prefix}"\n[[routes]]\nname = "r"\nfrom = "/old/"\nto = "new/"\n')
        assert (plan.routes[0].target.key, plan.base.key) == (f"{prefix}new/", prefix)


def test_a_plan_of_one_route_needs_no_file() -> None:
    plan = Plan.of("s3://one/data/raw/", "s3://two/b/", include=["*.png"], tags={"a": "b"})
    (route,) = plan.routes
    assert route.source == Location("one", "data/raw/")
    assert route.selection.include == ("*.png",)
    assert route.set_tags == (("a", "b"),)
    assert plan.name == route.name


def test_the_same_copy_has_the_same_name_and_another_one_another() -> None:
    one = Plan.of("s3://one/data/raw/", "s3://two/b/")
    assert one.name == Plan.of(Location("one", "data/raw/"), "s3://two/b/").name
    assert one.name.startswith("raw-to-b-")
    assert one.name == Plan.of("s3://one/data/raw/", "s3://two/b/", overwrite="always").name
    others = [
        Plan.of("s3://one/other/raw/", "s3://two/b/"),
        Plan.of("s3://one/data/raw/", "s3://two/c/b/"),
        Plan.of("s3://one/data/raw/", "s3://two/b/", exclude=["*.tmp"]),
    ]
    assert len({one.name, *(other.name for other in others)}) == 4


@pytest.mark.parametrize("key", ["", "../../etc/", "a b/\u202e/", "x" * 500 + "/", "-rf/"])
def test_the_name_of_one_route_can_always_be_a_file_beside_us(key: str) -> None:
    name = Plan.of(f"s3://one/{key}", "s3://two/b/").name
    assert "/" not in name
    assert not name.startswith((".", "-"))
    assert name.isascii()
    assert len(name) < 90


def test_a_plan_of_one_route_is_refused_like_any_other() -> None:
    with pytest.raises(PlanError) as refused:
        Plan.of("s3://one/a/", "s3://one/a/b", include=["[x"], min_size="3 M")
    assert len(refused.value.problems) == 3


def test_asking_for_an_unknown_route_names_those_there_are() -> None:
    with pytest.raises(UsageError, match='no route "x"; it has r'):
        minimal().route("x")


def test_the_engine_imports_a_plan_without_what_reads_its_file() -> None:
    code = "import sys, engine.plan.document; sys.exit('engine.plan.reading' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=EXAMPLE.parents[1]).returncode == 0
