"""The smallest policy of each command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.api.load import load_plan
from engine.errors import UsageError
from engine.plan.document import Plan
from engine.plan.permissions import COMMANDS, actions, policy

EXAMPLE = Path(__file__).parents[3] / "examples" / "pokemon.toml"


def statements(plan: Plan, command: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = policy(plan, command)["Statement"]
    return found


def one(source: str = "s3://one/a/", target: str = "s3://two/b/", **rules: Any) -> Plan:
    return Plan.of(source, target, **rules)


def test_planning_needs_to_list_and_nothing_else() -> None:
    assert statements(one(), "plan") == [
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": ["arn:aws:s3:::one"],
            "Condition": {"StringLike": {"s3:prefix": ["a/*"]}},
        },
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": ["arn:aws:s3:::two"],
            "Condition": {"StringLike": {"s3:prefix": ["b/*"]}},
        },
    ]


def test_copying_reads_the_source_writes_the_target_and_deletes_nothing() -> None:
    objects = [item for item in statements(one(), "run") if item["Resource"][0].endswith("/*")]
    assert objects == [
        {
            "Effect": "Allow",
            "Action": [
                "s3:AbortMultipartUpload",
                "s3:GetObject",
                "s3:GetObjectTagging",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
                "s3:PutObjectTagging",
            ],
            "Resource": ["arn:aws:s3:::two/b/*"],
        },
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectTagging"], "Resource": ["arn:aws:s3:::one/a/*"]},
    ]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("cleanup", "revert")])
def test_only_cleanup_and_revert_may_delete(command: str) -> None:
    assert "s3:DeleteObject" not in actions(load_plan(EXAMPLE), command)


@pytest.mark.parametrize(("command", "side"), [("cleanup", "one/a"), ("revert", "two/b")])
def test_each_deletes_on_its_own_side_only(command: str, side: str) -> None:
    """Beside its own claim, by which two machines keep out of each other's way."""
    claims = [f"arn:aws:s3:::{bucket}/.cartage-claim" for bucket in ("one", "two")]
    deleting = [item["Resource"] for item in statements(one(), command) if "s3:DeleteObject" in item["Action"]]
    assert deleting == [[f"arn:aws:s3:::{side}/*"], claims]


@pytest.mark.parametrize(
    ("source", "endpoint"),
    [
        ("shop-abcdefgh-s3alias", ""),
        ("shop", 'endpoint_url = "https://minio.example:9000"'),
        ("shop", 'endpoint_url = "https://minio-1.eu-west-1.elb.amazonaws.com"'),
    ],
    ids=["an access point", "another server", "another server behind a load balancer of AWS"],
)
@pytest.mark.parametrize("command", ["cleanup", "revert"])
def test_objects_of_our_own_may_be_put_on_either_side_where_a_name_hides_its_bucket(
    command: str, source: str, endpoint: str
) -> None:
    plan = Plan.parse(
        f"""
name = "p"
[[routes]]
name = "r"
from = "s3://{source}/a/"
to = "s3://two/b/"
[connection]
{endpoint}
""",
        source="p.toml",
    )
    probes = [item for item in statements(plan, command) if any(".cartage-probe-*" in arn for arn in item["Resource"])]
    (allowed,) = probes
    assert allowed["Action"] == ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    assert [arn for arn in allowed["Resource"] if ".cartage-claim" not in arn] == [
        f"arn:aws:s3:::{source}/a/.cartage-probe-*",
        "arn:aws:s3:::two/b/.cartage-probe-*",
    ]


def test_tags_that_are_left_out_need_no_permission() -> None:
    assert not any("Tagging" in name for name in actions(one(properties={"tags": "drop"}), "run"))
    set_only = [item for item in statements(one(tags={"a": "b"}), "run") if "s3:GetObject" in item["Action"]]
    # Those that an earlier run gave the target are compared; the source's are of no concern.
    assert [("Tagging" in "".join(item["Action"]), item["Resource"]) for item in set_only] == [
        (True, ["arn:aws:s3:::two/b/*"]),
        (False, ["arn:aws:s3:::one/a/*"]),
    ]


def test_one_exact_key_is_named_exactly() -> None:
    plan = one("s3://one/a/model.bin", "s3://two/b.bin")
    resources = [item["Resource"] for item in statements(plan, "verify") if "s3:GetObject" in item["Action"]]
    assert resources == [["arn:aws:s3:::one/a/model.bin", "arn:aws:s3:::two/b.bin"]]


