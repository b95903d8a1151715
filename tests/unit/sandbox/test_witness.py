"""What the witness tells the judge: every change in the watched buckets, whoever makes it, and each machine's looks."""

from __future__ import annotations

import base64
import hashlib

import pytest

from engine.sandbox.exchange import Request
from engine.sandbox.judge import Rule, Side
from engine.sandbox.reference import fill
from engine.sandbox.rules import handle, operation_of
from engine.sandbox.witness import Witness
from tests.unit.sandbox.asking import Sandbox

SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=AKIAHERE/20260101/us-east-2/s3/aws4_request, …"}


class Watched(Sandbox):
    """bbb/old/ is mapped onto other/new/; AKIAHERE is the machine "here"."""

    def __init__(self) -> None:
        super().__init__()
        self.put("old/a", b"one")
        routes = [(Side("bbb", "old/"), Side("other", "new/"))]
        self.witness = Witness(self.account, routes, {"AKIAHERE": "here"})

    def here(
        self, method: str, bucket: str, key: str, query: dict[str, str] | None = None, body: bytes = b"", **headers: str
    ) -> None:
        """The machine asks, as the front passes it on."""
        lines = SIGNED | {name.replace("_", "-"): value for name, value in headers.items()}
        asked = query or {}
        operation = operation_of(method, bucket, key, asked, lines)
        request = Request(operation, method, bucket, key, asked, lines, body, number=1)
        self.witness.begin(request)
        self.witness.end(request, handle(self.account, request))

    def copy_here(self) -> None:
        self.here("PUT", "other", "new/a", x_amz_copy_source="bbb/old/a")

    @property
    def rules(self) -> list[str]:
        return [finding["rule"] for finding in self.witness.verdict()["findings"]]


@pytest.fixture
def sandbox() -> Watched:
    return Watched()


def test_a_move_with_a_look_before_its_delete_is_nothing_to_find(sandbox: Watched) -> None:
    sandbox.copy_here()
    sandbox.here("HEAD", "other", "new/a")
    sandbox.here("DELETE", "bbb", "old/a")
    verdict = sandbox.witness.verdict()
    assert verdict["findings"] == []
    assert (verdict["figures"]["copied"], verdict["figures"]["deleted"]) == (1, 1)


def test_who_is_no_machine_is_a_user_and_may_delete(sandbox: Watched) -> None:
    sandbox("DELETE", "bbb", "old/a")
    assert sandbox.rules == []
    assert sandbox.witness.verdict()["figures"]["by_users"] == 1


def test_a_bucket_that_is_filled_at_once_is_heard_of_key_by_key(sandbox: Watched) -> None:
    fill(sandbox.account, "bbb", "old/", 3, 10)
    assert sandbox.witness.verdict()["figures"]["by_users"] == 3


def test_a_delete_without_a_look_is_found_and_what_it_loses(sandbox: Watched) -> None:
    sandbox.here("DELETE", "bbb", "old/a")
    assert sandbox.rules == [Rule.UNSEEN, Rule.LOST]


@pytest.mark.parametrize("encoded", [False, True])
def test_a_page_of_a_listing_is_a_look(sandbox: Watched, encoded: bool) -> None:
    sandbox.put("new/a é+b%2F", b"more", "other")
    sandbox.put("old/a é+b%2F", b"more")
    query = {"list-type": "2", "prefix": "new/"} | ({"encoding-type": "url"} if encoded else {})
    sandbox.here("GET", "other", "", query)
    sandbox.here("DELETE", "bbb", "old/a é+b%2F")
    assert sandbox.rules == []


def test_a_listing_by_folders_is_no_look_at_the_keys(sandbox: Watched) -> None:
    sandbox.copy_here()
    sandbox.here("GET", "other", "", {"list-type": "2", "prefix": "new/", "delimiter": "/"})
    sandbox.here("DELETE", "bbb", "old/a")
    assert sandbox.rules == [Rule.UNSEEN]


def test_each_key_of_a_batch_is_a_delete_of_its_own(sandbox: Watched) -> None:
    sandbox.copy_here()
    sandbox.put("old/b", b"two")
    sandbox.here("HEAD", "other", "new/a")
    body = b"<Delete><Object><Key>old/a</Key></Object><Object><Key>old/b</Key></Object></Delete>"
    digest = base64.b64encode(hashlib.md5(body).digest()).decode()
    sandbox.here("POST", "bbb", "", {"delete": ""}, body, content_md5=digest)
    assert sandbox.rules == [Rule.UNSEEN, Rule.LOST]  # of b alone


def test_tags_that_a_user_changes_in_place_are_a_change(sandbox: Watched) -> None:
    sandbox.copy_here()
    tags = b"<Tagging><TagSet><Tag><Key>legal</Key><Value>hold</Value></Tag></TagSet></Tagging>"
    sandbox("PUT", "bbb", "old/a", tags, {"tagging": ""})
    sandbox.here("HEAD", "other", "new/a")
    sandbox.here("DELETE", "bbb", "old/a")
    assert sandbox.rules == []
    assert sandbox.witness.verdict()["figures"]["changed_unseen"] == 1


def test_a_claim_is_held_against_what_the_machines_saw(sandbox: Watched) -> None:
    sandbox.copy_here()
    etag = hashlib.md5(b"one").hexdigest()
    line = {
        "at_s": float("inf"), "since_s": 0.0, "by": "here", "source": ["bbb", "old/a"], "source_etag": etag,
        "target": ["other", "new/a"], "target_etag": etag,
    }  # fmt: skip
    sandbox.witness.claims([line])
    assert sandbox.rules == [Rule.UNTRUE]
    sandbox.here("HEAD", "bbb", "old/a")
    sandbox.here("HEAD", "other", "new/a")
    sandbox.witness.claims([line])
    assert sandbox.rules == [Rule.UNTRUE]


def test_a_judge_that_is_replaced_hears_nothing_more(sandbox: Watched) -> None:
    sandbox.witness.end_watch()
    sandbox.here("DELETE", "bbb", "old/a")
    assert sandbox.rules == []
    assert sandbox.stored("old/a") is None
