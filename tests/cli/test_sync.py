"""`cartage sync`: a target that is brought up to date, and what stands there alone."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import engine.api.sync
from engine.api import run as api_run
from engine.folder import mounts, system
from engine.ledger.locking import FileLock
from engine.sandbox import FaultRule, Sandbox, SandboxSettings, start_sandbox
from tests.cli.commands import Ended, Terminal, assert_said_well
from tests.servers import Endpoint

BUCKET = "synced"
P, Q = f"s3://{BUCKET}/p/", f"s3://{BUCKET}/q/"


class Scene:
    """A bucket with a source, and a folder."""

    def __init__(self, terminal: Terminal, client: Any) -> None:
        self.terminal, self.client = terminal, client
        self.folder = terminal.folder / "x"

    def put(self, *keys: str, body: str = "") -> None:
        for key in keys:
            self.client.put_object(Bucket=BUCKET, Key=key, Body=(body or key).encode())

    def write(self, **files: str) -> None:
        self.folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def keys(self, prefix: str) -> set[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", ())
        return {item["Key"].removeprefix(prefix) for item in found}

    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}

    def sync(self, *arguments: str) -> Ended:
        return self.terminal.call("sync", *arguments)


@pytest.fixture
def scene(sandbox: Endpoint, terminal: Terminal) -> Scene:
    terminal.on(sandbox)
    client = sandbox.emptied(BUCKET)
    return Scene(terminal, client)


def test_a_target_is_brought_up_to_date_and_keeps_what_stands_there_alone(scene: Scene) -> None:
    scene.put("p/a", "p/b")
    scene.put("q/a", body="older")
    scene.put("q/alone")
    ended = scene.sync(P, Q)
    assert ended.code == 0, ended.err
    assert scene.keys("q/") == {"a", "b", "alone"}
    assert scene.client.get_object(Bucket=BUCKET, Key="q/a")["Body"].read() == b"p/a"


@pytest.mark.parametrize("way", ["within S3", "down", "up", "between folders"])
def test_what_left_the_source_leaves_the_target_time_after_time(scene: Scene, way: str) -> None:
    from_folder, to_folder = way in ("up", "between folders"), way in ("down", "between folders")
    copy = scene.terminal.folder / "copy" if from_folder else scene.folder
    if from_folder:
        scene.write(a="1", b="2", c="3")
        source, target = "./x/", "./copy/" if to_folder else Q
    else:
        scene.put("p/a", "p/b", "p/c")
        source, target = P, "./x/" if way == "down" else Q

    def remove(name: str) -> None:
        if from_folder:
            (scene.folder / name).unlink()
        else:
            scene.client.delete_object(Bucket=BUCKET, Key=f"p/{name}")

    def there() -> set[str]:
        return {path.name for path in copy.iterdir()} if to_folder else scene.keys("q/")

    assert scene.sync(source, target, "--delete", "--yes").code == 0
    assert there() == {"a", "b", "c"}
    for gone, left in (("a", {"b", "c"}), ("b", {"c"})):
        remove(gone)
        ended = scene.sync(source, target, "--delete", "--yes")
        assert ended.code == 0, ended.out + ended.err
        assert there() == left
    again = scene.sync(source, target, "--delete", "--yes", "--json")
    assert (again.code, again.summary["copied"], again.summary["extras"]["snapshot"]["objects"]) == (0, 0, 0)
    (ledger,) = scene.terminal.folder.glob("*.ledger")
    assert scene.terminal.call("verify", "--ledger", ledger).code == 0


@pytest.mark.parametrize("source", ["./x/", P])
def test_a_directory_that_the_source_has_stays_when_the_last_extra_in_it_goes(scene: Scene, source: str) -> None:
    scene.write(a="1")
    (scene.folder / "dir").mkdir()
    scene.put("p/a")
    scene.client.put_object(Bucket=BUCKET, Key="p/dir/", Body=b"")
    copy = scene.terminal.folder / "copy"
    assert scene.sync(source, "./copy/", "--delete", "--yes").code == 0
    for extra in ("dir/deep/old.txt", "gone/old.txt"):
        (copy / extra).parent.mkdir(parents=True)
        (copy / extra).write_text("extra")
    ended = scene.sync(source, "./copy/", "--delete", "--yes")
    assert ended.code == 0, ended.out + ended.err
    assert {path.relative_to(copy).as_posix() for path in copy.rglob("*")} == {"a", "dir"}
    (ledger,) = scene.terminal.folder.glob("*.ledger")
    assert scene.terminal.call("verify", "--ledger", ledger).code == 0


def test_a_directory_that_left_the_source_goes_with_the_last_extra_in_it(scene: Scene) -> None:
    scene.put("p/a")
    scene.client.put_object(Bucket=BUCKET, Key="p/dir/", Body=b"")
    copy = scene.terminal.folder / "copy"
    assert scene.sync(P, "./copy/").code == 0
    (ledger,) = scene.terminal.folder.glob("*.ledger")
    assert scene.terminal.call("verify", "--ledger", ledger).code == 0
    scene.client.delete_object(Bucket=BUCKET, Key="p/dir/")
    (copy / "dir" / "old.txt").write_text("extra")
    ended = scene.sync(P, "./copy/", "--delete", "--yes")
    assert ended.code == 0, ended.out + ended.err
    assert {path.name for path in copy.rglob("*")} == {"a"}


def test_a_folders_own_marker_is_no_object_of_a_local_folder(scene: Scene) -> None:
    """As consoles make one: of no bytes, under the prefix itself. So is one whose directory the source has."""
    scene.put("p/a", "p/sub/x")
    for marker in ("p/", "p/sub/"):
        scene.client.put_object(Bucket=BUCKET, Key=marker, Body=b"")
    down = scene.sync(P, "./x/")
    assert down.code == 0, down.out + down.err
    up = scene.sync("./x/", P, "--delete", "--yes")
    assert up.code == 0, up.out + up.err
    assert scene.keys("p/") == {"", "a", "sub/", "sub/x"}
    scene.client.put_object(Bucket=BUCKET, Key="p/gone/", Body=b"")
    up = scene.sync("./x/", P, "--delete", "--yes")
    assert up.code == 0 and scene.keys("p/") == {"", "a", "sub/", "sub/x"}
    for ledger in scene.terminal.folder.glob("*.ledger"):
        assert scene.terminal.call("verify", "--ledger", ledger).code == 0
    scene.client.put_object(Bucket=BUCKET, Key="p/", Body=b"not empty")
    assert scene.sync(P, "./x/").code == 3, "bytes have nowhere to go"


def test_where_nothing_stands_alone_nothing_is_closed(scene: Scene) -> None:
    scene.write(a="1")
    scene.put("q/b")
    ended = scene.sync("./x/", Q, "--delete", "--yes", "--include", "*.txt")
    assert ended.code == 0 and f"nothing stands in {Q} alone" in ended.out, ended.out


@pytest.mark.parametrize(("source", "target"), [("n/y", "n"), ("n", "n/y")], ids=["now a folder", "now a file"])
def test_what_stands_in_the_way_of_a_name_is_named_and_what_is_to_be_done(
    scene: Scene, source: str, target: str
) -> None:
    copy = scene.terminal.folder / "copy"
    for at in (scene.folder / source, copy / target):
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(str(at))
    ended = scene.sync("./x/", "./copy/", "--delete", "--yes")
    told = ended.out + ended.err
    assert ended.code == 3 and "stands in its way: 'n'" in told and "remove what stands there" in told, told
    (copy / "n").rename(scene.terminal.folder / "away")
    assert scene.sync("./x/", "./copy/", "--delete", "--yes").code == 0
    assert (copy / source).read_text() == str(scene.folder / source)


def test_an_empty_directory_is_an_extra_like_any_other(scene: Scene) -> None:
    scene.write(a="1")
    (scene.folder / "stays").mkdir()
    copy = scene.terminal.folder / "copy"
    for extra in ("empty", "a/b/c", "full"):
        (copy / extra).mkdir(parents=True)
    (copy / "full" / "old").write_text("extra")
    (copy / "a").rename(copy / "d")
    ended = scene.sync("./x/", "./copy/", "--delete", "--yes", "--json")
    assert ended.code == 0 and ended.summary["extras"]["deleted"] == 3, ended.out + ended.err
    assert {path.relative_to(copy).as_posix() for path in copy.rglob("*")} == {"a", "stays"}


def test_a_verification_agrees_with_what_was_synchronized(scene: Scene) -> None:
    """What the source's owner removed is taken so by the ledger too, time after time."""
    scene.write(a="1", b="2", c="3")
    for gone in ("", "a", "b"):
        if gone:
            (scene.folder / gone).unlink()
        assert scene.sync("./x/", Q).code == 0
        (ledger,) = scene.terminal.folder.glob("*.ledger")
        verified = scene.terminal.call("verify", "--ledger", ledger)
        assert verified.code == 0, verified.out
    (scene.folder / "c").unlink()
    scene.write(d="4")
    assert scene.terminal.call("verify", "--ledger", ledger).code == 4, "what nobody took is a difference"


