"""Plans of earlier versions keep their digests: their ledgers are bound to them."""

from __future__ import annotations

import pytest

from engine.plan.document import Plan
from engine.plan.settings import Connection
from tests.unit.plan.test_document import EXAMPLE, FULL

NO_RULES = "fa539b07a38239e22b93ed7296927002e80927d84599d4c7d49d1766fc421f10"
"""The digest of a route without any rule."""

MINIMAL = """\
name = "m"
[[routes]]
name = "r"
from = "s3://a-bucket/in/"
to = "s3://b-bucket/out/"
"""
BEFORE = FULL.replace('credentials = "none"\n', "")
"""Every key but those that came later."""

COPY = Plan.of(
    "s3://a-bucket/in/",
    "s3://b-bucket/out/",
    include=["*.png"],
    tags={"a": "b"},
    connection=Connection(region="eu-west-1", endpoint_url="http://127.0.0.1:9000"),
    hold=0,
)


@pytest.mark.parametrize(
    ("plan", "digest"),
    [
        (
            Plan.parse(EXAMPLE.read_text(encoding="utf-8")),
            "d6a3a57f17aa90e05330c31bead77e788e2419299b41d2c983bf21d4f571af6b",
        ),
        (Plan.parse(BEFORE), "1c8e98fa60cd887b816a8267299d862d612f7cc60cd6694032e4a1c48dfaa0e6"),
        (Plan.parse(FULL), "8cac4103276243a19470b03a24af3447226f5947d6aca86024af4497b050bfa7"),
        (Plan.parse(MINIMAL), "7ba7e6b3419cbc25b2c0d1b6db61c6e88fcb8e2eb1915395f90d66121d48f39a"),
        (COPY, "ba6441693334bd76d269f5d6dd3980e49ede4600d48798a028632f31dae5228a"),
    ],
    ids=["the example", "every key of earlier versions", "every key", "no rules", "a copy without a file"],
)
def test_the_digest_of_a_plan_is_what_it_always_was(plan: Plan, digest: str) -> None:
    assert plan.digest == digest


def test_what_a_ledger_is_bound_to_is_what_it_always_was() -> None:
    assert Plan.parse(MINIMAL).binding_routes == (("r", "s3://a-bucket/in/", "s3://b-bucket/out/", NO_RULES),)
    assert Plan.parse(FULL).binding_routes == (
        (
            "everything",
            "s3://main/in/",
            "s3://main/project/out/",
            "8abea7cd3f3ce9755a4a663e144eaf1700d4ed73d22236786b1b41e1c3c96046",
        ),
    )


def test_a_copy_without_a_file_finds_its_ledger_again() -> None:
    assert COPY.name == "in-to-out-b6c68b06"
