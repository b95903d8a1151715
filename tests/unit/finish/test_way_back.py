"""The plan of the way back: what the plan asks of its targets, and what names them, hold where they came from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

from engine.finish.way_back import way_back
from engine.model import FILE_SITE, Location
from engine.plan.document import Plan
from engine.plan.settings import CommandProbe, ExistsProbe, ImageProbe, JsonProbe, NpyProbe, UsearchProbe

FINISH = """
name = "cards"
bucket = "cards"
prefix = "project/"
[[routes]]
name = "raw"
from = "/data/raw/"
to = "data/raw/"
[[routes]]
name = "model"
from = "s3://old/model.tar.gz"
to = "models/1.0"
[[probes]]
npy = "data/raw/x.npy"
shape = [2, 3]
dtype = "float32"
agrees = "rows"
[[probes]]
images = { under = "data/" }
agrees = "images"
[[probes]]
images = { under = "data/raw/", seed = 2 }
agrees = "images"
[[probes]]
name = "the index"
usearch = "data/raw/x.index"
rows = 2
search = false
agrees = "rows"
[[probes]]
csv = "labels.tsv"
headless = true
[[probes]]
json = "models/1.0"
[[probes]]
images = { under = "data/raw/", sample = 3, seed = 7 }
pixels = [640, 480]
[[probes]]
manifest = "metadata/manifest.json"
[[probes]]
exists = "README.md"
[[probes]]
min_objects = 5
under = "data/"
[[probes]]
command = "./check"
args = ["a b"]
timeout = "90s"
[[probes]]
command = "./check"
at = "data/raw/"
[manifest]
object = "metadata/manifest.json"
tables = ["data/raw/README.md"]
set = { "project.version" = "2.0.0" }
datasets = [
  { at = "project.data.raw", route = "raw", description = "Cards", size_in = "MB" },
  { at = "project.model", route = "model" },
]
[references]
scan = ["pipelines/", "data/", "./notebooks/"]
exclude = ["*.bak"]
"""


def test_the_way_back_keeps_what_the_plan_asks_and_what_names_its_places() -> None:
    plan = Plan.parse(FINISH, "plan.toml", folder=PurePath("/work"))
    text = way_back(plan).text
    back = Plan.parse(text, "cards-back.toml", folder=PurePath("/work"))
    was = {probe.name: probe for probe in plan.probes}
    raw = Location("cards", "data/raw/")
    assert back.probes == (
        NpyProbe("npy s3://cards/data/raw/x.npy", raw.at("data/raw/x.npy"), (2, 3), "float32", agrees="rows"),
        ImageProbe("images s3://cards/data/raw/", raw, seed=2),
        UsearchProbe("the index", raw.at("data/raw/x.index"), rows=2, search=False, agrees="rows"),
        replace(was["csv labels.tsv"], name="csv s3://cards/project/labels.tsv"),
        JsonProbe("json s3://old/model.tar.gz", Location("old", "model.tar.gz")),
        ImageProbe("images s3://cards/data/raw/", raw, (640, 480), sample=3, seed=7),
        replace(was["manifest metadata/manifest.json"], name="manifest s3://cards/project/metadata/manifest.json"),
        replace(was["exists README.md"], name="exists s3://cards/project/README.md"),
        plan.probes[-2],
        CommandProbe("command ./check", "./check", (), raw),
    )
    assert "# Left out: not all of s3://cards/project/data/ is one route's." in text
    assert plan.manifest is not None
    assert back.manifest == replace(plan.manifest, set=(), tables=(raw.at("data/raw/README.md"),))
    assert "left as it is: project.version" in text
    scanned = ("project/pipelines/", "project/data/", "data/raw/")
    assert back.references == replace(plan.references, locations=tuple(map(raw.at, scanned)))
    assert back.base == plan.base


def test_the_way_back_that_lies_elsewhere_looks_through_the_same_folders() -> None:
    plan = Plan.parse(FINISH, "plans/plan.toml", folder=PurePath("/work"))
    back = Plan.parse(way_back(plan, here=PurePath("/work")).text, "/state/cards-back.toml")
    assert back.references.folders == ("file:///work/plans/notebooks/",)


def test_what_the_way_back_looks_at_is_at_the_site_where_it_will_be() -> None:
    plan = Plan.parse(
        '[sites.near]\nendpoint_url = "http://127.0.0.1:9000"\n[[routes]]\nname = "r"\n'
        'from = "s3://main/a/"\nto = "s3://copies/a/"\nto_site = "near"\n'
        '[[routes]]\nname = "s"\nfrom = "file:///srv/b/"\nto = "s3://copies/b/"\nto_site = "near"\n'
        '[[probes]]\nexists = "s3://copies/a/x"\n[[probes]]\nexists = "s3://copies/b/x"\n'
        '[[probes]]\nexists = "s3://copies/elsewhere"\n[[probes]]\nexists = "s3://copies/a/"\nsite = "near"\n'
        '[manifest]\nobject = "s3://copies/a/manifest.json"\ntables = ["s3://copies/README.md"]\n'
        'datasets = [{ at = "a", route = "r" }]\n'
        '[references]\nscan = ["s3://copies/b/", "s3://copies/code/"]\n'
    )
    text = way_back(plan).text
    back = Plan.parse(text)
    places = [Location("main", "a/x"), Location("/srv/b", "x", FILE_SITE), Location("copies", "elsewhere", "near")]
    places.append(Location("main", "a/"))
    assert [probe.at for probe in back.probes if isinstance(probe, ExistsProbe)] == places
    assert back.manifest is not None and back.manifest.places == (Location("main", "a/manifest.json"),)
    assert "# Left out, since it is at another site: near:s3://copies/README.md" in text
    assert back.references.folders == ("file:///srv/b/",)
    assert back.references.locations == (Location("copies", "code/", "near"),)