def test_what_a_copy_without_a_plan_lost_its_source_of_can_be_accepted(scene: Scene) -> None:
    scene.write(a="1", b="2")
    assert scene.terminal.call("cp", "./x/", Q, "--yes").code == 0
    (scene.folder / "a").unlink()
    ended = scene.terminal.call("cp", "./x/", Q, "--yes")
    (accept,) = [line.split()[1:] for line in ended.out.splitlines() if "accept" in line]
    assert ended.code == 3
    assert scene.terminal.call(*accept).code == 0
    assert scene.terminal.call("cp", "./x/", Q, "--yes").code == 0


def test_extras_are_shown_and_stay_until_they_are_confirmed(scene: Scene) -> None:
    scene.put("p/a", "q/alone")
    ended = scene.sync(P, Q, "--delete")
    assert ended.code == 5
    assert "nothing is deleted yet" in ended.out and "--yes" in ended.out
    assert scene.keys("q/") == {"a", "alone"}
    scene.put("q/alone", body="another one now")
    scene.put("q/later")
    scene.client.put_object(Bucket=BUCKET, Key="q/alone", Body=b"another one now")
    assert scene.sync(P, Q, "--delete", "--yes").code == 3, "it is another one than was shown"
    assert scene.keys("q/") == {"a", "alone", "later"}
    assert scene.sync(P, Q, "--delete", "--yes").code == 0
    assert scene.keys("q/") == {"a"}


