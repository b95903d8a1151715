"""What an object carries is part of it: what changes there is seen, mended, and keeps a source from being deleted."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from engine.sandbox import Sandbox
from tests.cli.commands import Ended, Terminal
from tests.servers import Endpoint


class Scene:
    """Four objects under old/ to be moved to new/ of one bucket, and a plan without a hold."""

    def __init__(self, server: Sandbox, terminal: Terminal) -> None:
        endpoint = Endpoint.of(server)
        self.server, self.terminal, self.s3 = server, terminal, endpoint.client()
        self.bucket = f"carried-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": endpoint.region})
        terminal.on(endpoint)
        for name in "abcd":
            self.put(f"old/{name}")
        self.write_plan()

    def write_plan(self, rules: str = "") -> None:
        (self.terminal.folder / "moving.toml").write_text(
            f'name = "moving"\nbucket = "{self.bucket}"\nprefix = ""\n[[routes]]\nname = "all"\n'
            f'from = "/old/"\nto = "/new/"\n{rules}\n[cleanup]\nhold = "0s"\n'
        )

    def put(self, key: str, **more: Any) -> None:
        more = {"Body": key[-1:].encode(), "Metadata": {"owner": "first"}, "ContentType": "text/plain"} | more
        self.s3.put_object(Bucket=self.bucket, Key=key, **more)

    def touch(self, name: str, owner: str = "second") -> None:
        """The usual way to mend metadata: the object copied onto itself, a second later. Its ETag stays."""
        self.server.control("advance_clock", {"seconds": 2})
        key = f"old/{name}"
        self.s3.copy_object(
            Bucket=self.bucket,
            Key=key,
            CopySource=f"{self.bucket}/{key}",
            MetadataDirective="REPLACE",
            Metadata={"owner": owner},
            ContentType="text/plain",
        )

    def tag(self, key: str, value: str) -> None:
        self.s3.put_object_tagging(Bucket=self.bucket, Key=key, Tagging={"TagSet": [{"Key": "legal", "Value": value}]})

    def tags(self, key: str) -> list[dict[str, str]]:
        return list(self.s3.get_object_tagging(Bucket=self.bucket, Key=key)["TagSet"])

    def owner(self, key: str) -> str:
        return str(self.s3.head_object(Bucket=self.bucket, Key=key)["Metadata"].get("owner", ""))

    def keys(self, prefix: str) -> str:
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return "".join(item["Key"][-1] for item in found)

    def call(self, command: str, *more: str, code: int = 0) -> Ended:
        ended = self.terminal.call(command, "moving.toml", *more, "--json")
        assert ended.code == code, ended.out + ended.err
        return ended

    def moved(self) -> Scene:
        self.call("run")
        self.call("verify")
        return self

    def delete(self, code: int = 0) -> dict[str, Any]:
        return dict(self.call("cleanup", "--delete", "--confirm", "moving", code=code).summary)

    def closed_by(self) -> list[dict[str, Any]]:
        return [item for item in self.call("cleanup", code=5).summary["reasons"] if not item["open"]]


@pytest.fixture
def scene(server: Sandbox, terminal: Terminal) -> Scene:
    return Scene(server, terminal)


def test_a_source_written_again_with_other_metadata_is_a_change_and_is_mended(scene: Scene) -> None:
    scene.moved().touch("a")
    (reason,) = scene.closed_by()
    assert reason["name"] == "audit" and "1 source changed" in reason["sentence"]
    assert scene.call("verify", code=4).summary["routes"]["all"]["kinds"] == {"drifted": 1}
    ran = scene.call("run").summary
    assert (ran["copied"], scene.owner("new/a")) == (1, "second")
    scene.call("verify")
    assert scene.delete()["deleted"] == 4


def test_a_source_written_again_just_as_it_was_is_not_copied_again(scene: Scene) -> None:
    scene.moved().touch("a", owner="first")
    ran = scene.call("run").summary
    assert (ran["copied"], ran["found"]) == (0, 1)
    assert scene.call("run").summary["found"] == 0  # the new moment is known now
    scene.call("verify")
    assert scene.delete()["deleted"] == 4


def test_tags_given_after_the_proof_keep_the_source_and_are_mended_in_place(scene: Scene) -> None:
    """No listing tells of them, so that the comparison before the delete is what finds them."""
    scene.moved().tag("old/b", "hold")
    scene.call("run")
    scene.call("verify")
    shut = scene.delete(code=5)
    assert [item["name"] for item in shut["reasons"] if not item["open"]] == ["properties"]
    assert scene.keys("old/") == "abcd"
    assert scene.call("status").summary["noted"]["properties"]["objects"] == 1
    ran = scene.call("run").summary
    assert (ran["copied"], scene.tags("new/b")) == (0, [{"Key": "legal", "Value": "hold"}])
    scene.call("verify")
    assert scene.delete()["deleted"] == 4


def test_a_target_that_was_found_keeps_what_it_carries_and_the_gate_says_so(scene: Scene) -> None:
    scene.put("new/c", Metadata={"owner": "someone"})
    scene.call("run")
    scene.call("verify")
    (reason,) = scene.closed_by()
    assert (reason["name"], reason["accept"]) == ("properties", "properties")
    for _ in range(2):
        assert scene.call("run").summary["copied"] == 0  # overwrite is never
    scene.call("verify")
    assert scene.closed_by() == [reason]
    accept = ("properties", "--found", reason["found"], "--because", "ours is newer")
    scene.call("accept", *accept)
    assert scene.delete()["deleted"] == 4
    assert scene.owner("new/c") == "someone"


def test_a_target_that_was_found_is_mended_where_it_may_be_overwritten(scene: Scene) -> None:
    scene.put("new/c", Metadata={"owner": "someone"})
    scene.moved()
    scene.call("verify", "--properties", code=4)
    scene.write_plan('overwrite = "if-different"')
    assert (scene.call("run").summary["copied"], scene.owner("new/c")) == (1, "first")
    scene.call("verify", "--properties")
    assert scene.delete()["deleted"] == 4


def test_an_acceptance_of_some_differences_is_none_of_others(scene: Scene) -> None:
    scene.put("new/c", Metadata={"owner": "someone"})
    scene.moved()
    (reason,) = scene.closed_by()
    scene.call("accept", "properties", "--found", reason["found"], "--because", "ours is newer")
    scene.tag("old/d", "hold")
    assert [item["name"] for item in scene.closed_by()] == ["properties"]


def test_what_the_route_drops_is_not_asked_for(scene: Scene) -> None:
    scene.write_plan('properties = { tags = "drop" }')
    scene.moved().tag("old/b", "hold")
    assert scene.delete()["deleted"] == 4


def test_what_was_written_again_and_has_its_file_is_not_counted_as_copied(scene: Scene) -> None:
    (scene.terminal.folder / "moving.toml").write_text(
        f'name = "moving"\n[[routes]]\nname = "all"\nfrom = "s3://{scene.bucket}/old/"\nto = "./out/"\n'
    )
    scene.moved().touch("a")
    ran = scene.call("run").summary
    assert (ran["copied"], ran["found"]) == (0, 1)


NOTHING_KEPT = 'content_headers = "drop", metadata = "drop", storage_class = "drop"'


def test_what_no_object_may_carry_is_looked_for_before_the_delete_although_nothing_is_kept(scene: Scene) -> None:
    scene.write_plan(f'properties = {{ {NOTHING_KEPT}, tags = "fail" }}')
    scene.moved().tag("old/b", "hold")
    assert [item["name"] for item in scene.closed_by()] == ["properties"]
    scene.delete(code=5)
    assert scene.keys("old/") == "abcd"


def test_where_routes_keep_nothing_the_gate_says_that_nothing_is_compared(scene: Scene) -> None:
    scene.write_plan(f'properties = {{ {NOTHING_KEPT}, tags = "drop" }}')
    scene.moved().tag("old/b", "hold")
    (said,) = [item for item in scene.delete()["reasons"] if item["name"] == "properties"]
    assert said["sentence"] == "the routes keep nothing but bytes: nothing else is compared"


def test_a_source_removed_before_its_proof_has_an_end_that_can_be_accepted(scene: Scene) -> None:
    scene.call("run")
    scene.s3.delete_object(Bucket=scene.bucket, Key="old/a")
    assert scene.call("verify", code=4).summary["routes"]["all"]["kinds"] == {"withdrawn": 1}
    (reason,) = scene.closed_by()
    assert (reason["name"], reason["accept"]) == ("withdrawn", "withdrawn")
    assert scene.call("run", code=3).summary["aside"] == {"withdrawn": 1}
    listed = scene.call("status", "--failed").summary["objects"]
    assert [(item["key"], item["state"]) for item in listed] == [("a", "withdrawn")]
    scene.call("accept", "withdrawn", "--found", reason["found"], "--because", "its owner took it back")
    scene.call("run")
    scene.call("verify")
    page = scene.terminal.folder / "page.html"
    told = scene.call("report", "--output", str(page)).summary
    assert told["sentence"] == "Every object is in place and proven, but for what was accepted: 1 withdrawn."
    assert "Not done" not in page.read_text() and "that are not done" not in page.read_text()
    assert scene.delete()["deleted"] == 3
    scene.call("receipt")
    assert "of which not proven but accepted: 1 withdrawn;" in (scene.terminal.folder / "moving.receipt.md").read_text()


def test_a_source_that_comes_back_is_taken_along(scene: Scene) -> None:
    scene.call("run")
    scene.s3.delete_object(Bucket=scene.bucket, Key="old/a")
    scene.call("run", code=3)
    scene.put("old/a", Metadata={"owner": "again"})
    scene.call("run")
    scene.call("verify", "--properties")
    assert (scene.owner("new/a"), scene.delete()["deleted"]) == ("again", 4)


@pytest.mark.parametrize("finder", ["verify", "run"])
def test_damage_after_cleanup_is_remembered_until_it_is_accepted(scene: Scene, finder: str) -> None:
    scene.moved().delete()
    assert scene.call("verify").summary["standing"] == 4
    scene.s3.delete_object(Bucket=scene.bucket, Key="new/a")
    scene.put("new/b", Body=b"another")
    scene.call(finder, code={"verify": 4, "run": 3}[finder])
    listed = scene.call("status", "--failed").summary["objects"]
    assert [(item["key"], item["state"], item["code"]) for item in listed] == [
        ("a", "lost", "TargetMissing"),
        ("b", "lost", "TargetChanged"),
    ]
    assert scene.call("run", code=3).summary["aside"] == {"lost": 2}
    assert scene.call("verify", code=4).summary["routes"]["all"]["kinds"] == {"lost": 2}
    text = scene.terminal.call("status", "moving.toml").out
    assert "2 missing or changed at the target, and no source is left" in text and "every object" not in text
    found = scene.call("status").summary["noted"]["lost"]["found"]
    scene.call("accept", "lost", "--found", found, "--because", "not needed any more")
    scene.call("run")
    scene.call("verify")


def test_a_lost_target_that_is_put_back_is_lost_no_more(scene: Scene) -> None:
    scene.moved().delete()
    scene.s3.delete_object(Bucket=scene.bucket, Key="new/a")
    scene.call("verify", code=4)
    scene.put("new/a", Body=b"a")
    assert scene.call("verify").summary["standing"] == 4
    assert "4 targets compared, sources deleted" in scene.terminal.call("verify", "moving.toml").out
    assert scene.call("run").summary["noted"] == {}
