"""Local folders and other endpoints from the command line, as they are typed."""

from __future__ import annotations

import errno
import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.folder import walking
from engine.folder.scanning import Scan, scan
from tests.cli.commands import Terminal, assert_said_well
from tests.servers import Endpoint, start_sandbox_endpoint

BUCKET = "typed"


@pytest.fixture
def client(sandbox: Endpoint, terminal: Terminal) -> Any:
    terminal.on(sandbox)
    client = sandbox.emptied(BUCKET)
    for key in ("p/a", "p/deep/b"):
        client.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    return client


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_one_side_is_at_an_endpoint_of_its_own_and_the_ledger_remembers_it(
    terminal: Terminal, client: Any, sandbox: Endpoint
) -> None:
    terminal.set(AWS_ENDPOINT_URL_S3="http://127.0.0.1:9")  # where nothing is, and nothing is asked
    flags = ("--from-endpoint-url", sandbox.url, "--from-region", sandbox.region)
    ended = terminal.call("cp", f"s3://{BUCKET}/p/", "./clone/", *flags, "--ledger", "clone.ledger")
    assert ended.code == 0, ended.err
    assert files(terminal.folder / "clone") == {"a": b"p/a", "deep/b": b"p/deep/b"}
    assert terminal.call("verify", "--ledger", "clone.ledger").code == 0
    assert terminal.call("status", "--ledger", "clone.ledger").code == 0


@pytest.fixture(scope="module")
def far() -> Iterator[Endpoint]:
    with start_sandbox_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def profiles(terminal: Terminal, client: Any, far: Endpoint) -> None:
    """The keys of the other server are a profile's, and of no use at the first."""
    file = terminal.folder / "credentials"
    file.write_text(f"[far]\naws_access_key_id = {far.access_key}\naws_secret_access_key = {far.secret_key}\n")
    terminal.set(AWS_SHARED_CREDENTIALS_FILE=str(file))


@pytest.mark.usefixtures("profiles")
def test_objects_go_to_another_server_and_come_back_by_flags_alone(
    terminal: Terminal, client: Any, far: Endpoint
) -> None:
    there = far.client()
    if BUCKET not in [item["Name"] for item in there.list_buckets()["Buckets"]]:
        there.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": far.region})
    place = ("endpoint-url", far.url), ("region", far.region), ("profile", "far")
    to = [word for flag, value in place for word in (f"--to-{flag}", value)]
    back = [word for flag, value in place for word in (f"--from-{flag}", value)]
    sent = terminal.call("cp", f"s3://{BUCKET}/p/", f"s3://{BUCKET}/far/", *to, "--ledger", "to.ledger", "--json")
    assert sent.code == 0, sent.err
    assert sent.summary["copied"] == 2
    assert there.get_object(Bucket=BUCKET, Key="far/deep/b")["Body"].read() == b"p/deep/b"
    assert "Contents" not in client.list_objects_v2(Bucket=BUCKET, Prefix="far/")
    for words in (("verify", "--deep"), ("status",)):
        assert terminal.call(*words, "--ledger", "to.ledger").code == 0, (
            "the ledger knows both servers, and the profile"
        )
    got = terminal.call("cp", f"s3://{BUCKET}/far/", f"s3://{BUCKET}/back/", *back, "--ledger", "from.ledger")
    assert got.code == 0, got.err
    assert client.get_object(Bucket=BUCKET, Key="back/a")["Body"].read() == b"p/a"
    assert terminal.call("verify", "--ledger", "from.ledger").code == 0
    again = terminal.call("cp", f"s3://{BUCKET}/p/", f"s3://{BUCKET}/far/", "--ledger", "to.ledger")
    assert_said_well(again, "cp")
    assert again.code == 1 and "bound to something else" in again.err, (
        "another target of the same name is refused by the ledger"
    )


@pytest.mark.usefixtures("profiles")
def test_one_server_is_not_asked_with_the_keys_of_the_other(terminal: Terminal, client: Any, far: Endpoint) -> None:
    flags = ("--to-endpoint-url", far.url, "--to-region", far.region)  # and no profile
    ended = terminal.call("cp", f"s3://{BUCKET}/p/", f"s3://{BUCKET}/far/", *flags)
    assert_said_well(ended, "cp")
    assert ended.code == 1 and "InvalidAccessKeyId" in ended.err, ended.err