def test_who_takes_the_ledger_after_the_copy_is_told_of_with_what_was_done(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.put("p/a", "q/alone")
    taken: list[FileLock] = []

    async def migrate(*arguments: Any, **more: Any) -> Any:
        result = await api_run.migrate(*arguments, **more)
        taken.append(FileLock(result.ledger))
        taken[0].acquire()
        return result

    monkeypatch.setattr(engine.api.sync, "migrate", migrate)
    ended = scene.sync(P, Q, "--delete", "--yes")
    assert ended.code == 1
    assert "the copy is done (1 copied), and nothing was deleted: another run is at work on" in ended.err
    taken[0].release()
    assert scene.keys("q/") == {"a", "alone"}


def test_what_came_back_at_the_source_stays(scene: Scene) -> None:
    scene.put("p/a", "q/alone")
    assert scene.sync(P, Q, "--delete").code == 5
    scene.client.put_object(Bucket=BUCKET, Key="p/alone", Body=b"q/alone")
    ended = scene.sync(P, Q, "--delete", "--yes")
    assert ended.code == 3 and "q/alone: the source has one of its name by now" in ended.out, ended.out
    assert scene.keys("q/") == {"a", "alone"}


def test_patterns_hold_for_what_is_deleted_too(scene: Scene) -> None:
    scene.put("p/a.png", "q/alone.png", "q/alone.txt", "q/notes.png")
    rules = ("--include", "*.png", "--exclude", "notes*")
    assert scene.sync(P, Q, "--delete", "--yes", *rules).code == 0
    assert scene.keys("q/") == {"a.png", "alone.txt", "notes.png"}


def extras_of(scene: Scene, *patterns: str, code: int = 0) -> Ended:
    """A ledger of the user's own, which holds no object, and so may be given to other patterns any time."""
    (scene.terminal.folder / "none").mkdir(exist_ok=True)
    ended = scene.sync("./none/", Q, "--delete", "--allow-empty", "--ledger", "my.ledger", *patterns)
    assert ended.code == code, ended.out + ended.err
    return ended


def test_what_was_shown_without_patterns_is_not_deleted_with_them(scene: Scene) -> None:
    scene.put("q/keep/precious", "q/old")
    extras_of(scene, code=5)
    ended = extras_of(scene, "--exclude", "keep/*", "--yes")
    assert scene.keys("q/") == {"keep/precious"}
    assert "earlier snapshot was of another source or of other patterns" in ended.out


def test_with_other_patterns_the_hold_begins_anew(scene: Scene) -> None:
    scene.put("q/keep/precious", "q/old")
    held = extras_of(scene, "--yes", "--hold", "1h", "--json", code=5).summary["extras"]
    again = extras_of(scene, "--yes", "--hold", "1h", "--json", code=5).summary["extras"]
    assert again["taken_ms"] == held["taken_ms"] and not again["fresh"]
    other = extras_of(scene, "--yes", "--hold", "1h", "--exclude", "keep/*", "--json", code=5).summary["extras"]
    assert other["fresh"] and other["snapshot"]["objects"] == 1


def test_what_the_patterns_leave_out_stays_whatever_the_snapshot_holds(scene: Scene) -> None:
    scene.put("q/keep/precious", "q/old")
    extras_of(scene, "--exclude", "keep/*", code=5)
    with closing(sqlite3.connect(scene.terminal.folder / "my.deletion")) as listed, listed:
        row = "SELECT 'q/keep/precious', size, etag, modified, storage_class, state FROM objects"
        listed.execute(f"INSERT INTO objects {row}")
        etag = scene.client.head_object(Bucket=BUCKET, Key="q/keep/precious")["ETag"].strip('"')
        listed.execute("UPDATE objects SET etag = ?, modified = '' WHERE key = 'q/keep/precious'", (etag,))
    ended = extras_of(scene, "--exclude", "keep/*", "--yes", code=3)
    assert scene.keys("q/") == {"keep/precious"} and "barred" in ended.out


def test_a_source_that_became_empty_takes_nothing_with_it(scene: Scene) -> None:
    scene.put("p/a", "p/b")
    assert scene.sync(P, Q, "--delete", "--yes").code == 0
    for key in ("p/a", "p/b"):
        scene.client.delete_object(Bucket=BUCKET, Key=key)
    ended = scene.sync(P, Q, "--delete", "--yes")
    assert ended.code == 5 and "--allow-empty" in ended.out, ended.out + ended.err
    assert scene.keys("q/") == {"a", "b"}
    assert scene.sync(P, Q, "--delete", "--yes", "--allow-empty").code == 0
    assert scene.keys("q/") == set()


def test_a_run_that_left_something_undone_deletes_nothing(scene: Scene) -> None:
    scene.write(a="1")
    (scene.folder / "link").symlink_to("a")
    scene.put("q/link", "q/alone")
    ended = scene.sync("./x/", Q, "--delete", "--yes")
    assert ended.code == 3 and "left anything undone" in ended.out, ended.out
    assert scene.keys("q/") == {"a", "link", "alone"}


def test_what_a_run_saw_that_left_something_undone_is_not_all_that_the_next_one_deletes(scene: Scene) -> None:
    scene.write(a="1", b="2", c="3")
    assert scene.sync("./x/", Q).code == 0
    (scene.folder / "a").unlink()
    (scene.folder / "link").symlink_to("b")
    assert scene.sync("./x/", Q, "--delete", "--yes").code == 3
    for name in ("b", "link"):
        (scene.folder / name).unlink()
    assert scene.sync("./x/", Q, "--delete", "--yes").code == 0
    assert scene.keys("q/") == {"c"}
    (ledger,) = scene.terminal.folder.glob("*.ledger")
    assert scene.terminal.call("verify", "--ledger", ledger).code == 0


def test_what_stands_alone_since_it_was_shown_is_left_and_said(scene: Scene) -> None:
    scene.write(a="1", b="2", c="3")
    assert scene.sync("./x/", Q).code == 0
    (scene.folder / "a").unlink()
    assert scene.sync("./x/", Q, "--delete").code == 5
    (scene.folder / "b").unlink()
    shown = scene.sync("./x/", Q, "--delete", "--yes")
    assert shown.code == 5 and "1 object left that the snapshot does not hold: q/b" in shown.out, shown.out
    assert scene.keys("q/") == {"b", "c"}
    (ledger,) = scene.terminal.folder.glob("*.ledger")
    assert scene.terminal.call("verify", "--ledger", ledger).code == 0, "what is withdrawn is accepted as it is now"
    assert scene.sync("./x/", Q, "--delete", "--yes").code == 0
    assert scene.keys("q/") == {"c"}


def test_a_hold_is_waited_for_by_the_servers_clock(scene: Scene) -> None:
    scene.put("p/a", "q/alone")
    ended = scene.sync(P, Q, "--delete", "--yes", "--hold", "1h")
    assert ended.code == 5 and "the hold of" in ended.out
    assert scene.keys("q/") == {"a", "alone"}


def test_keys_that_no_file_can_have_are_left_and_keep_nothing_else_from_going(scene: Scene) -> None:
    """They stand in the bucket alone whatever the folder holds, and no run could bring them there."""
    scene.write(a="1")
    kept = ("q/a//b", "q/../e", "q/")
    scene.put(*kept, "q/alone")
    for _ in range(2):
        ended = scene.sync("./x/", Q, "--delete", "--yes")
        assert ended.code == 0, ended.out + ended.err
        assert "3 keys that no file can have" in ended.err and "cartage delete" in ended.err
        assert scene.keys("q/") == {key.removeprefix("q/") for key in kept} | {"a"}


@pytest.mark.parametrize(
    "arguments",
    [(P, Q, "--since", "2026-01-01"), (P, Q, "--keys", "list.txt"), (f"{P}a", f"{Q}a"), ("./x/", "./x/y/")],
    ids=["times", "a list", "one key", "a folder in its source"],
)
def test_extras_that_cannot_be_told_are_refused_before_anything_is_done(
    scene: Scene, arguments: tuple[str, ...]
) -> None:
    scene.put("p/a", "q/alone")
    (scene.terminal.folder / "list.txt").write_text("p/a\n")
    ended = scene.sync(*arguments, "--delete", "--yes")
    assert_said_well(ended, "sync")
    assert ended.code == 2
    assert scene.keys("q/") == {"alone"}


@pytest.mark.parametrize("verb", ["cp", "sync"])
def test_a_dry_run_writes_nothing(scene: Scene, verb: str) -> None:
    scene.put("p/a", "q/alone")
    (scene.terminal.folder / "files").mkdir()
    (scene.terminal.folder / "files" / "a").write_text("1")
    before: set[Path] = set(scene.terminal.folder.rglob("*"))
    more = ("--delete",) if verb == "sync" else ()
    ended = scene.terminal.call(verb, P, Q, "--dry-run", *more)
    assert ended.code == 0, ended.err
    assert ("in the target alone" in ended.out) == (verb == "sync")
    told = scene.terminal.call(verb, P, "./x/", "--dry-run", "--json").summary
    (route,) = told["routes"].values()
    assert route["to_copy"] == 1
    assert scene.terminal.call(verb, f"s3://{BUCKET}/nothing/", Q, "--dry-run").code == 2
    told = scene.terminal.call(verb, "./files/", "./x/", "--dry-run", "--json").summary
    assert [route["to_copy"] for route in told["routes"].values()] == [1]
    assert set(scene.terminal.folder.rglob("*")) == before
    assert scene.keys("q/") == {"alone"}


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_a_folder_that_vanished_is_no_empty_source(scene: Scene, left: str) -> None:
    scene.write(a="1", b="2")
    assert scene.sync("./x/", Q, "--delete", "--yes").code == 0
    scene.folder.rename(scene.terminal.folder / "unmounted")
    if left == "an empty folder":
        scene.folder.mkdir()  # what a mount leaves behind
    ended = scene.sync("./x/", Q, "--delete", "--yes", "--allow-empty")
    assert ended.code == 1, ended.out
    assert_said_well(ended, "sync")
    assert scene.keys("q/") == {"a", "b"}


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_no_gate_opens_over_a_folder_that_vanished(scene: Scene, left: str) -> None:
    """A target's folder whose mount is gone: the sources in S3 are all that is left."""
    scene.put("p/a")
    plan = scene.terminal.folder / "plan.toml"
    plan.write_text(f'[[routes]]\nname = "all"\nfrom = "{P}"\nto = "./x/"\n[cleanup]\nhold = "0s"\n', encoding="utf-8")
    for verb in ("run", "verify"):
        assert scene.terminal.call(verb, plan).code == 0
    scene.folder.rename(scene.terminal.folder / "unmounted")
    if left == "an empty folder":
        scene.folder.mkdir()
    ended = scene.terminal.call("cleanup", plan, "--delete", "--confirm", "plan")
    assert ended.code in (1, 5), ended.out
    assert scene.keys("p/") == {"a"}


def test_too_little_room_is_said_before_the_first_byte(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.put("p/a", "p/b")
    monkeypatch.setattr(system, "free_bytes", lambda place: 5)
    ended = scene.terminal.call("cp", P, "./x/", "--dry-run")
    assert_said_well(ended, "cp")
    assert ended.code == 2 and "adds 6 bytes" in ended.err and "5 left" in ended.err
    scene.write(a="a b", b="c d")  # of the same length: nothing is added
    assert scene.sync(P, "./x/", "--dry-run").code == 0


def test_what_is_mounted_below_the_target_has_room_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.put("p/a", "p/b")
    scene.write(c="of the target, which is there")
    monkeypatch.setattr(system, "free_bytes", lambda place: 3 if place == Path("/proc") else 2)
    monkeypatch.setattr(mounts, "below", lambda folder: [b"/proc", b"/proc", b"/nowhere", bytes(scene.folder)])
    ended = scene.terminal.call("cp", P, "./x/", "--dry-run")
    assert ended.code == 2 and "mounted below it, which together have 5 left" in ended.err
    scene.put("p/a")
    scene.write(b="p/b")
    assert scene.terminal.call("cp", P, "./x/", "--dry-run").code == 0


@pytest.mark.parametrize(("flags", "synced"), [((), True), (("--durability", "none"), False)])
def test_durability_is_what_is_asked_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], synced: bool
) -> None:
    scene.put("p/a")
    scene.write(beside="the folder is there")
    syncs: list[int] = []
    monkeypatch.setattr(system, "sync", syncs.append)
    assert scene.terminal.call("cp", P, "./x/", *flags).code == 0
    assert (syncs != []) == synced
    assert (scene.folder / "a").read_bytes() == b"p/a"


