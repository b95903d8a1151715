"""A run at a terminal lists both sides once: for the question, and for what is done upon the answer."""

from __future__ import annotations

import sys
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine.cli import confirming
from engine.listing.lister import Feed
from engine.listing.pages import Prefix
from tests.cli.commands import Terminal, write_plan
from tests.servers import Endpoint


@pytest.fixture
def bucket(sandbox: Endpoint, terminal: Terminal) -> str:
    terminal.on(sandbox)
    bucket = f"asked-once-{uuid.uuid4().hex[:8]}"
    where = {"LocationConstraint": sandbox.region}
    sandbox.client().create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    for number in range(3):
        sandbox.client().put_object(Bucket=bucket, Key=f"old/{number}", Body=str(number).encode())
    write_plan(terminal.folder, bucket)
    return bucket


@pytest.fixture
def listed(bucket: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A person at the terminal; and the places that were listed."""
    asked: list[str] = []
    pages = Prefix.pages

    def counted(prefix: Prefix, *more: Any) -> AsyncIterator[Feed]:
        asked.append(str(prefix.location))
        return pages(prefix, *more)

    monkeypatch.setattr(Prefix, "pages", counted)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    return asked


@pytest.mark.parametrize("verb", ["run", "run by two processes", "sync"])
def test_what_was_listed_for_the_question_is_what_is_copied(
    sandbox: Endpoint, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, bucket: str, listed: list[str], verb: str
) -> None:
    source, target = f"s3://{bucket}/old/", f"s3://{bucket}/new/raw/"
    words = {
        "run": ("run", "moving.toml"),
        "run by two processes": ("run", "moving.toml", "--processes", "2"),
        "sync": ("sync", source, target),
    }[verb]

    def answer(question: str) -> str:
        for key in ("later", "1"):
            sandbox.client().put_object(Bucket=bucket, Key=f"old/{key}", Body=b"another")
        return "yes\n"

    monkeypatch.setattr(confirming, "line_after", answer)
    ended = terminal.call(*words)
    assert sorted(listed) == [target, source], "each side once"
    # What changed while the person thought is no copy of what was shown, and is not lost: the next run has it.
    assert ended.code == 3 and "drifted" in ended.out
    monkeypatch.setattr(confirming, "line_after", lambda _: "y\n")
    assert terminal.call(*words).code == 0
    copied = sandbox.client().list_objects_v2(Bucket=bucket, Prefix="new/raw/")["Contents"]
    assert [item["Key"].removeprefix("new/raw/") for item in copied] == ["0", "1", "2", "later"]
    assert not list(terminal.folder.rglob("*.listed")), "nothing of it stays"


def never(question: str) -> str:
    raise AssertionError(f"asked where nothing is to be done: {question}")


@pytest.mark.parametrize("verb", ["cp", "sync"])
def test_nobody_is_asked_where_there_is_nothing_to_copy(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, bucket: str, listed: list[str], verb: str
) -> None:
    monkeypatch.setattr(confirming, "line_after", never)
    mistyped = terminal.call(verb, f"s3://{bucket}/odl/", f"s3://{bucket}/new/raw/")
    assert mistyped.code == 2 and mistyped.err.count("holds nothing; near it hold something") == 1
    words = (verb, f"s3://{bucket}/old/", f"s3://{bucket}/new/raw/")
    assert terminal.call(*words, "--yes").code == 0
    done = terminal.call(*words)
    assert done.code == 0 and "every object is in place" in done.out


def test_a_no_leaves_nothing_behind(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, listed: list[str]) -> None:
    monkeypatch.setattr(confirming, "line_after", lambda _: "n\n")
    assert terminal.call("run", "moving.toml").code == 1
    assert not (terminal.folder / "moving.ledger.lists").exists()
