"""What proof costs the reference migration: a request an image, a HEAD or three for what has parts, one listing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.api.options import Options
from engine.api.run import migrate
from engine.api.verify import verify
from engine.model import Proof
from engine.plan.document import Plan
from engine.sandbox import Sandbox, start_sandbox
from tests.servers import Endpoint

ROUTES = ("data/", "training-output/")


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with start_sandbox() as found:
        endpoint = Endpoint.of(found)
        for name, value in endpoint.env().items():
            monkeypatch.setenv(name, value)
        yield found


def operations(sandbox: Sandbox) -> dict[str, int]:
    found = sandbox.control("stats")["operations"]
    sandbox.control("reset_stats")
    return {name: sum(counts.values()) for name, counts in found.items()}


@pytest.mark.parametrize("legacy", [True, False], ids=["older than December 2024", "new"])
async def test_every_object_reaches_digest_for_one_request_an_image(
    sandbox: Sandbox, tmp_path: Path, legacy: bool
) -> None:
    sandbox.control("reference", {"bucket": "reference", "scale": 0.02, "legacy_checksums": legacy})
    sandbox.control("bucket", {"name": "target"})
    text = 'name = "reference"\n' + "".join(
        f'[[routes]]\nname = "{prefix.strip("/")}"\nfrom = "s3://reference/{prefix}"\nto = "s3://target/{prefix}"\n'
        for prefix in ROUTES
    )
    plan = Plan.parse(text, source=str(tmp_path / "plan.toml"))
    options = Options(endpoint_url=sandbox.url, assume="aws")
    operations(sandbox)
    result = await migrate(plan, options)
    assert result.complete
    images = result.copied - 3  # the model, and the two large files of the reference database, were uploaded by parts
    sent = operations(sandbox)
    assert images > 1_000
    if legacy:
        # Nothing to compare but the ETags: a HEAD of the object and of its first two parts, then its own parts.
        expected = {"CopyObject": images, "HeadObject": 3 * 3, "UploadPartCopy": 668 + 7 + 7}
    else:
        # A HEAD for the checksum; only the model is over 5 GiB, and goes by parts of our own size.
        expected = {"CopyObject": images + 2, "HeadObject": 3, "UploadPartCopy": 84}
    assert {name: sent[name] for name in expected} == expected

    report = await verify(plan, options)
    assert report.agrees
    for route in report.routes:
        assert set(route.by_proof) == {Proof.DIGEST}
        assert route.source_tree == route.target_tree
    looked = operations(sandbox)
    assert looked.pop("ListObjectsV2") <= 40
    assert "HeadObject" not in looked and "GetObject" not in looked