def test_what_would_go_is_named_before_it_is_agreed_to(scene: Scene) -> None:
    scene.write(a="1")
    copy = scene.terminal.folder / "copy"
    copy.mkdir()
    for number in range(12):
        (copy / f"{number:02}").write_text("alone")
    few = scene.sync("./x/", "./copy/", "--delete")
    assert few.code == 5
    told = few.out.partition("in the target alone:\n")[2]
    assert "\n".join([*(f"  {number:02}" for number in range(10)), "  and 2 more\n"]) in told
    gone = scene.sync("./x/", "./copy/", "--delete", "--yes")
    assert gone.code == 0, gone.err
    assert "  00" not in gone.out.splitlines()
    assert not list(scene.terminal.folder.glob("*.deletion-*")), "nothing of SQLite's is left beside the list"


@pytest.fixture
def second_name(terminal: Terminal) -> Iterator[tuple[Scene, Sandbox]]:
    """A scene whose bucket has a second name."""
    with start_sandbox(SandboxSettings()) as server:
        endpoint = Endpoint.of(server)
        terminal.on(endpoint)
        scene = Scene(terminal, endpoint.emptied(BUCKET))
        server.control("bucket", {"name": "backup", "alias_of": BUCKET})
        yield scene, server


@pytest.mark.parametrize("more", [(), ("--unconditional",)])
def test_nothing_is_deleted_in_the_source_s_bucket_by_its_second_name(
    second_name: tuple[Scene, Sandbox], more: tuple[str, ...]
) -> None:
    scene, _ = second_name
    scene.put("p/a", "other/only")
    ended = scene.sync(P, "s3://backup/", "--delete", "--yes", *more)
    assert ended.code == 5 and "two names of one bucket" in ended.err, ended.out + ended.err
    assert scene.keys("") == {"a", "p/a", "other/only"}


