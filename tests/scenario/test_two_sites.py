"""Two endpoints in one plan: each side of a route is listed, copied, proven and deleted at its own, under bucket names
that are the same at both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from engine.api.accept import accept
from engine.api.cleanup import CleanupRefused, cleanup
from engine.api.consent import Consent
from engine.api.options import Options
from engine.api.plan import survey
from engine.api.revert import revert
from engine.api.run import migrate
from engine.api.verify import verify
from engine.errors import AccessDenied, GateClosed, GoneTogether
from engine.finish import lag, names
from engine.finish.gate import closed
from engine.finish.looking import FEW
from engine.listing.lister import KeyRange
from engine.listing.pages import Prefix
from engine.model import Location, ObjectRef
from engine.plan.document import Plan
from engine.sandbox import FaultRule, Sandbox, SandboxSettings, start_sandbox
from engine.sites.opening import open_sites
from engine.store import ObjectStore
from tests.servers import Endpoint, start_sandbox_endpoint

BUCKET = "shared-name"


@pytest.fixture(scope="module")
def near() -> Iterator[Endpoint]:
    with start_sandbox_endpoint() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def environment(sandbox: Endpoint, near: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> None:
    for name, value in sandbox.env().items():
        monkeypatch.setenv(name, value)
    keys_of_near = tmp_path_factory.mktemp("aws") / "credentials"
    keys_of_near.write_text(
        f"[near]\naws_access_key_id = {near.access_key}\naws_secret_access_key = {near.secret_key}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys_of_near))
    for endpoint, keys in ((sandbox, ("old/a", "old/b")), (near, ("old/x",))):
        client = endpoint.emptied(BUCKET)
        for key in keys:
            client.put_object(Bucket=BUCKET, Key=key, Body=key.encode())


def plan_of(folder: Path, near: Endpoint, ends: str) -> Plan:
    text = f"""
name = "two"
[sites.near]
endpoint_url = "{near.url}"
region = "{near.region}"
profile = "near"
[[routes]]
name = "r"
from = "s3://{BUCKET}/old/"
to = "s3://{BUCKET}/new/"
{ends}
[cleanup]
hold = "0s"
"""
    return Plan.parse(text, str(folder / "two.toml"))


@contextmanager
def set_ahead(near: Endpoint, seconds: int) -> Iterator[Sandbox]:
    """A server of its own in `near`'s place, whose clock is so many seconds ahead."""
    with start_sandbox(SandboxSettings(access_key=near.access_key, secret_key=near.secret_key)) as ahead:
        Endpoint.of(ahead).client().create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": ahead.region}
        )
        ahead.control("advance_clock", {"seconds": seconds})
        yield ahead


def keys_at(endpoint: Endpoint) -> set[str]:
    listed: dict[str, Any] = endpoint.client().list_objects_v2(Bucket=BUCKET)
    return {item["Key"] for item in listed.get("Contents", ())}


async def test_each_side_is_listed_at_its_own_endpoint(tmp_path: Path, near: Endpoint) -> None:
    plan = plan_of(tmp_path, near, 'from_site = "near"')
    (route,) = plan.routes
    async with open_sites(plan, Options()) as opened:
        for side, keys in ((route.source, ["old/x"]), (Location(BUCKET, "old/"), ["old/a", "old/b"])):
            found = [item.key async for page, _ in Prefix(opened.store(side), side).pages(KeyRange()) for item in page]
            assert found == keys
        assert opened.source(route).endpoint == near.url != opened.target(route).endpoint
        assert opened.source(route).gauges().requests == opened.target(route).gauges().requests == 1
        assert opened.gauges().requests == 2


async def test_what_goes_from_one_endpoint_to_the_other_passes_through_and_is_proven_and_cleaned_up(
    tmp_path: Path, near: Endpoint, sandbox: Endpoint
) -> None:
    plan = plan_of(tmp_path, near, 'to_site = "near"')
    (found,) = (await survey(plan, Options())).routes
    assert (found.objects, found.to_copy) == (2, 2)
    assert (found.copy_requests, found.head_requests) == (2, 4), "a GET, one of its tags and a PUT each"
    assert found.in_bytes == found.out_bytes == found.bytes > 0
    assert found.egress_bytes == 0, "it does not leave AWS"
    result = await migrate(plan, Options())
    assert result.complete and result.copied == 2
    assert (await verify(plan, Options(), properties=True)).agrees
    done = await cleanup(plan, Options(), delete=True, consent=Consent())
    assert done.cleaned is not None and done.cleaned.deleted == 2
    assert keys_at(near) == {"old/x", "new/a", "new/b"}
    assert keys_at(sandbox) == set()


