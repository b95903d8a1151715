"""A target that somebody else wrote over: what is said to do next is what ends that, and never a run in vain."""

from __future__ import annotations

import uuid

import pytest

from engine.plan.decide import OUT_OF_CONFLICT
from tests.cli.commands import Terminal, write_plan
from tests.servers import Endpoint


@pytest.fixture
def bucket(sandbox: Endpoint, terminal: Terminal) -> str:
    terminal.on(sandbox)
    bucket = f"in-conflict-{uuid.uuid4().hex[:8]}"
    where = {"LocationConstraint": sandbox.region}
    sandbox.client().create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    for key in "ab":
        sandbox.client().put_object(Bucket=bucket, Key=f"old/{key}", Body=b"a card")
    return bucket


def test_no_run_is_named_where_none_may_write(sandbox: Endpoint, terminal: Terminal, bucket: str) -> None:
    plan = write_plan(terminal.folder, bucket)
    assert terminal.call("run", plan, "--quiet").code == 0
    sandbox.client().put_object(Bucket=bucket, Key="new/raw/a", Body=b"another")
    verified = terminal.call("verify", plan)
    assert verified.code == 4 and f"1 target no run writes over: {OUT_OF_CONFLICT}\n" in verified.out
    assert verified.out.endswith(f"next: cartage status {plan} --failed\n")
    status = terminal.call("status", plan)
    assert "1 conflict\n" in status.out and "next: " not in status.out
    assert f"{OUT_OF_CONFLICT}, then run and verify" in terminal.call("cleanup", plan).out
    assert f"{OUT_OF_CONFLICT}, then run and verify" in terminal.call("receipt", plan).err

    plan.write_text(plan.read_text() + 'overwrite = "if-different"\n')
    assert terminal.call("run", plan).code == 0
    assert terminal.call("verify", plan).code == 0


def test_what_was_moved_away_is_for_the_next_run(sandbox: Endpoint, terminal: Terminal, bucket: str) -> None:
    plan = write_plan(terminal.folder, bucket)
    assert terminal.call("run", plan, "--quiet").code == 0
    sandbox.client().put_object(Bucket=bucket, Key="new/raw/a", Body=b"another")
    assert "1 target no run writes over: " in terminal.call("verify", plan).out
    sandbox.client().delete_object(Bucket=bucket, Key="new/raw/a")
    verified = terminal.call("verify", plan)
    assert verified.code == 4 and "a: it was in conflict; the next run looks at it again\n" in verified.out
    assert "no run writes over" not in verified.out and verified.out.endswith(f"next: cartage run {plan}\n")
    assert terminal.call("run", plan).code == 0
    assert terminal.call("verify", plan).code == 0


def test_a_run_is_named_where_it_mends(sandbox: Endpoint, terminal: Terminal, bucket: str) -> None:
    plan = write_plan(terminal.folder, bucket)
    assert terminal.call("run", plan, "--quiet").code == 0
    sandbox.client().put_object(Bucket=bucket, Key="new/raw/a", Body=b"another")
    sandbox.client().delete_object(Bucket=bucket, Key="new/raw/b")
    assert terminal.call("verify", plan).out.endswith(f"next: cartage run {plan}\n")
    assert terminal.call("status", plan).out.endswith(f"next: cartage run {plan}\n")


def test_what_was_withdrawn_beside_it_is_for_no_run_either(sandbox: Endpoint, terminal: Terminal, bucket: str) -> None:
    """A run mends neither: the one is moved away, the other accepted, which a receipt says as cleanup does."""
    plan = write_plan(terminal.folder, bucket)
    assert terminal.call("run", plan, "--quiet").code == 0
    sandbox.client().put_object(Bucket=bucket, Key="new/raw/a", Body=b"another")
    sandbox.client().delete_object(Bucket=bucket, Key="old/b")
    verified = terminal.call("verify", plan)
    assert verified.code == 4 and verified.out.endswith(f"next: cartage status {plan} --failed\n")
    refused = terminal.call("receipt", plan).err
    assert f"raw: 1 conflict, 1 withdrawn; {OUT_OF_CONFLICT}, then run and verify the plan\n" in refused
    assert "1 withdrawn, first raw: 'b': accept it as cleanup says" in refused

    sandbox.client().delete_object(Bucket=bucket, Key="new/raw/a")
    assert terminal.call("run", plan, "--quiet").code == 3
    assert terminal.call("verify", plan).out.endswith(f"next: cartage accept {plan} --list\n")
    refused = terminal.call("receipt", plan).err
    assert "raw: 1 withdrawn\n" in refused and "run and verify" not in refused


def test_a_copy_without_a_plan_is_told_its_own_flag(sandbox: Endpoint, terminal: Terminal, bucket: str) -> None:
    copy = ("cp", f"s3://{bucket}/old/", "./down/")
    assert terminal.call(*copy, "--quiet").code == 0
    (terminal.folder / "down" / "a").write_bytes(b"another")
    verified = terminal.call("verify", "--ledger", str(*terminal.folder.glob("*.ledger")))
    assert "1 target no run writes over: move the target away, or give --overwrite if-different\n" in verified.out
    assert "next: cartage status --failed" in verified.out
    assert terminal.call(*copy, "--overwrite", "if-different").code == 0


def test_a_file_that_no_listing_tells_apart_stays_in_conflict(
    sandbox: Endpoint, terminal: Terminal, bucket: str
) -> None:
    """It is as long as the object: a run has to read it, and did."""
    (terminal.folder / "x").mkdir()
    (terminal.folder / "x" / "a").write_bytes(b"myself")
    copying = ("cp", f"s3://{bucket}/old/", "./x/", "--ledger", "x.ledger", "--yes")
    assert terminal.call(*copying).code == 3
    for _ in range(2):
        verified = terminal.call("verify", "--ledger", "x.ledger")
        assert verified.code == 4 and "1 target no run writes over: " in verified.out
        assert verified.out.endswith("next: cartage status --failed --ledger x.ledger\n")