def test_a_flag_of_an_endpoint_is_refused_for_a_local_side(terminal: Terminal) -> None:
    ended = terminal.call("cp", "s3://bucket/p/", "./clone/", "--to-profile", "other")
    assert_said_well(ended, "cp")
    assert ended.code == 2
    assert "--to-profile" in ended.err and "./clone/" in ended.err


def clone(folder: Path) -> Path:
    made = folder / "x"
    (made / "deep").mkdir(parents=True)
    (made / "a").write_bytes(b"p/a")
    (made / "deep" / "b").write_bytes(b"p/deep/b")
    return made


@pytest.mark.parametrize(
    ("free_bytes", "free_files", "said"),
    [
        (8, 99, "adds 11 bytes to the disk of {}, which has 8 left"),
        (99, 1, "adds 2 files to the disk of {}, which has room for 1 file more (inodes)"),
        (99, 2, ""),
    ],
)
def test_what_its_disk_has_no_room_for_is_said_before_the_first_byte(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, free_bytes: int, free_files: int, said: str
) -> None:
    clone(terminal.folder)
    of_bytes, of_files = (1, 1, 99, free_bytes, free_bytes), (99, free_files, free_files)
    monkeypatch.setattr(os, "statvfs", lambda place: os.statvfs_result((*of_bytes, *of_files, 0, 255)))
    ended = terminal.call("cp", "./x/", "./y/", "--dry-run")
    assert ended.code == (2 if said else 0), ended.err
    assert said.format(terminal.folder / "y/") in ended.err


def test_a_folder_is_listed_and_counted_as_a_prefix_is(terminal: Terminal) -> None:
    clone(terminal.folder)
    assert [line.split() for line in terminal.call("ls", "./x/").out.splitlines()] == [
        ["PRE", "deep/"],
        [*terminal.call("ls", "./x/a").out.split()[:2], "3", "a"],
    ]
    found = terminal.call("ls", "./x", "--summarize", "--json").summary
    assert (found["objects"], found["bytes"]) == (2, 11)
    missing = terminal.call("ls", "./y/")
    assert_said_well(missing, "ls")
    assert missing.code == 1


def test_a_folder_is_deleted_by_its_snapshot_and_no_link_is_followed(terminal: Terminal) -> None:
    made = clone(terminal.folder)
    outside = terminal.folder / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"kept")
    (made / "link").symlink_to(outside)
    first = terminal.call("delete", "./x/")
    assert first.code == 3 and "nothing is deleted yet" in first.out and "link: " in first.err
    (made / "later").write_bytes(b"later")
    (made / "a").write_bytes(b"changed")
    name = f"{made}/"
    ended = terminal.call("delete", "./x/", "--confirm", name)
    assert ended.code == 3, ended.err
    assert files(outside) == {"kept": b"kept"}
    assert (made / "link").is_symlink()
    assert {path.name: path.read_bytes() for path in made.iterdir() if not path.is_symlink()} == {
        "a": b"changed",
        "later": b"later",
    }


def test_what_was_read_below_a_linked_directory_is_left_and_why_is_said(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = clone(terminal.folder)
    outside = terminal.folder / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"kept")
    (made / "link").symlink_to(outside)
    monkeypatch.setattr("engine.finish.deleting.PASSES", 1)  # nothing is asked twice
    assert terminal.call("delete", "./x/", "--links", "follow").code == 0
    for deleted in (2, 0):
        ended = terminal.call("delete", "./x/", "--links", "follow", "--confirm", f"{made}/", "--json")
        assert (ended.code, ended.summary["deleted"], ended.summary["kept"]) == (3, deleted, {"elsewhere": 1})
        assert "link/kept" in ended.out and "followed to read and never to delete" in ended.out
    assert files(outside) == {"kept": b"kept"} and (made / "link").is_symlink()