async def test_a_route_within_another_site_is_copied_proven_and_cleaned_up_there(
    tmp_path: Path, near: Endpoint, sandbox: Endpoint
) -> None:
    plan = plan_of(tmp_path, near, 'from_site = "near"\nto_site = "near"')
    result = await migrate(plan, Options())
    assert result.complete and result.copied == 1
    assert (await verify(plan, Options(), properties=True)).agrees
    done = await cleanup(plan, Options(), delete=True, consent=Consent())
    assert done.cleaned is not None and done.cleaned.deleted == 1
    assert keys_at(near) == {"new/x"}
    assert keys_at(sandbox) == {"old/a", "old/b"}


async def test_a_copy_within_another_site_is_taken_back_there(
    tmp_path: Path, near: Endpoint, sandbox: Endpoint
) -> None:
    plan = plan_of(tmp_path, near, 'from_site = "near"\nto_site = "near"')
    await migrate(plan, Options())
    assert keys_at(near) == {"old/x", "new/x"}
    await revert(plan, Options(), delete=True)
    assert keys_at(near) == {"old/x"}
    assert keys_at(sandbox) == {"old/a", "old/b"}


async def test_a_local_folder_is_a_side_like_any_other(tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "sub").mkdir(parents=True)
    (there / "sub" / "z").write_bytes(b"z")
    plan = Plan.of(f"s3://{BUCKET}/old/", f"{there}/", name="down", folder=tmp_path)
    (found,) = (await survey(plan, Options())).routes
    assert (found.objects, found.to_copy, found.extra) == (2, 2, 1)


async def test_a_hold_is_judged_by_the_clock_that_dated_it(tmp_path: Path, near: Endpoint) -> None:
    """Another server's may be a quarter of an hour ahead, and be answered all the same."""
    with set_ahead(near, 14 * 60) as ahead:
        plan = plan_of(tmp_path, Endpoint.of(ahead), 'to_site = "near"')
        (far,) = plan.routes
        home = Plan.of(f"s3://{BUCKET}/old/", f"s3://{BUCKET}/new/", name="home").routes[0]
        plan = replace(plan, routes=(home, far), cleanup=replace(plan.cleanup, hold_s=600))
        assert (await migrate(plan, Options())).complete
        assert (await verify(plan, Options())).agrees
        result = await cleanup(plan, Options())
        assert [reason.name for reason in result.reasons if not reason.open] == ["hold"]


async def test_an_upload_that_is_lost_is_looked_for_by_the_clock_of_its_own_server(
    tmp_path: Path, near: Endpoint, sandbox: Endpoint
) -> None:
    """The source's clock is a minute behind: what somebody else began at the target a minute ago is not ours."""
    sandbox.client().put_object(Bucket=BUCKET, Key="old/large", Body=bytes(17 << 20))
    with set_ahead(near, 0) as ahead:
        client = Endpoint.of(ahead).client()
        theirs = client.create_multipart_upload(Bucket=BUCKET, Key="new/large")["UploadId"]
        ahead.control("advance_clock", {"seconds": 60})
        lost = FaultRule("reset-unserved", "CreateMultipartUpload", key="large", first=1)
        ahead.control("settings", {"faults": [asdict(lost)]})
        assert (await migrate(plan_of(tmp_path, Endpoint.of(ahead), 'to_site = "near"'), Options())).complete
        assert [item["UploadId"] for item in client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]] == [theirs]


def alike(folder: Path, near: Endpoint) -> Plan:
    """A plan between two buckets of one name, to the same keys."""
    plan = plan_of(folder, near, 'to_site = "near"')
    (route,) = plan.routes
    return replace(plan, routes=(replace(route, target=route.target.at("old/")),))


