"""What the sandbox promises of deletes: only what was proven goes, and every key has an answer of its own."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from engine.sandbox.exchange import Reply
from tests.unit.sandbox.asking import Sandbox, condition_of, header, text_of, texts_of

ENABLED = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


def batch(sandbox: Sandbox, rows: str, *, quiet: bool = False) -> Reply:
    body = f"<Delete>{'<Quiet>true</Quiet>' if quiet else ''}{rows}</Delete>".encode()
    digest = base64.b64encode(hashlib.md5(body).digest()).decode()
    return sandbox("POST", "bbb", "", body, {"delete": ""}, content_md5=digest)


def row(key: str, etag: str = "") -> str:
    return f"<Object><Key>{key}</Key>{f'<ETag>{etag}</ETag>' if etag else ''}</Object>"


def test_deleting_nothing_is_no_error(sandbox: Sandbox) -> None:
    assert sandbox("DELETE", "bbb", "none").status == 204


def test_an_object_that_changed_is_not_deleted(sandbox: Sandbox) -> None:
    old = sandbox.put("a", b"old")
    new = sandbox.put("a", b"new")
    error = sandbox.refused("PreconditionFailed", "DELETE", "bbb", "a", if_match=old)
    assert (error.status, condition_of(error)) == (412, "If-Match")
    assert sandbox.stored("a") is not None
    assert sandbox("DELETE", "bbb", "a", if_match=new).status == 204
    assert sandbox.stored("a") is None
    assert sandbox.refused("NoSuchKey", "DELETE", "bbb", "a", if_match=new).status == 404


def test_a_server_without_conditional_deletes_deletes_whatever_is_there(sandbox: Sandbox) -> None:
    sandbox.account.conditional_deletes = False
    sandbox.put("a")
    assert sandbox("DELETE", "bbb", "a", if_match='"00"').status == 204
    assert sandbox.stored("a") is None


def test_a_batch_answers_key_by_key(sandbox: Sandbox) -> None:
    kept, gone = sandbox.put("kept"), sandbox.put("gone")
    reply = batch(sandbox, row("kept", '"00"') + row("gone", gone) + row("none"))
    assert reply.status == 200
    assert texts_of(reply, "Key") == ["kept", "gone", "none"]
    assert texts_of(reply, "Code") == ["PreconditionFailed"]
    assert sandbox.stored("kept") is not None and sandbox.stored("gone") is None
    assert texts_of(batch(sandbox, row("kept", kept), quiet=True), "Key") == []
    assert sandbox.stored("kept") is None


def test_a_quiet_batch_still_tells_its_errors(sandbox: Sandbox) -> None:
    sandbox.put("kept")
    assert text_of(batch(sandbox, row("kept", '"00"'), quiet=True), "Code") == "PreconditionFailed"


def test_a_batch_has_1_to_1000_keys(sandbox: Sandbox) -> None:
    batch(sandbox, "".join(row(f"k{number}") for number in range(1000)))
    for count in (0, 1001):
        body = f"<Delete>{''.join(row(f'k{number}') for number in range(count))}</Delete>".encode()
        digest = base64.b64encode(hashlib.md5(body).digest()).decode()
        sandbox.refused("MalformedXML", "POST", "bbb", "", body, {"delete": ""}, content_md5=digest)


def test_a_batch_must_carry_a_digest_of_its_body(sandbox: Sandbox) -> None:
    body = f"<Delete>{row('a')}</Delete>".encode()
    sandbox.refused("InvalidRequest", "POST", "bbb", "", body, {"delete": ""})
    wrong = base64.b64encode(b"0" * 16).decode()
    sandbox.refused("BadDigest", "POST", "bbb", "", body, {"delete": ""}, content_md5=wrong)
    sandbox.refused("InvalidDigest", "POST", "bbb", "", body, {"delete": ""}, content_md5="x")


def test_a_versioned_bucket_keeps_what_is_deleted(sandbox: Sandbox) -> None:
    sandbox.put("a", b"zero")
    sandbox("PUT", "bbb", "", ENABLED, {"versioning": ""})
    reply = sandbox("DELETE", "bbb", "a")
    assert header(reply, "x-amz-delete-marker") == "true"
    marker = header(reply, "x-amz-version-id")
    gone = sandbox.refused("NoSuchKey", "GET", "bbb", "a")
    assert dict(gone.headers)["x-amz-delete-marker"] == "true"
    assert sandbox.refused("MethodNotAllowed", "GET", "bbb", "a", query={"versionId": marker}).status == 405
    assert sandbox("GET", "bbb", "a", query={"versionId": "null"}).body == b"zero"
    sandbox("DELETE", "bbb", "a", query={"versionId": marker})
    assert sandbox("GET", "bbb", "a").body == b"zero"
    assert text_of(batch(sandbox, row("a")), "DeleteMarker") == "true"
    sandbox.refused("BucketNotEmpty", "DELETE", "bbb")


def test_a_suspended_bucket_replaces_its_null_version(sandbox: Sandbox) -> None:
    sandbox("PUT", "bbb", "", ENABLED, {"versioning": ""})
    sandbox.put("a", b"one")
    sandbox("PUT", "bbb", "", ENABLED.replace(b"Enabled", b"Suspended"), {"versioning": ""})
    sandbox.put("a", b"two")
    sandbox.put("a", b"three")
    listed = sandbox("GET", "bbb", query={"versions": ""})
    assert texts_of(listed, "VersionId")[0] == "null"
    assert len(texts_of(listed, "VersionId")) == 2


def test_a_version_under_a_lock_stays(sandbox: Sandbox) -> None:
    sandbox("PUT", "locked", x_amz_bucket_object_lock_enabled="true")
    until: dict[str, Any] = {
        "x_amz_object_lock_retain_until_date": "2099-01-01T00:00:00Z",
        "x_amz_object_lock_mode": "GOVERNANCE",
        "content_md5": base64.b64encode(hashlib.md5(b"x").digest()).decode(),
    }
    version = header(sandbox("PUT", "locked", "a", b"x", **until), "x-amz-version-id")
    query = {"versionId": version}
    sandbox.refused("AccessDenied", "DELETE", "locked", "a", query=query)
    sandbox("DELETE", "locked", "a", query=query, x_amz_bypass_governance_retention="true")
    assert sandbox.stored("a", "locked") is None
