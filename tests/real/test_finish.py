"""Deleting on servers that cannot delete by ETag: found out, refused, and done all the same only when told so.

LocalStack's DeleteObjects ignores an ETag and its DeleteObject answers 501 to If-Match; Ceph's gateway ignores both.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.commands import Cartage, listing
from tests.servers import Endpoint

pytestmark = pytest.mark.real

OBJECTS = 12


@pytest.fixture(params=["localstack", "rgw"])
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Endpoint)
    return found


def migrated(endpoint: Endpoint, folder: Path, bucket: str) -> Cartage:
    """Twelve objects with awkward keys, copied and verified."""
    client = endpoint.client()
    client.create_bucket(Bucket=bucket)
    for number in range(OBJECTS):
        client.put_object(Bucket=bucket, Key=f"old/ä +&{number}/a.png", Body=b"image %d" % number)
    plan = folder / "moving.toml"
    plan.write_text(
        f'name = "moving"\nbucket = "{bucket}"\n[[routes]]\nname = "all"\nfrom = "/old/"\nto = "/new/"\n'
        '[cleanup]\nhold = "0s"\n'
    )
    cartage = Cartage(endpoint, plan, folder / "moving.ledger")
    cartage.call("run", "--yes")
    cartage.call("verify")
    return cartage


def test_a_cleanup_is_refused_until_it_is_told_to_do_without_conditions(endpoint: Endpoint, tmp_path: Path) -> None:
    cartage = migrated(endpoint, tmp_path, "cleanup")
    before = listing(endpoint, "cleanup", "new/")
    refused = cartage.call("cleanup", "--delete", "--confirm", "moving", code=5)
    assert [item["name"] for item in refused.summary["reasons"] if not item["open"]] == ["condition"]
    assert len(listing(endpoint, "cleanup", "old/")) == OBJECTS
    assert listing(endpoint, "cleanup", "new/") == before  # what it tried on is gone again

    endpoint.client().put_object(Bucket="cleanup", Key="old/late.png", Body=b"late")
    late = cartage.call("cleanup", "--delete", "--confirm", "moving", "--unconditional", code=5)
    assert [item["name"] for item in late.summary["reasons"] if not item["open"]] == ["audit"]
    cartage.call("run", "--yes")
    cartage.call("verify")
    done = cartage.call("cleanup", "--delete", "--confirm", "moving", "--unconditional")
    assert done.summary["deleted"] == OBJECTS + 1
    assert listing(endpoint, "cleanup", "old/") == {}
    assert len(listing(endpoint, "cleanup", "new/")) == OBJECTS + 1


def test_a_revert_is_refused_too_and_then_leaves_everything_as_it_was(endpoint: Endpoint, tmp_path: Path) -> None:
    cartage = migrated(endpoint, tmp_path, "revert")
    before = listing(endpoint, "revert", "old/")
    cartage.call("revert", "--delete", "--confirm", "moving", code=5)
    assert len(listing(endpoint, "revert", "new/")) == OBJECTS
    done = cartage.call("revert", "--delete", "--confirm", "moving", "--unconditional")
    assert done.summary["removed"] == OBJECTS
    assert listing(endpoint, "revert", "new/") == {}
    assert listing(endpoint, "revert", "old/") == before


def test_a_versioned_bucket_is_asked_about(endpoint: Endpoint, tmp_path: Path) -> None:
    cartage = migrated(endpoint, tmp_path, "versions")
    client = endpoint.client()
    client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    refused = cartage.call("cleanup", "--delete", "--confirm", "moving", "--unconditional", code=5)
    assert [item["name"] for item in refused.summary["reasons"] if not item["open"]] == ["versioning"]
    told = ("--unconditional", "--accept-delete-markers")
    done = cartage.call("cleanup", "--delete", "--confirm", "moving", *told)
    assert (done.summary["deleted"], done.summary["delete_markers"]) == (OBJECTS, True)
    assert listing(endpoint, "versions", "old/") == {}
    versions = client.list_object_versions(Bucket="versions", Prefix="old/")
    kept = {  # beside those of the objects that something was tried with
        what: [item for item in versions[what] if ".cartage-probe-" not in item["Key"]]
        for what in ("DeleteMarkers", "Versions")
    }
    assert len(kept["DeleteMarkers"]) == OBJECTS
    assert len(kept["Versions"]) == OBJECTS  # the data is still there, and still costs
