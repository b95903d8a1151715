"""Servers that lack a thing, as users meet them: what can be done without it is done, and said once.

A further header or question that some server refuses is one more line of a table.
"""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.between import Answered, Asked, Between, Change, Refuse, between, refusal
from tests.cli.commands import Ended, Terminal, assert_no_traceback
from tests.servers import Endpoint

MIB5 = 5 << 20


class Scene(NamedTuple):
    """A bucket with three plain objects and one of two parts under old/, and a plan that copies them to new/."""

    terminal: Terminal
    endpoint: Endpoint
    client: Any
    bucket: str
    plan: Path

    def through(self, server: Between, *words: str | Path) -> Ended:
        self.terminal.set(AWS_ENDPOINT_URL_S3=server.url)
        ended = self.terminal.call(*words)
        assert_no_traceback(ended)
        return ended


@pytest.fixture
def scene(terminal: Terminal, sandbox: Endpoint) -> Scene:
    terminal.on(sandbox)
    client, bucket = sandbox.client(), f"lacks-{uuid.uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
    for number in range(3):
        client.put_object(Bucket=bucket, Key=f"old/plain-{number}", Body=b"x" * (10 + number))
    put_parts(client, bucket, "old/parts", b"A")
    plan = terminal.folder / "p.toml"
    plan.write_text(
        f'name = "p"\nbucket = "{bucket}"\n[[routes]]\nname = "r"\nfrom = "/old/"\nto = "/new/"\n'
        '[cleanup]\nhold = "0s"\n'
    )
    return Scene(terminal, sandbox, client, bucket, plan)


def put_parts(client: Any, bucket: str, key: str, letter: bytes, **more: Any) -> None:
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]
    about = {"Bucket": bucket, "Key": key, "UploadId": upload}
    parts = [
        {"PartNumber": number, "ETag": client.upload_part(**about, PartNumber=number, Body=letter * size)["ETag"]}
        for number, size in ((1, MIB5), (2, 100))
    ]
    client.complete_multipart_upload(**about, MultipartUpload={"Parts": parts})


def without_checksums(asked: Asked, answer: Answered) -> Answered:
    """The server keeps no checksums, and HEAD counts no tags: as most that are not S3."""
    headers = {
        name: value
        for name, value in answer.headers.items()
        if not name.startswith("x-amz-checksum") and name != "x-amz-tagging-count"
    }
    return answer._replace(headers=headers, body=re.sub(rb"<(Checksum\w+)>[^<]*</\1>", b"", answer.body))


def refuses_header(beginning: str, status: int, code: str) -> Refuse:
    def refuse(asked: Asked) -> Answered | None:
        named = next((name for name in asked.headers if name.startswith(beginning)), None)
        return refusal(status, code, f"Unsupported header '{named}' received for this API call.") if named else None

    return refuse


# --- headers ----------------------------------------------------------------------------------------------

REFUSED_HEADERS = [
    # the headers that begin so, as status and code
    ("x-amz-checksum-mode", 400, "InvalidArgument"),  # Backblaze B2
    ("x-amz-checksum-mode", 501, "NotImplemented"),
    ("x-amz-checksum-", 400, "InvalidArgument"),
    ("x-amz-checksum-", 501, "NotImplemented"),
    ("x-amz-sdk-checksum-", 400, "InvalidRequest"),
    ("x-amz-optional-object-attributes", 400, "InvalidArgument"),
    ("x-amz-optional-object-attributes", 501, "NotImplemented"),
    ("x-amz-storage-class", 400, "InvalidStorageClass"),
    ("x-amz-storage-class", 501, "NotImplemented"),
    ("x-amz-mp-object-size", 400, "InvalidArgument"),
    ("x-amz-mp-object-size", 501, "NotImplemented"),
]


THROUGH = [("wire", *row) for row in REFUSED_HEADERS] + [("boto", *row) for row in REFUSED_HEADERS if row[1] == 501]


@pytest.mark.parametrize(("store", "header", "status", "code"), THROUGH)
def test_what_is_optional_is_left_off_once_it_is_refused(
    scene: Scene, store: str, header: str, status: int, code: str
) -> None:
    with between(scene.endpoint.url, refuse=refuses_header(header, status, code)) as server:
        ran = scene.through(server, "run", scene.plan, "--yes", "--store", store)
        assert (ran.code, "copied 4 objects" in ran.out) == (0, True), ran.err
        verified = scene.through(server, "verify", scene.plan, "--properties", "--store", store)
        assert (verified.code, "4 digest" in verified.out) == (0, True), verified.out + verified.err


