"""A project is shared: a page of links that any client can follow, and with nothing else, on three servers.

The bucket policy for a colleague is enforced in tests/real/test_iam_rgw.py, by a server that has users.
"""

from __future__ import annotations

import re
import stat
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest

import engine
from engine.sandbox import SandboxSettings, start_sandbox
from tests.cli.commands import Terminal
from tests.cli.conftest import terminal
from tests.servers import Endpoint

__all__ = ["terminal"]

SERVERS = ["sandbox", *(pytest.param(name, marks=pytest.mark.real) for name in ("localstack", "rgw"))]
VERIFYING = [SERVERS[0], SERVERS[2]]
"""Those that look at signatures: LocalStack lets everybody in."""
KEYS = (
    "notes.md", "a b+c%2F.txt", "ü/💩 & <script>alert(1)</script>.html", "data//twice", "q?versionId=1#part",
    "'single\" double", "~!*()",
)  # fmt: skip


class Page(HTMLParser):
    """The links of a page, and all that stands on it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "a" and (href := dict(attrs)["href"]):
            self.links.append(href)

    def handle_data(self, data: str) -> None:
        self.text += data


def fetched(url: str) -> bytes:
    """What a client that knows nothing of S3 gets."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        body: bytes = answer.read()
        return body


def refused(url: str) -> tuple[int, bytes]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, timeout=30)
    return caught.value.code, caught.value.read()


@pytest.fixture(params=SERVERS)
def project(request: pytest.FixtureRequest, terminal: Terminal) -> Iterator[str]:
    """A bucket with a project in it, and something beside it; gives the bucket."""
    endpoint: Endpoint = request.getfixturevalue(request.param)
    terminal.on(endpoint)
    s3, bucket = endpoint.client(), f"shared-{uuid.uuid4().hex[:12]}"
    elsewhere = endpoint.region != "us-east-1" and endpoint.name != "rgw"
    place = {"CreateBucketConfiguration": {"LocationConstraint": endpoint.region}} if elsewhere else {}
    s3.create_bucket(Bucket=bucket, **place)
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=f"project/{key}", Body=key.encode())
    s3.put_object(Bucket=bucket, Key="private/x", Body=b"not for everyone")
    yield bucket


def test_every_link_of_the_page_gives_its_object_and_no_other(project: str, terminal: Terminal) -> None:
    ended = terminal.call("share", f"s3://{project}/project/", "--expires", "7d", "--list", "links.txt", "-o", "p.html")
    assert ended.code == 0, ended.err
    assert "7 links to" in ended.out and "whoever holds them may read until then" in ended.out
    path = terminal.folder / "p.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert sorted(fetched(url).decode() for url in page.links) == sorted(KEYS)
    assert (terminal.folder / "links.txt").read_text().splitlines() == page.links
    assert "script" not in page.tags and "<script>alert(1)</script>" in page.text
    for written in (path, terminal.folder / "links.txt"):
        assert stat.S_IMODE(written.stat().st_mode) == 0o600


@pytest.mark.parametrize("project", VERIFYING, indirect=True)
def test_a_link_gives_nothing_else(project: str, terminal: Terminal) -> None:
    assert terminal.call("share", f"s3://{project}/project/notes.md", "--list", "links.txt").code == 0
    (link,) = (terminal.folder / "links.txt").read_text().splitlines()
    assert fetched(link) == b"notes.md"
    for other in (
        link.replace("/project/notes.md", "/private/x"),
        re.sub("X-Amz-Expires=86400", "X-Amz-Expires=604800", link),
    ):
        assert refused(other)[0] == 403, other
    assert refused(link.partition("?")[0])[0] == 403
    assert [path.name for path in terminal.folder.glob("*.html")] == []


def test_patterns_choose_what_is_shared(project: str, terminal: Terminal) -> None:
    ended = terminal.call("share", f"s3://{project}/project/", "--include", "*.md", "--json")
    assert (ended.code, ended.summary["objects"], ended.summary["page"]) == (0, 1, "project.share.html")
    assert "X-Amz-Signature" not in ended.out, "who reads a log must not be able to read the objects"
    nothing = terminal.call("share", f"s3://{project}/project/", "--include", "*.parquet")
    assert nothing.code == 2 and "no object under" in nothing.err


@pytest.mark.parametrize("store", ["wire", "boto"])
def test_links_are_the_same_whatever_lists(sandbox: Endpoint, terminal: Terminal, store: str) -> None:
    terminal.on(sandbox)
    bucket = f"shared-{uuid.uuid4().hex[:12]}"
    sandbox.client().create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
    sandbox.client().put_object(Bucket=bucket, Key="p/x", Body=b"here")
    assert terminal.call("share", f"s3://{bucket}/p/", "--list", "links.txt", "--store", store).code == 0
    assert fetched((terminal.folder / "links.txt").read_text().strip()) == b"here"


# --- when they end ------------------------------------------------------------------------------------------


def test_links_end_when_they_say_and_with_the_session_that_signed_them(terminal: Terminal) -> None:
    with start_sandbox(SandboxSettings()) as sandbox:
        sandbox.control("bucket", {"name": "bucket"})
        sandbox.control("put", {"bucket": "bucket", "key": "p/x", "text": "here"})
        terminal.on(Endpoint.of(sandbox))
        assert terminal.call("share", "s3://bucket/p/", "--expires", "2h", "--list", "long.txt").code == 0
        session = sandbox.control("credentials", {"lifetime_s": 3600, "token": "a-token"})
        terminal.set(
            AWS_ACCESS_KEY_ID=session["access_key"],
            AWS_SECRET_ACCESS_KEY=session["secret_key"],
            AWS_SESSION_TOKEN="a-token",
        )
        ended = terminal.call("share", "s3://bucket/p/", "--expires", "2h", "--list", "session.txt")
        assert "signed with a session's credentials: when that session ends, so do they" in ended.out
        long, by_session = ((terminal.folder / f"{name}.txt").read_text().strip() for name in ("long", "session"))
        assert fetched(long) == fetched(by_session) == b"here"
        sandbox.control("advance_clock", {"seconds": 3601})
        assert fetched(long) == b"here"
        assert b"ExpiredToken" in refused(by_session)[1]
        sandbox.control("advance_clock", {"seconds": 3600})
        assert b"Request has expired" in refused(long)[1]


