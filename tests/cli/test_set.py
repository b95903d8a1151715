"""`cartage set`: what it says before anything is set, what it asks, and what it refuses."""

from __future__ import annotations

import sys
import uuid
from typing import Any

import pytest

from engine.cli import confirming
from engine.cli.grammar.project import _each_pair
from tests.cli.commands import Terminal
from tests.servers import Endpoint


class Place:
    def __init__(self, endpoint: Endpoint) -> None:
        self.s3, self.bucket = endpoint.client(), f"set-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": endpoint.region})
        for number in range(3):
            self.s3.put_object(Bucket=self.bucket, Key=f"p/{number}", Body=b"a card", Tagging="set=base")
        self.url = f"s3://{self.bucket}/p/"

    def classes(self) -> set[str]:
        listed: Any = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="p/")["Contents"]
        return {item["StorageClass"] for item in listed if not item["Key"].startswith("p/.cartage")}

    def tags(self, key: str = "0") -> dict[str, str]:
        found = self.s3.get_object_tagging(Bucket=self.bucket, Key=f"p/{key}")["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}


@pytest.fixture
def place(sandbox: Endpoint, terminal: Terminal) -> Place:
    terminal.on(sandbox)
    return Place(sandbox)


def test_a_dry_run_says_what_it_costs_and_sets_nothing(place: Place, terminal: Terminal) -> None:
    place.s3.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"})
    ended = terminal.call("set", place.url, "--storage-class", "STANDARD_IA", "--dry-run")
    assert ended.code == 0, ended.err
    for said in (
        "sets       storage class STANDARD_IA; everything else that an object carries stays",
        "requests   3 copies and parts",
        "list prices of us-east-1 (2025)",
        "a month    ",
        "least      STANDARD_IA is billed for at least 30 days",
        "small      3 objects below 128 KiB",
        f"versions   {place.bucket} keeps versions (Enabled)",
        "s3:PutObjectTagging",
    ):
        assert said in ended.out, said
    assert place.classes() == {"STANDARD"}
    assert not list(terminal.folder.glob("*.ledger*"))


def test_the_same_for_a_program(place: Place, terminal: Terminal) -> None:
    summary = terminal.call("set", place.url, "--storage-class", "STANDARD_IA", "--dry-run", "--json").summary
    assert summary["command"] == "set"
    assert (summary["set"]["objects"], summary["set"]["small"], summary["set"]["is_certain"]) == (3, 3, True)
    assert summary["set"]["versioning"] == {place.bucket: ""}
    assert summary["cost_dollars"] == pytest.approx(summary["set"]["write_dollars"], abs=0.001)


def test_it_is_set_verified_and_looked_at_by_its_ledger(place: Place, terminal: Terminal) -> None:
    ended = terminal.call("set", place.url, "--storage-class", "STANDARD_IA", "--yes")
    assert ended.code == 0 and "set storage class STANDARD_IA on 3 objects" in ended.out, ended.err
    assert place.classes() == {"STANDARD_IA"}
    (ledger,) = terminal.folder.glob("*.ledger")
    assert f"next: cartage verify --ledger {ledger.name}" in ended.out
    assert terminal.call("verify", "--ledger", ledger, "--properties").code == 0
    assert "every object is in place" in terminal.call("status", "--ledger", ledger).out
    again = terminal.call("set", place.url, "--storage-class", "STANDARD_IA", "--yes", "--json").summary
    assert (again["copied"], again["complete"], again["resumed"]) == (0, True, True)


def test_what_no_longer_holds_is_set_again_and_has_no_gate(place: Place, terminal: Terminal) -> None:
    words = ("set", place.url, "--metadata", "a=b", "--tags", "team=cards", "--yes")
    assert terminal.call(*words).code == 0
    (ledger,) = terminal.folder.glob("*.ledger")
    place.s3.put_object_tagging(Bucket=place.bucket, Key="p/0", Tagging={"TagSet": []})
    verified = terminal.call("verify", "--ledger", ledger, "--properties")
    assert verified.code == 4 and "gate" not in verified.out and "plan again" not in verified.out
    assert verified.out.endswith("next: the same set again, then this\n")
    status = terminal.call("status", "--ledger", ledger).out
    assert "\n1 known not to carry what the route gives it; the same set again mends it\n" in status
    assert status.endswith("every object is in place, but for what is said above\nnext: the same set again\n")
    again = terminal.call(*words)
    assert again.code == 0 and "\nevery object is in place\n" in again.out


def test_pairs_may_follow_one_flag(place: Place, terminal: Terminal) -> None:
    ended = terminal.call("set", "--tags", "team=cards", "seen=1", place.url, "--yes")
    assert ended.code == 0, ended.err
    assert place.tags() == {"set": "base", "team": "cards", "seen": "1"}
    ended = terminal.call("set", place.url, "--tag", "a=b", "--replace-tags", "--yes")
    assert place.tags() == {"a": "b"}


def test_no_variable_says_what_is_set(place: Place, terminal: Terminal) -> None:
    terminal.set(CARTAGE_STORAGE_CLASS="GLACIER")  # meant for what is uploaded
    ended = terminal.call("set", place.url, "--tags", "team=cards", "--yes")
    assert ended.code == 0 and "set tags team=cards (laid over the others) on 3 objects" in ended.out, ended.err
    assert (place.classes(), place.tags()) == ({"STANDARD"}, {"set": "base", "team": "cards"})


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("--tags a=b c=d s3://b/dt=1/", "--tags a=b --tags c=d s3://b/dt=1/"),
        ("--tags a=b ./dt=1/", "--tags a=b ./dt=1/"),
        ("x --metadata a=b c=d --yes e=f", "x --metadata a=b --metadata c=d --yes e=f"),
        ("--tag a=b --tag c=d", "--tag a=b --tag c=d"),
        ("--include a=b c=d", "--include a=b c=d"),
    ],
)
def test_which_words_are_pairs(line: str, becomes: str) -> None:
    assert _each_pair(line.split()) == becomes.split()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing is to be set"),
        (["--storage-class", "GLACIER_IR"], "nothing is set before somebody said so"),
        (["--storage-class", "GLACIER_IR", "--json"], "nothing is set before somebody said so"),
        (["--replace-tags", "--yes"], "--replace-tags needs the tags"),
        (["--tags", "team", "--yes"], "--tags takes KEY=VALUE"),
        (["--storage-class", "cold", "--yes"], "is not a storage class"),
    ],
)
def test_what_cannot_be_meant_is_refused(place: Place, terminal: Terminal, words: list[str], said: str) -> None:
    ended = terminal.call("set", place.url, *words)
    assert ended.code == 2 and said in ended.err
    assert (place.classes(), place.tags()) == ({"STANDARD"}, {"set": "base"})