def test_where_that_may_not_be_looked_at_nothing_is_deleted_either(second_name: tuple[Scene, Sandbox]) -> None:
    scene, server = second_name
    scene.client.create_bucket(Bucket="apart")
    scene.put("p/a")
    scene.client.put_object(Bucket="apart", Key="alone", Body=b"")
    fault = FaultRule("403", "HeadObject", key=".cartage-claim", bucket=BUCKET, probability=1)
    server.control("settings", {"faults": [asdict(fault)]})
    ended = scene.sync(P, "s3://apart/", "--delete", "--yes")
    assert ended.code == 5 and "cannot be looked at" in ended.err, ended.out + ended.err
    assert scene.sync(P, "s3://apart/", "--delete", "--yes", "--unconditional").code == 0
    assert [item["Key"] for item in scene.client.list_objects_v2(Bucket="apart")["Contents"]] == ["a"]


def test_a_snapshot_that_was_asked_for_anew_is_the_one_that_is_to_be_deleted(scene: Scene) -> None:
    scene.put("p/a", "q/alone")
    said = "next: the same command again, with --yes"
    assert f"{said}\n" in scene.sync(P, Q, "--delete").out
    assert f"{said} and without --again\n" in scene.sync(P, Q, "--delete", "--again").out


def test_what_would_be_written_over_is_counted_before_it_is_and_what_is_newer_than_its_source(scene: Scene) -> None:
    scene.write(a="older", b="of another size", c="new")
    long_ago = 1_600_000_000
    os.utime(scene.folder / "a", (long_ago, long_ago))
    later = 4_000_000_000
    os.utime(scene.folder / "b", (later, later))
    scene.put("q/a", "q/b")
    ended = scene.sync("./x/", Q, "--dry-run")
    assert ended.code == 0, ended.err
    assert "2 to be written over, 1 of them newer than the source; the first: a, b" in ended.out
    told = scene.sync("./x/", Q, "--dry-run", "--json").summary["routes"]
    (route,) = told.values()
    assert (route["replaced"], route["replaced_newer"], route["first_replaced"]) == (2, 1, ["a", "b"])