@pytest.mark.parametrize("command", ["plan", "run", "verify", "cleanup"])
def test_an_inventory_is_read_with_its_data_files_and_the_keys_of_a_list_by_head(command: str) -> None:
    inventory = one(inventory="s3://inv/to/one/daily/2026-01-31T00-00Z/manifest.json")
    read = {
        name for item in statements(inventory, command) if "s3:GetObject" in item["Action"] for name in item["Resource"]
    }
    daily = "arn:aws:s3:::inv/to/one/daily"
    assert read >= {f"{daily}/2026-01-31T00-00Z/manifest.json", f"{daily}/data/*", "arn:aws:s3:::one/a/*"}
    listed = statements(one(keys="s3://inv/x/keys.txt"), command)
    read = {name for item in listed if "s3:GetObject" in item["Action"] for name in item["Resource"]}
    assert {name for name in read if ":inv/" in name} == {"arn:aws:s3:::inv/x/keys.txt"}
    assert "arn:aws:s3:::one/a/*" in read


def test_a_star_in_a_key_is_a_star_and_not_a_wildcard() -> None:
    plan = one("s3://one/a*?$/", "s3://two/b/")
    reading = [item["Resource"] for item in statements(plan, "verify") if "s3:GetObject" in item["Action"]]
    assert reading[0][0] == "arn:aws:s3:::one/a${*}${?}${$}/*"


def test_a_whole_bucket_is_listed_without_a_condition() -> None:
    assert "Condition" not in statements(one("s3://one/", "s3://two/b/"), "list")[0]


def test_other_partitions_and_access_points_have_their_own_names() -> None:
    for region, partition in [
        ("eu-west-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("us-isof-south-1", "aws-iso-f"),
        ("eusc-de-east-1", "aws-eusc"),
    ]:
        text = f'[connection]\nregion = "{region}"\n[[routes]]\nname="r"\nfrom="s3://one/a/"\nto="s3://two/b/"'
        assert statements(Plan.parse(text), "list")[0]["Resource"] == [f"arn:{partition}:s3:::one"]
    point = "arn:aws:s3:us-east-1:123456789012:accesspoint/name"
    assert f"{point}/object/a/*" in statements(one(f"s3://{point}/a/"), "verify")[-1]["Resource"]


def test_probes_manifest_and_references_are_part_of_the_finish() -> None:
    plan = load_plan(EXAMPLE)
    written = {
        name for item in statements(plan, "rewrite") if "s3:PutObject" in item["Action"] for name in item["Resource"]
    }
    under = "arn:aws:s3:::pokemon-card-training-us-east-2/project/pokemon-card-recognition/"
    assert written == {
        f"{under}{name}"
        for name in ("pipelines/*", "experiments/*", "metadata/*", "README.md", "metadata/project_manifest.json")
    }


def test_probes_may_read_what_they_decode_and_what_a_manifest_names() -> None:
    route = 'bucket = "one"\nprefix = "p/"\n[[routes]]\nname="r"\nfrom="/a/"\nto="s3://two/b/"\n'
    text = (
        route
        + '[[probes]]\nimages = { under = "cards/" }\n[[probes]]\nmanifest = "m.json"\n[[probes]]\ncsv = "c.csv"\n'
    )
    found = statements(Plan.parse(text), "cleanup")
    read = {name for item in found if "s3:GetObject" in item["Action"] for name in item["Resource"]}
    assert read >= {f"arn:aws:s3:::one/p/{name}" for name in ("*", "cards/*", "m.json", "c.csv")}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_policy_is_plain_json_under_the_limit_of_a_managed_policy(command: str) -> None:
    text = json.dumps(policy(load_plan(EXAMPLE), command), separators=(",", ":"))
    assert len(text) < 6144


def test_an_unknown_command_has_no_policy() -> None:
    with pytest.raises(UsageError, match='no policy for "sync"'):
        policy(one(), "sync")


def test_verifying_properties_reads_what_the_route_keeps_of_them() -> None:
    assert "s3:GetObjectTagging" in actions(one(), "verify")
    assert "s3:GetObjectTagging" not in actions(one(properties={"tags": "drop"}), "verify")
    assert "s3:GetObjectRetention" in actions(one(properties={"lock": "preserve"}), "verify")
    assert not {"s3:GetObjectAcl", "s3:GetObjectRetention"} & set(actions(one(), "verify"))


@pytest.mark.parametrize("replace_tags", [True, False])
@pytest.mark.parametrize("more", [{}, {"storage_class": "STANDARD_IA"}, {"metadata": {"a": "b"}}])
def test_what_sets_tags_in_place_reads_those_that_are_there(more: dict[str, Any], replace_tags: bool) -> None:
    plan = Plan.setting("s3://one/p/", tags={"team": "cards"}, replace_tags=replace_tags, **more)
    assert {"s3:GetObjectTagging", "s3:PutObjectTagging"} <= set(actions(plan, "run"))


@pytest.mark.parametrize("command", ["verify", "cleanup", "rewrite", "revert"])
def test_the_servers_clock_is_asked_for_without_listing_the_whole_bucket(command: str) -> None:
    assert "s3:GetBucketLocation" in actions(one(), command)
    listing = [item for item in statements(one(), command) if item["Action"] == ["s3:ListBucket"]]
    assert all("s3:prefix" in item["Condition"]["StringLike"] for item in listing)
