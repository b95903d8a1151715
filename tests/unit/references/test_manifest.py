"""The owner's manifest from the reference plan, and what a manifest keeps of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.ledger.composition import Share
from engine.model import Proof
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import Tally
from engine.references.telling import ManifestRefused, held_by, updated

PLAN = Plan.parse(
    """name = "cards"
bucket = "cards-bucket"
prefix = "project/x/"
[[routes]]
name = "raw"
from = "/data/raw/"
to = "data/raw/"
[[routes]]
name = "reference"
from = "/data/reference/"
to = "data/reference/"
[manifest]
object = "metadata/manifest.json"
set = { "project.version" = "2.0.0" }
datasets = [
  { at = "project.data.raw", route = "raw", description = "Card images" },
  { at = "project.data.reference", route = "reference" },
]
"""
)
HELD = {"raw": Share(17_592, 13_000_000_000), "reference": Share(4, 109_237_752)}


def after(text: str, held: dict[str, Share] = HELD) -> str:
    assert PLAN.manifest is not None
    return updated(str(PLAN.manifest.object), text, PLAN, PLAN.manifest, held)


def test_every_named_place_is_filled_and_nothing_else_moves() -> None:
    text = """{
    "project": {
        "version": "1.4.0",  "score": 1.50,
        "data": {
            "raw": { "path": "s3://cards-bucket/data/raw/", "size_gb": 13.0, "num_files": 17592, "notes": "a\\u00e9" }
        }
    },
    "z": [1,2 ,3]
}
"""
    assert after(text) == """{
    "project": {
        "version": "2.0.0",  "score": 1.50,
        "data": {
            "raw": { "path": "s3://cards-bucket/project/x/data/raw/", "size_gb": 13.0, "num_files": 17592, "notes": "a\\u00e9", "description": "Card images" },
            "reference": {
                "path": "s3://cards-bucket/project/x/data/reference/",
                "size_mb": 109.2,
                "num_files": 4
            }
        }
    },
    "z": [1,2 ,3]
}
"""  # fmt: skip  # noqa: E501
    assert after(after(text)) == after(text)


def test_a_manifest_that_has_nothing_yet_gets_all_of_it() -> None:
    made: Any = json.loads(after("{}"))
    assert made["project"]["version"] == "2.0.0"
    assert made["project"]["data"]["raw"] == {
        "path": "s3://cards-bucket/project/x/data/raw/",
        "size_gb": 13.0,
        "num_files": 17592,
        "description": "Card images",
    }


@pytest.mark.parametrize(
    "there, becomes",
    [
        ("s3://cards-bucket/data/raw/", "s3://cards-bucket/project/x/data/raw/"),
        ("s3://cards-bucket/data/raw", "s3://cards-bucket/project/x/data/raw"),
        ("data/raw/", "data/raw/"),
        ("data/raw", "data/raw"),
        ("/data/raw/", "/project/x/data/raw/"),
    ],
)
def test_a_path_stays_in_the_form_that_the_file_has(there: str, becomes: str) -> None:
    text = json.dumps({"project": {"data": {"raw": {"path": there}}}})
    assert json.loads(after(text))["project"]["data"]["raw"]["path"] == becomes


@pytest.mark.parametrize("unit, size", [("size_gb", 13.0), ("size_mb", 13000.0)])
def test_a_size_stays_in_the_unit_that_the_file_has(unit: str, size: float) -> None:
    data = json.loads(after(json.dumps({"project": {"data": {"raw": {unit: 1}}}})))["project"]["data"]["raw"]
    assert data[unit] == size and len([name for name in data if name.startswith("size")]) == 1


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "is not JSON"),
        ("{'a': 1}", "is not JSON"),
        ('{"project": {"name": NaN}}', "is not JSON"),
        ("[" * 100_000 + "]" * 100_000, "nested"),
        ('{"project": "cards"}', "neither an object nor a list"),
        ('{"project": {"data": []}}', "a list without that place"),
    ],
)
def test_what_cannot_be_filled_is_refused_in_a_sentence(text: str, why: str) -> None:
    with pytest.raises(ManifestRefused, match=why):
        after(text)


def test_figures_are_taken_only_from_routes_that_are_done() -> None:
    done = [
        Tally("raw", State.VERIFIED, Proof.DIGEST, False, 3, 30),
        Tally("raw", State.DELETED, Proof.DIGEST, False, 2, 20),
        Tally("reference", State.COPIED, Proof.SIZE, True, 1, 5),
        Tally("elsewhere", State.FAILED, Proof.NONE, False, 1, 5),
    ]
    assert held_by(PLAN, done, []) == {"raw": Share(5, 50), "reference": Share(1, 5)}
    with pytest.raises(ManifestRefused, match="raw: 1 failed"):
        held_by(PLAN, [*done, Tally("raw", State.FAILED, Proof.NONE, False, 1, 5)], [])
    with pytest.raises(ManifestRefused, match="reference: its listing never reached its end"):
        held_by(PLAN, done, ["reference"])