def test_what_was_refused_is_not_sent_again(scene: Scene) -> None:
    for number in range(3):
        put_parts(scene.client, scene.bucket, f"old/more-{number}", b"%d" % number)
    refuse = refuses_header("x-amz-checksum-mode", 400, "InvalidArgument")
    with between(scene.endpoint.url, refuse=refuse) as server:
        ran = scene.through(server, "run", scene.plan, "--yes", "--concurrency", "1")
        assert ran.code == 0, ran.err
        assert ran.err.count("x-amz-checksum-mode") == 1  # said once
        assert sum("x-amz-checksum-mode" in asked.headers for asked in server.requests) == 1


# --- object tags ------------------------------------------------------------------------------------------

NO_TAGS = [(501, "NotImplemented"), (405, "MethodNotAllowed"), (400, "InvalidRequest"), (400, "InvalidArgument")]


def refuses_tags(status: int, code: str) -> Refuse:
    def refuse(asked: Asked) -> Answered | None:
        tagged = asked.setting == "tagging" or any(name.startswith("x-amz-tagging") for name in asked.headers)
        return refusal(status, code) if tagged else None

    return refuse


@pytest.mark.parametrize(("store", "status", "code"), [*[("wire", *row) for row in NO_TAGS], ("boto", *NO_TAGS[0])])
def test_a_server_without_object_tags_has_none_to_lose(scene: Scene, store: str, status: int, code: str) -> None:
    with between(scene.endpoint.url, refuse=refuses_tags(status, code), change=without_checksums) as server:
        ran = scene.through(server, "run", scene.plan, "--yes", "--store", store)
        assert (ran.code, ran.err.count("has no object tags")) == (0, 1), ran.err
        assert scene.through(server, "verify", scene.plan, "--properties", "--store", store).code == 0
        source, target = f"s3://{scene.bucket}/old/parts", f"s3://{scene.bucket}/copies/parts"
        assert scene.through(server, "cp", source, target, "--no-tags", "--yes", "--store", store).code == 0


def test_tags_that_may_not_be_read_are_an_error_and_cp_can_leave_them_out(scene: Scene) -> None:
    words = ("cp", f"s3://{scene.bucket}/old/parts", f"s3://{scene.bucket}/copies/parts", "--yes")
    with between(scene.endpoint.url, refuse=refuses_tags(403, "AccessDenied"), change=without_checksums) as server:
        denied = scene.through(server, *words)
        assert denied.code == 3
        assert "may not be read, so that they would be lost unseen" in denied.err
        assert "--no-tags" in denied.err
        assert scene.through(server, *words, "--no-tags").code == 0


def test_tags_that_cannot_be_read_are_asked_for_three_times_and_not_object_by_object(scene: Scene) -> None:
    """A server that does not know ?tagging and answers with the object itself: its tags are not known to be none."""
    for number in range(4):
        put_parts(scene.client, scene.bucket, f"old/more-{number}", b"%d" % number)

    def object_itself(asked: Asked, answer: Answered) -> Answered:
        if asked.setting == "tagging":
            return Answered(200, {}, b"the bytes of the object")
        return without_checksums(asked, answer)

    with between(scene.endpoint.url, change=object_itself) as server:
        ran = scene.through(server, "run", scene.plan, "--yes", "--concurrency", "1")
        shown = ran.err.count("cannot be read, so that they would be lost unseen")
        assert (ran.code, shown, "not done: 5 failed" in ran.out) == (3, 3, True), ran.err
        assert sum(asked.setting == "tagging" for asked in server.requests) == 3


