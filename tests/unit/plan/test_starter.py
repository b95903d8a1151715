"""The plan that `cartage init` writes loads as it is, and with every setting that it shows."""

from __future__ import annotations

import re

import pytest

from engine.plan.document import Plan
from engine.plan.starter import starter_plan


def uncommented(text: str) -> str:
    """The text with every setting behind a "#" without a space made to count."""
    return re.sub(r"^#(?=[a-z\[])", "", text, flags=re.MULTILINE)


def test_it_loads_as_it_is() -> None:
    plan = Plan.parse(starter_plan())
    assert plan.name == "my-migration"
    assert [(str(route.source), str(route.target)) for route in plan.routes] == [
        ("s3://my-bucket/data/", "s3://my-bucket/project/data/")
    ]


def test_every_setting_that_it_shows_loads_too() -> None:
    plan = Plan.parse(uncommented(starter_plan()))
    assert len(plan.probes) == 9
    assert len(plan.expectations) == 2
    assert plan.manifest is not None
    assert plan.references.folders == ("./notebooks/",)
    assert plan.routes[0].storage_class == "INTELLIGENT_TIERING"
    assert plan.routes[0].target.site == "other"
    assert plan.connection_of("other").profile == "other"


def test_what_it_shows_as_the_default_is_the_default() -> None:
    bare = Plan.parse(starter_plan())
    shown = {"overwrite", "exact", "properties"}
    lines = starter_plan().split("\n")
    said = "\n".join(line[1:] if line[1:].split(" ")[0] in shown else line for line in lines)
    assert said != starter_plan()
    assert Plan.parse(said) == bare


def test_it_takes_the_users_own_values() -> None:
    text = starter_plan(
        "cards", bucket="cards-bucket", prefix="p/", source="s3://old/x/", target="x/", region="eu-west-1"
    )
    plan = Plan.parse(text)
    assert (plan.name, plan.connection.region) == ("cards", "eu-west-1")
    assert str(plan.routes[0].source) == "s3://old/x/"
    assert str(plan.routes[0].target) == "s3://cards-bucket/p/x/"


@pytest.mark.parametrize("key", ['a"b', "a\\b", "a\nb", "a\x7fb", "😀", "{name}", "a\x01b"])
def test_a_key_arrives_whatever_is_in_it(key: str) -> None:
    plan = Plan.parse(starter_plan(source=f"s3://old/{key}/", target=f"{key}/"))
    assert plan.routes[0].source.key == f"{key}/"
    assert plan.routes[0].target.key == f"project/{key}/"