def test_what_only_a_look_tells_from_its_source_is_counted_as_if_it_were_written_over(scene: Scene) -> None:
    scene.write(a="1", b="2", c="of another size")
    for name in "ab":
        os.utime(scene.folder / name, (1_600_000_000, 1_600_000_000))
    os.utime(scene.folder / "c", (4_000_000_000, 4_000_000_000))
    scene.put("q/a", "q/b", "q/c", body="1")
    over = "to be written over, 2 of them newer than the source; the first: a, b, c"
    assert f"up to 3 {over}" in scene.sync("./x/", Q, "--dry-run").out
    assert "to be written over" not in scene.terminal.call("cp", "./x/", Q, "--dry-run").out
    told = scene.sync("./x/", Q, "--json").summary
    assert (told["found"], told["replaced"], told["replaced_newer"]) == (1, 2, 1)


def test_a_sync_that_asked_nobody_says_what_it_wrote_over_and_what_was_newer(scene: Scene) -> None:
    scene.write(a="older", b="of another size", c="new")
    long_ago = 1_600_000_000
    os.utime(scene.folder / "a", (long_ago, long_ago))
    os.utime(scene.folder / "b", (4_000_000_000, 4_000_000_000))
    scene.put("q/a", "q/b")
    ended = scene.sync("./x/", Q)
    assert "wrote over 2 that stood at the target, 1 of them newer than the source; the first: a, b\n" in ended.out
    assert "wrote over" not in scene.sync("./x/", Q).out  # nothing was written by this one
    (ledger,) = scene.terminal.folder.glob("*.ledger")
    assert scene.terminal.call("report", "--ledger", ledger, "-o", "page.html").code == 0
    page = (scene.terminal.folder / "page.html").read_text()
    assert "2 objects (20 B) took the place of what stood at the target before" in page
    scene.write(a="another", c="another one")
    for name in ("a", "c"):  # whatever the clocks of this machine's disk and of the server say meanwhile
        os.utime(scene.folder / name, (4_000_000_000, 4_000_000_000))
    again = scene.sync("./x/", Q, "--json").summary
    assert (again["copied"], again["replaced"], again["replaced_newer"]) == (2, 2, 0)
    assert again["first_replaced"] == ["a", "c"]


def test_of_several_processes_together_it_is_said_what_they_wrote_over(scene: Scene) -> None:
    keys = [f"{number:03}" for number in range(40)]
    scene.put(*(f"p/{key}" for key in keys))
    scene.put(*(f"q/{key}" for key in keys[:30]), body="another")
    told = scene.sync(P, Q, "--processes", "2", "--json").summary
    assert (told["copied"], told["replaced"]) == (40, 30)
    assert len(told["first_replaced"]) == 3 and set(told["first_replaced"]) <= set(keys[:30])