async def test_zones_that_hand_on_what_is_written_are_found_out_a_while_later(
    tmp_path: Path, near: Endpoint, sandbox: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = alike(tmp_path, near)
    await migrate(plan, Options())
    assert (await verify(plan, Options())).agrees

    async def hand_on() -> None:
        for key in keys_at(near) - keys_at(sandbox):
            sandbox.client().put_object(Bucket=BUCKET, Key=key, Body=b"")

    monkeypatch.setattr(lag, "wait_out", hand_on)
    with pytest.raises(GateClosed, match="same objects by two names"):
        await cleanup(plan, Options(), delete=True)
    assert {"old/a", "old/b"} <= keys_at(sandbox)


async def test_zones_that_hand_on_deletes_lose_a_few_objects_and_no_more(
    tmp_path: Path, near: Endpoint, sandbox: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        sandbox.client().put_object(Bucket=BUCKET, Key=f"old/{number:02}", Body=b"x")
    plan = alike(tmp_path, near)
    await migrate(plan, Options())
    assert (await verify(plan, Options())).agrees
    waits = 0

    async def hand_on() -> None:
        nonlocal waits
        waits += 1
        for key in keys_at(near) - keys_at(sandbox) - {"old/x"}:
            near.client().delete_object(Bucket=BUCKET, Key=key)

    monkeypatch.setattr(lag, "wait_out", hand_on)
    with pytest.raises(GoneTogether):
        await cleanup(plan, Options(), delete=True)
    assert waits == 2 and len(keys_at(near)) == 33 - FEW


async def refuse(store: ObjectStore, ref: ObjectRef) -> None:
    raise AccessDenied("no", operation="PutObject")


@pytest.mark.parametrize("tried", [True, False], ids=["tried", "not to be tried"])
async def test_what_was_found_under_one_name_at_both_servers_is_accepted_by_name(
    tmp_path: Path, near: Endpoint, sandbox: Endpoint, monkeypatch: pytest.MonkeyPatch, *, tried: bool
) -> None:
    for key in ("old/a", "old/b"):
        near.client().put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    plan = alike(tmp_path, near)
    await migrate(plan, Options())
    assert (await verify(plan, Options())).agrees
    (shut,) = closed((await cleanup(plan, Options())).reasons)
    assert "one name at two servers" in shut.sentence and shut.found == "found"
    with pytest.raises(GateClosed):
        await cleanup(plan, Options(), delete=True)
    await accept(plan, Options(), name=shut.accept, found=shut.found, because="two machines of ours")
    if not tried:  # a reason of its own, beside what was accepted
        monkeypatch.setattr(names, "_put", refuse)
        with pytest.raises(CleanupRefused) as refused:
            await cleanup(plan, Options(), delete=True)
        (other,) = closed(refused.value.result.reasons)
        assert other.found == "unknown"
        assert (await cleanup(plan, Options())).open, "it is looked at again before it is accepted"
        await accept(plan, Options(), name=other.accept, found=other.found, because="two machines of ours")
    done = await cleanup(plan, Options(), delete=True)
    assert done.cleaned is not None and done.cleaned.deleted == 2
    assert keys_at(near) == {"old/a", "old/b", "old/x"}


async def test_one_found_under_one_name_at_both_servers_is_enough_and_a_revert_asks_too(
    tmp_path: Path, near: Endpoint, sandbox: Endpoint
) -> None:
    """As between two zones where one object was not handed on yet."""
    near.client().put_object(
        Bucket=BUCKET, Key="old/a", Body=sandbox.client().get_object(Bucket=BUCKET, Key="old/a")["Body"].read()
    )
    plan = alike(tmp_path, near)
    await migrate(plan, Options())
    assert (await verify(plan, Options())).agrees
    (shut,) = closed((await cleanup(plan, Options())).reasons)
    assert "1 of 2 objects there were in place before the run" in shut.sentence
    with pytest.raises(GateClosed, match=r"one name at two servers.*to accept it: .*accept"):
        await revert(plan, Options(), delete=True)
    assert keys_at(near) == {"old/a", "old/b", "old/x"}
    await accept(plan, Options(), name=shut.accept, found=shut.found, because="two machines of ours")
    done = await revert(plan, Options(), delete=True)
    assert done.reverted is not None and keys_at(near) == {"old/a", "old/x"}
