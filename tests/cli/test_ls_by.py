"""`cartage ls --by`: what a project costs in a month, by class, age, suffix or tag."""

from __future__ import annotations

import uuid

import pytest

from tests.cli.commands import Terminal
from tests.servers import Endpoint


@pytest.fixture
def project(sandbox: Endpoint, terminal: Terminal) -> str:
    client, bucket = sandbox.client(), f"cost-{uuid.uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
    for key, size, storage_class, tagging in (
        ("p/raw/a.npy", 3000, "STANDARD", "team=cards"),
        ("p/raw/b.npy", 1000, "GLACIER_IR", "team=cards"),
        ("p/README.md", 10, "STANDARD", ""),
        ("p/archive", 500, "DEEP_ARCHIVE", "team="),
    ):
        client.put_object(Bucket=bucket, Key=key, Body=b"x" * size, StorageClass=storage_class, Tagging=tagging)
    terminal.on(sandbox)
    return f"s3://{bucket}/p/"


def test_by_tag_has_a_row_for_what_is_untagged_and_says_what_asking_cost(project: str, terminal: Terminal) -> None:
    ended = terminal.call("ls", project, "--summarize", "--by", "tag=team")
    assert ended.code == 0, ended.err
    rows = {line.split("  ")[0]: line.split() for line in ended.out.splitlines()}
    assert rows["cards"][1] == "2" and rows["(untagged)"][1] == "1" and rows['""'][1] == "1" and rows["total"][1] == "4"
    assert "us-east-1 (2025)" in ended.out and "tags: 4 requests" in ended.out
    assert "$0.0004 a thousand of STANDARD" in ended.err  # before anything is asked


def test_by_class_for_a_program(project: str, terminal: Terminal) -> None:
    ended = terminal.call("ls", project, "--by", "class", "--json")  # --by alone sums up
    groups = {line["group"]: line for line in ended.lines if line["event"] == "group"}
    assert {name: line["objects"] for name, line in groups.items()} == {
        "STANDARD": 2,
        "GLACIER_IR": 1,
        "DEEP_ARCHIVE": 1,
    }
    summary = ended.summary
    assert summary["dollars_a_month"] == pytest.approx(sum(line["dollars_a_month"] for line in groups.values()), 1e-3)
    assert summary["prices"] == {"region": "us-east-1", "as_of": "2025"}
    assert (summary["by"], summary["groups"], summary["unpriced"], summary["tags_asked"]) == ("class", 3, 0, 0)


def test_by_suffix_beside_every_object(project: str, terminal: Terminal) -> None:
    ended = terminal.call("ls", project, "--recursive", "--by", "suffix", "--json")
    assert [line["event"] for line in ended.lines if line["event"] != "progress"] == [
        *["listed"] * 4,
        *["group"] * 3,
        "summary",
    ]
    assert {(line["group"], line["odd"]) for line in ended.lines if line["event"] == "group"} == {
        (".npy", ""),
        (".md", ""),
        ("", "none"),
    }


def test_files_have_a_size_and_no_price(terminal: Terminal) -> None:
    (terminal.folder / "files").mkdir()
    (terminal.folder / "files" / "a.txt").write_text("hello")
    ended = terminal.call("ls", "./files/", "--by", "suffix")
    assert ended.code == 0 and "no price" in ended.out and "$" not in ended.out
    assert terminal.call("ls", "./files/", "--by", "suffix", "--json").summary["dollars_a_month"] is None
    refused = terminal.call("ls", "./files/", "--by", "tag=team")
    assert refused.code == 2 and "files have no tags" in refused.err


def test_what_nothing_is_summed_up_by_names_what_there_is(project: str, terminal: Terminal) -> None:
    ended = terminal.call("ls", project, "--by", "size")
    assert ended.code == 2 and "prefix, class, age, suffix, and tag=NAME" in ended.err