def test_files_and_what_is_not_there_are_refused(place: Place, terminal: Terminal) -> None:
    assert terminal.call("set", "./files/", "--tags", "a=b", "--yes").code == 2
    ended = terminal.call("set", f"s3://{place.bucket}/nothing/", "--tags", "a=b", "--yes")
    assert ended.code == 2 and "nothing" in ended.err


def test_what_may_not_be_read_fails_and_is_left_as_it_is(place: Place, terminal: Terminal) -> None:
    """An archived object is set aside; the rest is done, and the end says so."""
    place.s3.put_object(Bucket=place.bucket, Key="p/cold", Body=b"x", StorageClass="GLACIER")
    ended = terminal.call("set", place.url, "--storage-class", "STANDARD_IA", "--yes")
    assert ended.code == 3 and "1 archived" in ended.out
    assert place.classes() == {"STANDARD_IA", "GLACIER"}


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_is_shown_what_it_costs_and_asked(
    place: Place, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    asked: list[str] = []

    def line_after(question: str) -> str:
        asked.append(question)
        return "y\n" if answer else "\n"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(confirming, "line_after", line_after)
    ended = terminal.call("set", place.url, "--storage-class", "STANDARD_IA")
    assert asked == ["\nSet? [y/N]: "] and "a month    " in ended.out
    assert ended.code == (0 if answer else 1)
    assert place.classes() == {"STANDARD_IA" if answer else "STANDARD"}
    assert ("nothing was set" in ended.err) is not answer


def test_several_processes_set_it_together(place: Place, terminal: Terminal) -> None:
    ended = terminal.call("set", place.url, "--tags", "team=cards", "--processes", "2", "--yes")
    assert ended.code == 0, ended.err
    assert [place.tags(str(number)) for number in range(3)] == [{"set": "base", "team": "cards"}] * 3
    ended = terminal.call("set", place.url, "--storage-class", "STANDARD_IA", "--processes", "2", "--yes")
    assert ended.code == 0 and place.classes() == {"STANDARD_IA"}, ended.err
    (ledger, _) = sorted(terminal.folder.glob("*.ledger"))
    assert terminal.call("verify", "--ledger", ledger, "--properties").code == 0