@pytest.mark.parametrize("ahead_s", [800, -800])
def test_links_last_by_the_servers_clock_however_far_this_machines_is_off(terminal: Terminal, ahead_s: int) -> None:
    """By less than the quarter of an hour that S3 bears."""
    with start_sandbox(SandboxSettings(clock_offset_s=ahead_s)) as sandbox:
        sandbox.control("bucket", {"name": "bucket"})
        sandbox.control("put", {"bucket": "bucket", "key": "p/x", "text": "here"})
        terminal.on(Endpoint.of(sandbox))
        assert terminal.call("share", "s3://bucket/p/", "--expires", "10m", "--list", "links.txt").code == 0
        link = (terminal.folder / "links.txt").read_text().strip()
        sandbox.control("advance_clock", {"seconds": 540})
        assert fetched(link) == b"here"
        sandbox.control("advance_clock", {"seconds": 62})
        assert b"Request has expired" in refused(link)[1]


def test_the_end_of_a_session_is_said_where_it_is_known(terminal: Terminal) -> None:
    with start_sandbox(SandboxSettings(session_token="a-token")) as sandbox:
        sandbox.control("bucket", {"name": "bucket"})
        sandbox.control("put", {"bucket": "bucket", "key": "p/x", "text": "here"})
        terminal.on(Endpoint.of(sandbox))
        ends = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
        terminal.set(AWS_SESSION_TOKEN="a-token", AWS_CREDENTIAL_EXPIRATION=ends.isoformat())
        known = terminal.call("share", "s3://bucket/p/", "--expires", "2h", "--json")
        assert (known.summary["temporary"], known.summary["ends_s"]) == (True, ends.timestamp())
        assert f"Links end {ends:%Y-%m-%d %H:%M:%S} UTC" in Page((terminal.folder / "p.share.html").read_text()).text
        terminal.set(AWS_CREDENTIAL_EXPIRATION="")
        made = terminal.call("share", "s3://bucket/p/", "--expires", "2h", "--json").summary
        assert made["ends_s"] - made["made_s"] == 7200
        terminal.set(AWS_ACCESS_KEY_ID="", AWS_CONFIG_FILE=str(terminal.folder / "config"))
        key = f'"AccessKeyId": "{sandbox.access_key}", "SecretAccessKey": "{sandbox.secret_key}"'
        (terminal.folder / "keys.json").write_text(
            f'{{"Version": 1, {key}, "SessionToken": "a-token", "Expiration": "{ends.isoformat()}"}}'
        )
        (terminal.folder / "config").write_text(
            f"[profile p]\ncredential_process = cat {terminal.folder}/keys.json\nregion = {sandbox.region}\n"
        )
        by_profile = terminal.call("share", "s3://bucket/p/", "--expires", "2h", "--profile", "p", "--json")
        assert by_profile.summary["ends_s"] == ends.timestamp(), by_profile.err


# --- what cannot be shared ----------------------------------------------------------------------------------


def test_what_no_link_can_lead_to_is_named(sandbox: Endpoint, terminal: Terminal) -> None:
    terminal.on(sandbox)
    s3, bucket = sandbox.client(), f"shared-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
    for key in ("p/a/../b", "p/./c", "p/.hidden", "p/d..e"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.put_object(Bucket=bucket, Key="p/old", Body=b"x", StorageClass="GLACIER")
    ended = terminal.call("share", f"s3://{bucket}/p/", "--json")
    assert (ended.code, ended.summary["objects"], ended.summary["archived"]) == (3, 3, 1)
    assert ended.summary["unlinked"] == ["./c", "a/../b"]
    page = Page((terminal.folder / "p.share.html").read_text(encoding="utf-8"))
    assert "no link can lead there" in page.text and "it has to be restored first" in page.text
    assert len(page.links) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("s3://bucket/p/", "--expires", "8d"), "a link lasts a second to a week"),
        (("s3://bucket/p/", "--expires", "0s"), "a link lasts a second to a week"),
        (("s3://bucket/p/", "--expires", "soon"), "is not a duration"),
        (("./folder/",), "is a local path"),
        (("s3://bucket/p/", "--include", "[a"), "is never closed"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    terminal: Terminal, words: tuple[str, ...], said: str
) -> None:
    ended = terminal.call("share", *words)
    assert ended.code == 2 and said in ended.err, ended.err
    assert ("S3 refuses a longer one" in ended.err) is ("8d" in words)


def test_a_page_cannot_be_written_where_there_is_no_folder(project: str, terminal: Terminal) -> None:
    ended = terminal.call("share", f"s3://{project}/project/", "--output", "nowhere/page.html")
    assert ended.code == 2 and "the page cannot be written to nowhere/page.html" in ended.err


def test_the_requesters_payment_is_part_of_a_link(project: str, terminal: Terminal) -> None:
    shared = engine.sync.share(f"s3://{project}/project/notes.md", engine.Options(request_payer="requester"))
    (only,) = shared.objects
    assert parse_qs(urlsplit(only.url).query)["x-amz-request-payer"] == ["requester"]
    assert fetched(only.url) == b"notes.md"
    assert "X-Amz-Signature" not in repr(shared), "nor in a traceback or a notebook"