def test_a_server_that_counts_tags_and_gives_none_does_not_lose_them_unseen(scene: Scene) -> None:
    put_parts(scene.client, scene.bucket, "tagged/one", b"T", Tagging="a=b")
    plan = scene.terminal.folder / "tagged.toml"
    plan.write_text(scene.plan.read_text().replace("/old/", "/tagged/").replace('name = "p"', 'name = "tagged"'))

    def counted(asked: Asked, answer: Answered) -> Answered:
        count = answer.headers.get("x-amz-tagging-count")
        changed = without_checksums(asked, answer)
        return changed._replace(headers=changed.headers | ({"x-amz-tagging-count": count} if count else {}))

    with between(scene.endpoint.url, refuse=refuses_tags(501, "NotImplemented"), change=counted) as server:
        ran = scene.through(server, "run", plan, "--yes")
        assert (ran.code, "HEAD counts 1" in ran.err) == (3, True), ran.err


# --- HEAD without a length --------------------------------------------------------------------------------


def headless(only_empty: bool) -> Change:
    def change(asked: Asked, answer: Answered) -> Answered | None:
        if asked.method != "HEAD" or answer.status != 200:
            return None
        return answer._replace(length=only_empty and answer.headers.get("content-length") != "0")

    return change


@pytest.mark.parametrize("store", ["wire", "boto"])
@pytest.mark.parametrize("only_empty", [True, False])
def test_where_head_has_no_length_the_listing_counts(scene: Scene, only_empty: bool, store: str) -> None:
    scene.client.put_object(Bucket=scene.bucket, Key="old/empty", Body=b"")
    keys = scene.terminal.folder / "keys.txt"
    keys.write_text("old/plain-0\nold/empty\n")
    with between(scene.endpoint.url, change=headless(only_empty)) as server:
        ran = scene.through(server, "run", scene.plan, "--yes", "--store", store)
        assert (ran.code, "copied 5 objects" in ran.out) == (0, True), ran.err
        verified = scene.through(server, "verify", scene.plan, "--properties", "--store", store)
        assert (verified.code, "5 digest" in verified.out) == (0, True), verified.out
        where = (f"s3://{scene.bucket}/old/", f"s3://{scene.bucket}/chosen/")
        chosen = scene.through(server, "cp", *where, "--keys", str(keys), "--yes", "--store", store)
        assert (chosen.code, "copied 2 objects (10 B)" in chosen.out) == (0, True), chosen.out + chosen.err
    assert max(server.requests.count(asked) for asked in server.requests if asked.method == "HEAD") < 10


# --- ETags ------------------------------------------------------------------------------------------------


def with_etags(pattern: bytes, instead: bytes) -> Change:
    """Every ETag of that form is shown otherwise, everywhere; the server keeps no checksums."""

    def change(asked: Asked, answer: Answered) -> Answered:
        answer = without_checksums(asked, answer)
        etag = re.sub(pattern, instead, answer.headers.get("etag", "").encode()).decode()
        body = re.sub(rb"(?<=<ETag>)[^<]*", lambda found: re.sub(pattern, instead, found[0]), answer.body)
        body = body if answer.headers.get("content-type", "").endswith("xml") else answer.body
        return answer._replace(headers=answer.headers | ({"etag": etag} if etag else {}), body=body)

    return change


NOTHING = b"d41d8cd98f00b204e9800998ecf8427e"
IMPOSSIBLE = [
    pytest.param(rb"[0-9a-f]{32}-(\d+)", NOTHING + rb"-\1", "parts", id="an upload of nothing"),
    pytest.param(rb"[0-9a-f]{32}(?![-0-9a-f])", NOTHING, "plain-0", id="the MD5 of nothing"),
    pytest.param(rb"[0-9a-f]{32}(?![-0-9a-f])", b"a" * 32, "plain-0", id="one ETag for all sizes"),
]


@pytest.mark.parametrize("store", ["wire", "boto"])
@pytest.mark.parametrize(("pattern", "instead", "foreign"), IMPOSSIBLE)
def test_an_etag_that_cannot_be_what_it_says_proves_nothing(
    scene: Scene, pattern: bytes, instead: bytes, foreign: str, store: str
) -> None:
    """What somebody else wrote is as long as the source and bears the same "ETag": it is not taken for the copy."""
    if foreign == "parts":
        put_parts(scene.client, scene.bucket, "new/parts", b"Q")
    else:
        scene.client.put_object(Bucket=scene.bucket, Key=f"new/{foreign}", Body=b"y" * 10)
    with between(scene.endpoint.url, change=with_etags(pattern, instead)) as server:
        ran = scene.through(server, "run", scene.plan, "--yes", "--store", store)
    assert (ran.code, "found 0 in place" in ran.out) == (3, True), ran.out
    assert f"conflict: r: {foreign}: " in ran.err
    assert ran.err.count("prove nothing here") == 1