def test_a_link_whose_file_went_before_it_goes_with_it_by_a_snapshot_that_was_shown(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = terminal.folder / "x"
    made.mkdir()
    for number in range(40):
        (made / f"{number:02}").write_bytes(b"a card")
    (made / "link").symlink_to("00")
    monkeypatch.setattr("engine.finish.project_deletion.KEYS_A_BATCH", 1)
    assert terminal.call("delete", "./x/", "--links", "follow").code == 0
    ended = terminal.call("delete", "./x/", "--links", "follow", "--confirm", "./x/", "--json")
    assert (ended.code, ended.summary["deleted"]) == (0, 41)
    assert list(made.iterdir()) == []


def test_a_folder_is_confirmed_as_it_was_typed(terminal: Terminal) -> None:
    """What is shown is its whole path; each way to write it means the same folder, and no other is taken for it."""
    made = clone(terminal.folder)
    (terminal.folder / "y").mkdir()
    refused = terminal.call("delete", "./x/", "--confirm", "./y/")
    assert_said_well(refused, "delete")
    assert refused.code == 2 and refused.err.endswith(f"give --confirm {made}/.\n")
    assert files(made).keys() == {"a", "deep/b"}
    ended = terminal.call("delete", "./x/", "--confirm", "./y/../x/")
    assert ended.code == 0, ended.err
    assert files(made) == {}


def test_a_list_of_what_is_to_go_is_no_part_of_the_folder_that_goes(terminal: Terminal) -> None:
    clone(terminal.folder)
    assert terminal.call("delete", "./").code == 0
    ended = terminal.call("delete", "./", "--confirm", "./", "--json")
    assert (ended.code, ended.summary["deleted"], ended.summary["arrived"]) == (0, 2, 0), ended.err
    assert {path.suffix for path in terminal.folder.iterdir()} <= {".deletion", ".lock"}


def test_a_folder_and_a_prefix_have_one_fingerprint(terminal: Terminal, client: Any) -> None:
    made = clone(terminal.folder)
    in_s3 = terminal.call("fingerprint", f"s3://{BUCKET}/p/").out
    assert {terminal.call("fingerprint", where).out for where in ("x", "./x/", str(made), f"file://{made}/")} == {in_s3}


def test_a_commands_own_files_are_no_part_of_the_folder_that_is_uploaded(terminal: Terminal, client: Any) -> None:
    """Neither its ledger, wherever it is named to be, nor what lies beside that, nor a log, nor a report."""
    clone(terminal.folder)
    own = ("--ledger", "x/state/x.ledger", "--log-file", "x/now.log", "--report", "x/now.html")
    for source, up, flags in (("./", "up0", ()), ("./x/", "up6", own)):
        for _ in range(2):
            ended = terminal.call("sync", source, f"s3://{BUCKET}/{up}/", *flags, "--yes")
            assert ended.code == 0, ended.err
            assert "no part of it" in ended.err
        (terminal.folder / "x/state").mkdir(exist_ok=True)
    found = client.list_objects_v2(Bucket=BUCKET, Prefix="up")["Contents"]
    assert [item["Key"] for item in found] == ["up0/x/a", "up0/x/deep/b", "up6/a", "up6/deep/b"]


def test_a_key_that_would_be_one_of_its_own_files_is_set_aside_and_named(terminal: Terminal, client: Any) -> None:
    """Else a sync replaces the ledger that it holds, and no later one goes on with it."""
    own = ("x.ledger", "x.ledger.lock", "x.ledger-wal", "x.deletion", "d/now.log")
    for key in (*own, "x.ledger.txt", "d/b"):
        client.put_object(Bucket=BUCKET, Key=f"p/{key}", Body=b"stranger")
    (terminal.folder / "d").mkdir()
    for _ in range(2):
        ended = terminal.call(
            "sync", f"s3://{BUCKET}/p/", "./", "--yes", "--ledger", "x.ledger", "--log-file", "d/now.log", "--json"
        )
        assert (ended.code, ended.summary["aside"]) == (3, {"failed": 5}), ended.err
        assert {line["key"] for line in ended.lines if line["event"] == "object"} == set(own)
        assert ended.out.count("its own ledger, log or report") == 5
    assert {"x.ledger.txt", "d/b"} < files(terminal.folder).keys()
    assert b"stranger" not in files(terminal.folder)["x.ledger.lock"]


def test_a_ledger_of_another_command_is_neither_replaced_nor_deleted_for_one(terminal: Terminal, client: Any) -> None:
    """What it knows is nowhere else. It is named, and what else stands there alone goes."""
    client.put_object(Bucket=BUCKET, Key="p/a", Body=b"a")
    made = terminal.folder / "x"
    made.mkdir()
    (made / "alone").write_bytes(b"alone")
    own = ("--ledger", "x/old.ledger")
    assert terminal.call("cp", f"s3://{BUCKET}/p/", "./x/", *own).code == 0
    held = files(made)["old.ledger"]
    ended = terminal.call("sync", f"s3://{BUCKET}/p/", "./x/", "--delete", "--yes")
    assert ended.code == 0, ended.err
    assert "'old.ledger'" in ended.err and "alone" not in files(made) and files(made)["old.ledger"] == held
    for key in ("old.ledger", "old.ledger-wal"):
        client.put_object(Bucket=BUCKET, Key=f"p/{key}", Body=b"stranger")
    ended = terminal.call("sync", f"s3://{BUCKET}/p/", "./x/", "--yes", "--json")
    assert (ended.code, ended.summary["aside"]) == (3, {"failed": 2}), ended.err
    assert "old.ledger-wal" not in files(made) and files(made)["old.ledger"] == held
    ended = terminal.call("delete", "./x/", "--confirm", "./x/")
    assert ended.code == 0, ended.err
    assert "old.ledger" in ended.err and "a" not in files(made) and files(made)["old.ledger"] == held


@pytest.mark.parametrize("deleting", [(), ("--delete",)], ids=["copied", "and deleted"])
def test_a_directory_that_may_not_be_read_ends_nothing_where_it_is_left_out(
    deleting: tuple[str, ...], terminal: Terminal, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`lost+found`, say: nothing under it is asked for, nor taken for gone at the other side."""
    made = clone(terminal.folder)
    client.put_object(Bucket=BUCKET, Key="up/deep/b", Body=b"there before")
    client.put_object(Bucket=BUCKET, Key="up/alone", Body=b"alone")
    closed = (made / "deep").stat()

    def refusing(directory: int, *rest: Any, **more: Any) -> Scan:
        if os.path.samestat(os.fstat(directory), closed):
            raise PermissionError(errno.EACCES, "closed")
        return scan(directory, *rest, **more)

    monkeypatch.setattr(walking, "scan", refusing)  # of an administrator the system takes no notice of permissions
    words = ("sync", "./x/", f"s3://{BUCKET}/up/", *deleting, "--yes")
    refused = terminal.call(*words)
    assert refused.code == 1 and "permission denied" in refused.err and "exclude: 'deep/*'" in refused.err
    ended = terminal.call(*words, "--exclude", "deep/*", "--ledger", "again.ledger")
    assert ended.code == 0, ended.err
    found = {item["Key"] for item in client.list_objects_v2(Bucket=BUCKET, Prefix="up/")["Contents"]}
    assert found == {"up/a", "up/deep/b"} | (set() if deleting else {"up/alone"})


def test_what_cannot_be_an_object_is_named_and_never_passed_over(terminal: Terminal, client: Any) -> None:
    made = clone(terminal.folder)
    (made / "link").symlink_to("a")
    planned = terminal.call("cp", "./x/", f"s3://{BUCKET}/up/", "--exclude", "link")
    assert planned.code == 0, planned.err
    ended = terminal.call("cp", "./x/", f"s3://{BUCKET}/up/", "--json")
    assert (ended.code, ended.summary["unlisted"], ended.summary["complete"]) == (3, 1, False)
    assert [(line["key"], line["state"]) for line in ended.lines if line["event"] == "object"] == [("link", "unlisted")]
    said = terminal.call("cp", "./x/", f"s3://{BUCKET}/up/")
    assert "link: " in said.out and "every object is in place" not in said.out


@pytest.mark.parametrize("command", ["ls", "ls --recursive", "ls --summarize", "fingerprint", "delete --confirm {}"])
def test_who_looks_at_a_folder_says_what_cannot_be_an_object(command: str, terminal: Terminal) -> None:
    made = clone(terminal.folder)
    (made / "link").symlink_to("a")
    os.mkfifo(made / "pipe")
    (made / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    verb, *flags = command.format(f"{made}/").split()
    ended = terminal.call(verb, "./x/", *flags)
    assert ended.code == 3, ended.err
    assert "cannot be objects: 3" in ended.err
    assert all(name in ended.err for name in ("link: ", "pipe: ", "caf\\xe9: "))
    assert "more are in the ledger" not in ended.err
    again = ["--again"] if verb == "delete" else []
    left = terminal.call(verb, "./x/", *flags, *again, "--json")
    assert (left.code, left.summary["unlisted"]) == (3, 3)
    assert {line["key"] for line in left.lines if line.get("state") == "unlisted"} == {"caf\\xe9", "link", "pipe"}
    assert {"link", "pipe"} <= {path.name for path in made.iterdir()}


def test_a_plan_shows_a_name_that_is_no_utf8_as_every_other_command_does(terminal: Terminal) -> None:
    made = clone(terminal.folder)
    (made / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    assert "'caf\\xe9' is left: its name is no UTF-8" in terminal.call("cp", "./x/", "./y/", "--dry-run").out


def test_a_link_that_was_named_itself_is_said_to_be_one(terminal: Terminal) -> None:
    made = clone(terminal.folder)
    (made / "link").symlink_to("a")
    ended = terminal.call("ls", "./x/link")
    assert ended.code == 2 and "a symbolic link" in ended.err


def test_what_sync_has_to_leave_in_its_target_is_said(terminal: Terminal, client: Any) -> None:
    made = clone(terminal.folder)
    (made / "extra").write_bytes(b"x")
    (made / "link").symlink_to("a")
    ended = terminal.call("sync", f"s3://{BUCKET}/p/", "./x/", "--delete", "--yes")
    assert ended.code == 3 and "link: " in ended.err, ended.out + ended.err
    assert not (made / "extra").exists() and (made / "link").is_symlink()


def test_links_are_followed_where_that_is_asked_for(terminal: Terminal, client: Any) -> None:
    made = clone(terminal.folder)
    outside = terminal.folder / "outside"
    outside.mkdir()
    (outside / "led to").write_bytes(b"led to")
    (made / "link").symlink_to(outside)
    ended = terminal.call("cp", "./x/", f"s3://{BUCKET}/up/", "--links", "follow", "--ledger", "up.ledger")
    assert ended.code == 0, ended.out + ended.err
    assert "--links follow" in ended.out, "the command that is shown looks at the folder in the same way"
    assert client.get_object(Bucket=BUCKET, Key="up/link/led to")["Body"].read() == b"led to"
    assert terminal.call("verify", "--ledger", "up.ledger").code == 0, "the ledger knows how it was made"
    (outside / "more").write_bytes(b"more")
    again = terminal.call("cp", "./x/", f"s3://{BUCKET}/up/", "--ledger", "up.ledger")
    assert again.code == 0, again.out + again.err
    assert client.get_object(Bucket=BUCKET, Key="up/link/more")["Body"].read() == b"more"
    for verb in (("verify",), ("cp", "./x/", f"s3://{BUCKET}/up/")):
        refused = terminal.call(*verb, "--ledger", "up.ledger", "--links", "skip")
        assert_said_well(refused, verb[0])
        assert refused.code == 1 and "--links follow" in refused.err, refused.out + refused.err


def test_a_ledger_of_before_links_were_bound_is_bound_by_the_next_run(terminal: Terminal, client: Any) -> None:
    clone(terminal.folder)
    assert terminal.call("cp", "./x/", f"s3://{BUCKET}/up/", "--ledger", "up.ledger").code == 0
    with closing(sqlite3.connect(terminal.folder / "up.ledger")) as ledger:
        ledger.execute("UPDATE meta SET value = json_remove(value, '$.links') WHERE key = 'binding'")
        ledger.commit()
    assert terminal.call("cp", "./x/", f"s3://{BUCKET}/up/", "--ledger", "up.ledger", "--links", "keep").code == 0
    assert terminal.call("verify", "--ledger", "up.ledger").code == 0
    assert terminal.call("verify", "--ledger", "up.ledger", "--links", "skip").code == 1


def test_links_that_were_set_aside_may_be_taken_by_the_next_run(terminal: Terminal, client: Any) -> None:
    """As the message says that tells of them."""
    (clone(terminal.folder) / "link").symlink_to("a")
    copy = ("cp", "./x/", f"s3://{BUCKET}/up/", "--ledger", "up.ledger")
    aside = terminal.call(*copy)
    assert aside.code == 3 and "--links follow" in aside.err
    ended = terminal.call(*copy, "--links", "follow")
    assert ended.code == 0, ended.out + ended.err
    assert terminal.call("verify", "--ledger", "up.ledger").code == 0


def test_links_are_kept_where_that_is_asked_for(terminal: Terminal, client: Any) -> None:
    made = clone(terminal.folder)
    (made / "link").symlink_to("a")
    assert terminal.call("cp", "./x/", f"s3://{BUCKET}/up/", "--links", "keep").code == 0
    assert terminal.call("cp", f"s3://{BUCKET}/up/", "./back/", "--links", "keep").code == 0
    assert (terminal.folder / "back" / "link").readlink() == Path("a")


def test_a_folder_is_archived_in_another_one_and_taken_back(terminal: Terminal) -> None:
    """The whole of a plan's life without a server, or anybody's keys."""
    terminal.set(AWS_ENDPOINT_URL_S3="http://127.0.0.1:9")  # where nothing is, and nothing is asked
    data, copy = terminal.folder / "data", terminal.folder / "copy"
    (data / "deep").mkdir(parents=True)
    for name in ("a", "deep/b"):
        (data / name).write_text(name)
    wanted = files(data)
    plan = terminal.folder / "archive.toml"
    plan.write_text(
        'name = "archive"\n[[routes]]\nname = "all"\nfrom = "./data/"\nto = "./copy/"\n[cleanup]\nhold = "0s"\n'
    )
    looked = terminal.call("plan", plan)
    assert looked.code == 0 and "requests   none" in looked.out and "server" not in looked.out
    for words in (("run",), ("verify",), ("verify", "--deep", "--properties"), ("status",), ("receipt",)):
        ended = terminal.call(words[0], plan, *words[1:])
        assert ended.code == 0, ended.out + ended.err
        assert "SlowDown" not in ended.out, "nobody was asked who could say so"
    assert files(copy) == wanted
    assert terminal.call("revert", plan, "--delete", "--confirm", "archive").code == 0
    assert files(copy) == {} and files(data) == wanted
    for verb in ("run", "verify"):
        assert terminal.call(verb, plan).code == 0
    shown = terminal.call("cleanup", plan)
    assert shown.code == 0 and files(data) == wanted, shown.out
    assert terminal.call("cleanup", plan, "--delete", "--confirm", "archive").code == 0
    assert files(data) == {} and files(copy) == wanted
    assert terminal.call("revert", plan).code == 0
    assert terminal.call("run", "archive-back.toml").code == 0
    assert files(data) == wanted


def test_a_way_back_that_lacks_a_route_says_so(terminal: Terminal) -> None:
    data = terminal.folder / "data"
    data.mkdir()
    for name in ("card.jpg", "card.txt", "base.jpg"):
        (data / name).write_text(name)
    routes = "".join(
        f'[[routes]]\nname = "{name}"\nfrom = "./data/"\nto = "./{name}/"\ninclude = ["{pattern}"]\n'
        for name, pattern in (("pictures", "*.jpg"), ("cards", "card*"))
    )
    terminal.folder.joinpath("two.toml").write_text(f'name = "two"\n{routes}[cleanup]\nhold = "0s"\n')
    for words in (("run",), ("verify",), ("cleanup", "--delete", "--confirm", "two")):
        assert terminal.call(words[0], "two.toml", *words[1:]).code == 0
    ended = terminal.call("revert", "two.toml")
    assert ended.code == 3
    assert "route cards: not all of it is led back; it stands there as a comment, with the reason" in ended.out
    assert terminal.call("run", "two-back.toml").code == 0
    assert set(files(data)) == {"card.jpg", "base.jpg"}


def test_a_revert_that_leaves_a_changed_copy_is_not_done(terminal: Terminal) -> None:
    """What was found in place stays as it should."""
    clone(terminal.folder)
    out = terminal.folder / "out"
    out.mkdir()
    (out / "a").write_bytes((terminal.folder / "x" / "a").read_bytes())
    terminal.folder.joinpath("all.toml").write_text(
        'name = "all"\n[[routes]]\nname = "r"\nfrom = "./x/"\nto = "./out/"\n'
    )
    gone = ("revert", "all.toml", "--delete", "--confirm", "all")
    assert terminal.call("run", "all.toml").code == 0
    assert terminal.call(*gone).code == 0 and files(out).keys() == {"a"}
    assert terminal.call("run", "all.toml").code == 0
    (out / "deep/b").write_text("theirs")
    assert terminal.call("verify", "all.toml").code == 4
    assert terminal.call("revert", "all.toml").code == 0, "nothing was to go yet"
    ended = terminal.call(*gone)
    assert ended.code == 3 and "1 target stays, changed" in ended.out, ended.out + ended.err
    assert "stays, changed" in terminal.call(*gone, "--quiet").err
    assert files(out)["deep/b"] == b"theirs"


def test_links_that_were_kept_come_back_as_links_by_the_commands_that_are_shown(
    terminal: Terminal, client: Any
) -> None:
    data = terminal.folder / "data"
    data.mkdir()
    (data / "real").write_text("hi")
    (data / "link").symlink_to("real")
    terminal.folder.joinpath("up.toml").write_text(
        f'name = "up"\n[[routes]]\nname = "r"\nfrom = "./data/"\nto = "s3://{BUCKET}/up/"\n[cleanup]\nhold = "0s"\n'
    )
    kept = ("--links", "keep")
    for words in (("run", *kept), ("verify",), ("cleanup", "--delete", "--confirm", "up")):
        assert terminal.call(words[0], "up.toml", *words[1:]).code == 0
    assert files(data) == {}
    back = shlex.split(terminal.call("revert", "up.toml").out.splitlines()[-1].removeprefix("next: cartage"))
    assert back[-2:] == ["--links", "keep"] and "--links keep" in terminal.folder.joinpath("up-back.toml").read_text()
    assert shlex.split(terminal.call("revert", "up.toml", *kept).out.splitlines()[-1])[2:] == back, "said once"
    run = shlex.split(terminal.call(*back).out.splitlines()[-1].removeprefix("next: cartage"))
    assert run[0] == "run" and terminal.call(*run).code == 0
    assert (data / "link").readlink() == Path("real")


@pytest.mark.parametrize(("source", "target"), [("./data/", "./link/new/"), ("./link/", "./data/"), ("./data/", "./")])
@pytest.mark.parametrize("verb", ["cp", "sync"])
def test_folders_that_lie_in_one_another_are_refused(terminal: Terminal, verb: str, source: str, target: str) -> None:
    (terminal.folder / "data").mkdir()
    (terminal.folder / "data" / "a").write_text("1")
    (terminal.folder / "link").symlink_to("data")
    before = set(terminal.folder.rglob("*"))
    ended = terminal.call(verb, source, target, "--yes")
    assert ended.code == 2
    assert_said_well(ended, verb)
    assert set(terminal.folder.rglob("*")) == before


INTO = 'name = "into"\n[[routes]]\nname = "all"\nfrom = "s3://typed/p/"\nto = "./out/"\n%s\n[cleanup]\nhold = "0s"\n'


def test_a_storage_class_and_a_type_are_nothing_that_a_file_lacks(terminal: Terminal, client: Any) -> None:
    client.put_object(Bucket=BUCKET, Key="p/cold.png", Body=b"c", StorageClass="STANDARD_IA", ContentType="text/x")
    plan = terminal.folder / "into.toml"
    plan.write_text(INTO % "")
    for words in (("run",), ("verify", "--properties")):
        assert terminal.call(words[0], plan, *words[1:]).code == 0
    shown = terminal.call("cleanup", plan)
    assert shown.code == 0, shown.out
    assert "a file has no storage class, and no type but by its name" in shown.out
    assert terminal.call("run", plan, "--json").summary["copied"] == 0


def test_what_a_file_cannot_carry_no_run_is_said_to_mend(terminal: Terminal, client: Any) -> None:
    client.put_object(Bucket=BUCKET, Key="p/a", Body=b"p/a", Tagging="t=1")
    plan = terminal.folder / "into.toml"
    plan.write_text(INTO % "")
    for verb in ("run", "verify"):
        assert terminal.call(verb, plan).code == 0
    shut = terminal.call("cleanup", plan)
    assert shut.code == 5 and "cartage accept" in shut.out
    assert "no run mends what a file cannot carry" in shut.out and "a run mends" not in shut.out
    again = terminal.call("run", plan, "--json").summary
    assert (again["copied"], again["found"]) == (0, 0)
    assert terminal.call("status", plan, "--json").summary["routes"]["all"]["states"] == {"verified": 2}
    assert "known not to carry what the route gives it: see its gate" in terminal.call("verify", plan).out
    looked = terminal.call("verify", plan, "--properties")
    assert looked.code == 4 and "next: cartage cleanup" in looked.out
    client.delete_object_tagging(Bucket=BUCKET, Key="p/a")
    assert terminal.call("cleanup", plan).code == 0, "it is compared again while nothing else closes the gate"


def test_what_a_run_had_to_leave_is_said_until_a_run_leaves_nothing(terminal: Terminal, client: Any) -> None:
    made = clone(terminal.folder)
    os.mkfifo(made / "pipe")
    terminal.folder.joinpath("up.toml").write_text(
        f'name = "up"\n[[routes]]\nname = "r"\nfrom = "./x/"\nto = "s3://{BUCKET}/up/"\n[cleanup]\nhold = "0s"\n'
    )
    ended = terminal.call("run", "up.toml", "--yes")
    assert ended.code == 3 and ended.out.splitlines()[-1].endswith("cartage status up.toml --failed"), ended.out
    terminal.call("verify", "up.toml")
    (line,) = terminal.call("status", "up.toml", "--failed").out.splitlines()
    assert line.startswith("unlisted  r  pipe  NotAFile: a pipe")
    listed = terminal.call("status", "up.toml", "--failed", "--json").summary
    assert (listed["unlisted"], [item["key"] for item in listed["objects"]]) == (1, ["pipe"])
    said = terminal.call("status", "up.toml")
    assert "pipe: a pipe" in said.out and "every object is in place" not in said.out
    report = terminal.call("report", "up.toml", "-o", "up.html", "--json").summary
    assert (report["standing"], report["unlisted"]) == ("Needs you", 1)
    assert "a pipe, which holds no bytes" in (terminal.folder / "up.html").read_text()
    refused = terminal.call("receipt", "up.toml")
    assert refused.code == 5 and "r: 1 left" in refused.err, refused.err

    (made / "pipe").unlink()
    assert terminal.call("run", "up.toml", "--yes").code == 0
    assert terminal.call("verify", "up.toml").code == 0
    assert "every object is in place" in terminal.call("status", "up.toml").out
    assert terminal.call("receipt", "up.toml").code == 0


def test_a_list_of_checksums_says_only_what_can_be_checked_with_it(terminal: Terminal, client: Any) -> None:
    client.put_object(Bucket=BUCKET, Key="p/marker/")
    words = ("export", "--ledger", "down.ledger", "--format", "checksums", "-o", "sums.txt")
    assert terminal.call("cp", f"s3://{BUCKET}/p/", "./down/", "--ledger", "down.ledger").code == 0
    assert "xxh128sum" not in (unread := terminal.call(*words)).out
    assert unread.out.splitlines()[-1] == "next: cartage verify --deep --ledger down.ledger", unread.out
    assert terminal.call("verify", "--deep", "--ledger", "down.ledger").code == 0
    said = terminal.call(*words)
    assert said.out.splitlines()[-1].startswith("next: xxh128sum -c ")
    assert said.err.strip() == "left out: 1 directory marker, which no checksum is for"
    listed = (terminal.folder / "sums.txt").read_text().splitlines()
    assert [line.split("  ")[1] for line in listed] == [str(terminal.folder / f"down/{key}") for key in ("a", "deep/b")]

    assert terminal.call("cp", "./down/", f"s3://{BUCKET}/up/", "--ledger", "up.ledger").code == 0
    assert terminal.call("verify", "--deep", "--ledger", "up.ledger").code == 0
    in_s3 = terminal.call("export", "--ledger", "up.ledger", "--format", "checksums", "-o", "up.txt")
    assert "xxh128sum" not in in_s3.out and "--deep" in in_s3.out.splitlines()[-1]


def test_what_lies_below_a_link_is_named_by_the_gate_and_stays_for_good(terminal: Terminal) -> None:
    """A run changes nothing about it, and so it is not what comes next."""
    for name in ("src/a", "other/b", "other/deep/c", "other/empty/"):
        place = terminal.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir() if name.endswith("/") else place.write_bytes(b"x")
    (terminal.folder / "src" / "linked").symlink_to("../other")
    plan = terminal.folder / "p.toml"
    plan.write_text('name = "p"\n[cleanup]\nhold = "0s"\n[[routes]]\nname = "r"\nfrom = "./src/"\nto = "./dst/"\n')
    assert terminal.call("run", plan, "--links", "follow").code == 0
    assert terminal.call("verify", plan).code == 0
    shown = terminal.call("cleanup", plan)
    assert "3 sources below a symbolic link, which is followed to read and never to delete, stay" in shown.out
    assert "first r: 'linked/b'" in shown.out and "the gate is open for 1 source (1 B)" in shown.out
    done = terminal.call("cleanup", plan, "--delete", "--confirm", "p")
    assert done.code == 3 and "1 source deleted" in done.out
    assert f"3 sources stay: 3 elsewhere\nnext: cartage receipt {plan}\n" in done.out
    assert "the gate is open, and there is nothing to delete" in terminal.call("cleanup", plan).out
    assert sorted(files(terminal.folder / "other")) == ["b", "deep/c"]
