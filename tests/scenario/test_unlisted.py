"""What lies in a folder and cannot be an object is said, and nothing is concluded from its absence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.api.cleanup import cleanup
from engine.api.options import Options
from engine.api.run import migrate
from engine.api.verify import verify
from engine.listing.lister import is_unlisted
from engine.model import Unlisted
from engine.plan.document import Plan
from engine.proof.judge import Kind
from tests.servers import Endpoint

BUCKET = "unlisted-target"


@pytest.fixture(autouse=True)
def client(sandbox: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in sandbox.env().items():
        monkeypatch.setenv(name, value)
    client = sandbox.client()
    if BUCKET not in [item["Name"] for item in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    return client


async def test_what_became_a_link_is_not_gone_and_is_a_difference(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "d").mkdir(parents=True)
    for name in ("a", "d/x", "d.txt"):
        (folder / name).write_bytes(b"x")
    plan = Plan.of(f"{folder}/", f"s3://{BUCKET}/p/", name="up", folder=tmp_path)
    options = Options(ledger=tmp_path / "up.ledger")
    assert (await migrate(plan, options)).complete
    assert (await verify(plan, options)).agrees
    (folder / "d").rename(tmp_path / "elsewhere")
    (folder / "d").symlink_to(tmp_path / "elsewhere")
    for _ in range(2):
        again = await migrate(plan, options)
        assert ([item.key for item in again.unlisted], again.aside, again.complete) == (["d"], {}, False)
    found = await verify(plan, options)
    assert [(item.key, item.kind) for item in found.differences] == [("d", Kind.UNREAD)]
    (folder / "d").unlink()
    (tmp_path / "elsewhere").rename(folder / "d")
    assert (await migrate(plan, options)).complete
    assert (await verify(plan, options)).agrees


def test_nothing_below_what_is_unlisted_is_judged() -> None:
    met = {"d": Unlisted("p/d", "Link", "a link"), "cycle/": Unlisted("p/cycle/", "LinkCycle", "a cycle")}
    assert all(is_unlisted(key, met) for key in ("d", "d/", "d/x", "d/x/y", "cycle/", "cycle/x"))
    assert not any(is_unlisted(key, met) for key in ("d.txt", "de", "c/d", "cycle.txt"))


async def test_the_gate_stays_closed_and_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_bytes(b"x")
    plan = Plan.of(f"{folder}/", f"s3://{BUCKET}/p/", name="up", folder=tmp_path)
    options = Options(ledger=tmp_path / "up.ledger")
    assert (await migrate(plan, options)).complete
    (folder / "link").symlink_to("a")
    gate = await cleanup(plan, options)
    assert not gate.open
    assert any("'link'" in reason.sentence for reason in gate.reasons if not reason.open)