@pytest.mark.parametrize("store", ["wire", "boto"])
def test_a_weak_etag_is_the_same_object(scene: Scene, store: str) -> None:
    def weaken(asked: Asked, answer: Answered) -> Answered | None:
        if asked.method not in ("HEAD", "GET") or "etag" not in answer.headers:
            return None
        return answer._replace(headers=answer.headers | {"etag": "W/" + answer.headers["etag"]})

    with between(scene.endpoint.url, change=weaken) as server:
        assert scene.through(server, "run", scene.plan, "--yes", "--store", store).code == 0
        for words in (("verify", scene.plan), ("verify", scene.plan, "--deep")):
            ended = scene.through(server, *words, "--store", store)
            assert (ended.code, "everything agrees" in ended.out) == (0, True), ended.out


# --- metadata that HEAD cannot show -----------------------------------------------------------------------


def test_metadata_that_head_cannot_show_is_not_copied_by_parts_as_if_there_were_none(scene: Scene) -> None:
    def hide(asked: Asked, answer: Answered) -> Answered:
        changed = without_checksums(asked, answer)
        return (
            changed._replace(headers=changed.headers | {"x-amz-missing-meta": "2"})
            if asked.method == "HEAD"
            else changed
        )

    with between(scene.endpoint.url, change=hide) as server:
        ran = scene.through(server, "run", scene.plan, "--yes")
        assert (ran.code, "copied 3 objects" in ran.out) == (3, True), ran.out  # CopyObject takes all of it along
        assert "2 values of metadata that no header can carry" in ran.err
        dropped = scene.plan.read_text().replace('to = "/new/"', 'to = "/new/"\nproperties = { metadata = "drop" }')
        (scene.terminal.folder / "q.toml").write_text(dropped.replace('name = "p"', 'name = "q"'))
        assert scene.through(server, "run", "q.toml", "--yes").code == 0


@pytest.mark.parametrize("as_json", [False, True])
def test_what_changed_while_it_was_copied_is_counted_once(scene: Scene, as_json: bool) -> None:
    """It was copied, and then found changed by the listing after the copies, on a server that takes no pin of a source:
    what is said at the end adds up to what the first listing found."""
    no_pins = refuses_header("x-amz-copy-source-if-match", 501, "NotImplemented")
    changes: list[str] = []

    def refuse(asked: Asked) -> Answered | None:
        lists = asked.method == "GET" and "list-type=2" in asked.query and "prefix=old" in asked.query
        if lists and changes and f"/{scene.bucket}/new/{changes[0]}" in [item.path for item in server.requests]:
            scene.client.put_object(Bucket=scene.bucket, Key=f"old/{changes.pop()}", Body=b"changed since")
        return no_pins(asked)

    def ran(changing: str = "") -> str:
        server.requests.clear()
        changes[:] = [changing] if changing else []
        ended = scene.through(server, "run", scene.plan, "--yes", *(["--json"] if as_json else []))
        assert ended.code == (3 if changing else 0), ended.err
        assert not changes
        if not as_json:
            return re.sub(r" \([^)]*\)", "", ended.out.splitlines()[0].removeprefix("p: ")).rpartition("; ")[0]
        return "{listed} = {copied} + {found} + {aside} + earlier".format(**ended.summary)

    with between(scene.endpoint.url, refuse=refuse) as server:
        told = [ran("plain-0"), ran()]
        for number in range(6):
            scene.client.put_object(Bucket=scene.bucket, Key=f"old/more-{number}", Body=b"new")
        told.append(ran("more-0"))
    if as_json:
        assert told == [
            "4 = 3 + 0 + {'drifted': 1} + earlier",
            "4 = 1 + 0 + {} + earlier",
            "10 = 5 + 0 + {'drifted': 1} + earlier",
        ]
    else:
        assert told == [
            "copied 3 objects, found 0 in place, 1 set aside",
            "copied 1 object; 3 were in place before",
            "copied 5 objects, 1 set aside; 4 were in place before",
        ]
