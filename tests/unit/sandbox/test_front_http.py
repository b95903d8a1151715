"""The sandbox over real sockets: who it refuses, what it reads, how it breaks, and that it is there for us alone."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import psutil
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from engine.sandbox import FaultRule, Sandbox, SandboxSettings, start_sandbox
from engine.sandbox.auth import Chain, signing_key
from engine.sandbox.launch import SandboxError
from engine.sandbox.server import Door, Front
from tests.unit.s3.fakes import until

BUCKET = "front-bucket"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start_sandbox(SandboxSettings(session_token="the-token", count_writes=True)) as running:
        running.control("bucket", {"name": BUCKET})
        yield running


@pytest.fixture
def faulty(sandbox: Sandbox) -> Iterator[Any]:
    """Sets fault rules; they are gone after the test."""

    def set_rules(*rules: FaultRule) -> None:
        sandbox.control(
            "settings", {"faults": [SandboxSettings(faults=(rule,)).as_json()["faults"][0] for rule in rules]}
        )

    yield set_rules
    sandbox.control("settings", {"faults": []})


def client_of(sandbox: Sandbox, **replaced: Any) -> Any:
    arguments: dict[str, Any] = {
        "endpoint_url": sandbox.url,
        "aws_access_key_id": sandbox.access_key,
        "aws_secret_access_key": sandbox.secret_key,
        "aws_session_token": sandbox.session_token or None,
        "region_name": sandbox.region,
        "config": Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    }
    return boto3.client("s3", **(arguments | replaced))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return self.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()


def signed(sandbox: Sandbox, method: str, path: str, body: bytes = b"", **headers: Any) -> AWSRequest:
    request = AWSRequest(method=method, url=sandbox.url + path, data=body, headers=dict(headers))
    credentials = Credentials(sandbox.access_key, sandbox.secret_key, sandbox.session_token or None)
    S3SigV4Auth(credentials, "s3", sandbox.region).add_auth(request)
    return request


def send(sandbox: Sandbox, request: AWSRequest, body: bytes | None = None) -> Answer:
    """Send a request as it is; `body` instead of the one that was signed."""
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    with contextlib.closing(connection):
        path = request.url[len(sandbox.url) :]
        payload = (request.body or b"") if body is None else body
        connection.request(request.method, path, payload, dict(request.headers.items()))
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())


# --- signatures --------------------------------------------------------------------------------------------


def test_a_signed_request_is_carried_out(sandbox: Sandbox) -> None:
    put = send(sandbox, signed(sandbox, "PUT", f"/{BUCKET}/signed.txt", b"hello"))
    assert (put.status, put.headers["ETag"]) == (200, '"5d41402abc4b2a76b9719d911017c592"')
    assert put.headers["Server"] == "AmazonS3" and len(put.headers["x-amz-request-id"]) == 16
    assert send(sandbox, signed(sandbox, "GET", f"/{BUCKET}/signed.txt")).body == b"hello"


def without(request: AWSRequest, name: str) -> AWSRequest:
    del request.headers[name]
    return request


def with_header(request: AWSRequest, name: str, value: str) -> AWSRequest:
    del request.headers[name]
    request.headers[name] = value
    return request


def test_what_is_not_signed_or_signed_wrongly_is_refused(sandbox: Sandbox) -> None:
    path = f"/{BUCKET}/refused.txt"

    def fresh() -> AWSRequest:
        return signed(sandbox, "PUT", path, b"hello")

    authorization = fresh().headers["Authorization"]
    answers = {
        "AccessDenied": send(sandbox, without(fresh(), "Authorization")),
        "SignatureDoesNotMatch": send(sandbox, with_header(fresh(), "Authorization", authorization[:-64] + "0" * 64)),
        "XAmzContentSHA256Mismatch": send(sandbox, fresh(), b"hullo"),
        "InvalidToken": send(sandbox, with_header(fresh(), "X-Amz-Security-Token", "another")),
        "InvalidAccessKeyId": send(
            sandbox, with_header(fresh(), "Authorization", authorization.replace(sandbox.access_key, "AKIANOBODY"))
        ),
        "AuthorizationHeaderMalformed": send(
            sandbox, with_header(fresh(), "Authorization", authorization.replace("us-east-2", "eu-west-1"))
        ),
    }
    assert {name: answer.code for name, answer in answers.items()} == {name: name for name in answers}
    assert send(sandbox, signed(sandbox, "GET", path)).code == "NoSuchKey"


def test_a_header_that_was_added_on_the_way_is_refused(sandbox: Sandbox) -> None:
    request = signed(sandbox, "PUT", f"/{BUCKET}/added.txt", b"hello")
    request.headers["x-amz-meta-added"] = "1"
    assert send(sandbox, request).code == "AccessDenied"


def test_a_query_that_was_changed_on_the_way_is_refused(sandbox: Sandbox) -> None:
    request = signed(sandbox, "GET", f"/{BUCKET}?list-type=2&prefix=a")
    request.url = request.url.replace("prefix=a", "prefix=b")
    assert send(sandbox, request).code == "SignatureDoesNotMatch"


def test_a_clock_that_is_too_far_off_is_refused(sandbox: Sandbox) -> None:
    request = signed(sandbox, "GET", f"/{BUCKET}?list-type=2")
    sandbox.control("advance_clock", {"seconds": 16 * 60})
    try:
        answer = send(sandbox, request)
        assert (answer.status, answer.code) == (403, "RequestTimeTooSkewed")
        ahead = datetime.now(UTC) + timedelta(minutes=15)
        assert datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC) > ahead
    finally:
        sandbox.control("advance_clock", {"seconds": -16 * 60})


def test_credentials_expire(sandbox: Sandbox) -> None:
    made = sandbox.control("credentials", {"token": "short", "lifetime_s": 60})
    client = client_of(
        sandbox,
        aws_access_key_id=made["access_key"],
        aws_secret_access_key=made["secret_key"],
        aws_session_token="short",
    )
    client.list_objects_v2(Bucket=BUCKET)
    sandbox.control("advance_clock", {"seconds": 61})
    try:
        with pytest.raises(ClientError) as refused:
            client.list_objects_v2(Bucket=BUCKET)
    finally:
        sandbox.control("advance_clock", {"seconds": -61})
    assert refused.value.response["Error"]["Code"] == "ExpiredToken"


# --- what is read ------------------------------------------------------------------------------------------

SPECIAL = ["a//b/../c/./d", "q?x=1&y", "plus+space %25", "\x01\x1f\n\t", "\U0001f3b4/€", "//", "#hash", "'()*!~"]


def test_special_keys_arrive_verbatim_by_a_client_of_another_hand(sandbox: Sandbox) -> None:
    client = client_of(sandbox)
    for number, name in enumerate(SPECIAL):
        client.put_object(Bucket=BUCKET, Key=f"special/{name}", Body=b"%d" % number)
    dumped = sandbox.control("dump", {"bucket": BUCKET, "prefix": "special/"})["objects"]
    assert {key for key, _, _ in dumped} == {f"special/{name}" for name in SPECIAL}
    for number, name in enumerate(SPECIAL):
        assert client.get_object(Bucket=BUCKET, Key=f"special/{name}")["Body"].read() == b"%d" % number


def test_a_streamed_body_of_boto_is_stored_without_its_framing(sandbox: Sandbox) -> None:
    client = client_of(sandbox)
    body = b"0123456789" * 20_000
    client.put_object(Bucket=BUCKET, Key="framed", Body=body, ContentEncoding="gzip", ChecksumAlgorithm="CRC32")
    got = client.get_object(Bucket=BUCKET, Key="framed")
    assert (got["Body"].read(), got["ContentEncoding"]) == (body, "gzip")


def test_a_body_whose_chunks_are_signed_is_checked(sandbox: Sandbox) -> None:
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"

    class Streaming(S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
        def payload(self, request: Any) -> str:
            return kind

    request = AWSRequest(
        method="PUT", url=f"{sandbox.url}/{BUCKET}/chunks", headers={"x-amz-decoded-content-length": "5"}
    )
    credentials = Credentials(sandbox.access_key, sandbox.secret_key, sandbox.session_token)
    Streaming(credentials, "s3", sandbox.region).add_auth(request)
    timestamp = request.headers["X-Amz-Date"]
    day = timestamp[:8]
    chain = Chain(
        signing_key(sandbox.secret_key, day, sandbox.region),
        timestamp,
        f"{day}/{sandbox.region}/s3/aws4_request",
        request.headers["Authorization"][-64:],
    )
    first = chain.next_signature(chain.seed_signature, b"hello")
    last = chain.next_signature(first, b"")
    body = f"5;chunk-signature={first}\r\nhello\r\n0;chunk-signature={last}\r\n\r\n".encode()
    assert send(sandbox, request, body.replace(b"hello", b"hullo")).code == "SignatureDoesNotMatch"
    assert send(sandbox, request, body).headers["ETag"].strip('"') == hashlib.md5(b"hello").hexdigest()


def test_a_client_that_asks_first_is_told_to_go_on(sandbox: Sandbox) -> None:
    request = signed(sandbox, "PUT", f"/{BUCKET}/asked", b"hello", Expect="100-continue")
    lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as sock:
        host = f"Host: 127.0.0.1:{sandbox.port}\r\nContent-Length: 5\r\n"
        sock.sendall(f"PUT /{BUCKET}/asked HTTP/1.1\r\n{host}{lines}\r\n".encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"hello")
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_bucket_in_the_host_name_is_found(sandbox: Sandbox) -> None:
    sandbox.control("put", {"bucket": BUCKET, "key": "hosted", "text": "here"})
    request = AWSRequest(method="GET", url=f"http://{BUCKET}.localhost:{sandbox.port}/hosted")
    credentials = Credentials(sandbox.access_key, sandbox.secret_key, sandbox.session_token)
    S3SigV4Auth(credentials, "s3", sandbox.region).add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    with contextlib.closing(connection):
        headers = {**dict(request.headers.items()), "Host": f"{BUCKET}.localhost:{sandbox.port}"}
        connection.request("GET", "/hosted", headers=headers)
        assert connection.getresponse().read() == b"here"


def test_requests_sent_ahead_are_answered_in_order(sandbox: Sandbox) -> None:
    heads = b""
    for number in range(8):
        request = signed(sandbox, "PUT", f"/{BUCKET}/ahead/{number}", b"%d" % number)
        lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        host = f"Host: 127.0.0.1:{sandbox.port}\r\nContent-Length: 1\r\n"
        heads += f"PUT /{BUCKET}/ahead/{number} HTTP/1.1\r\n{host}{lines}\r\n{number}".encode()
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as sock:
        sock.sendall(heads)
        received = b""
        while received.count(b"\r\n\r\n") < 8:
            received += sock.recv(65536)
    expected = [hashlib.md5(b"%d" % number).hexdigest() for number in range(8)]
    assert [etag.decode() for etag in re.findall(rb'(?i)etag: "(\w+)"', received)] == expected


def test_a_large_body_is_sent_piece_by_piece_and_whole(sandbox: Sandbox) -> None:
    sandbox.control("fill", {"bucket": BUCKET, "prefix": "large/", "count": 1, "size": 24 << 20})
    (key, _, size), *_ = sandbox.control("dump", {"bucket": BUCKET, "prefix": "large/"})["objects"]
    got = send(sandbox, signed(sandbox, "GET", f"/{BUCKET}/{key}"))
    assert len(got.body) == size == 24 << 20


@pytest.mark.parametrize("leads", [False, True])
def test_a_slow_copy_sends_white_space_until_it_is_done(sandbox: Sandbox, leads: bool) -> None:
    client = client_of(sandbox)
    source = {"Bucket": BUCKET, "Key": "slow-source"}
    etag = client.put_object(**source, Body=b"x" * 50_000)["ETag"]
    changed = {"bandwidth_mib_s": 1.0, "whitespace_s": 0.01, "whitespace_leads": leads}
    sandbox.control("settings", changed)
    try:
        headers: dict[str, Any] = {"x-amz-copy-source": f"/{BUCKET}/slow-source"}
        answer = send(sandbox, signed(sandbox, "PUT", f"/{BUCKET}/slow-copy", **headers))
    finally:
        sandbox.control("settings", {"bandwidth_mib_s": 0, "whitespace_s": 0})
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert re.search(rb"^ +<\?xml" if leads else rb"^<\?xml[^>]*>\n +<CopyObjectResult", answer.body)
    assert etag.strip('"').encode() in answer.body


def test_a_head_that_is_refused_has_no_body(sandbox: Sandbox) -> None:
    answer = send(sandbox, signed(sandbox, "HEAD", f"/{BUCKET}/nothing"))
    assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"GET /b/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /b HTTP/1.1\r\nHost: x\r\n" + b"x-flood: 12345678901234567890\r\n" * 4000 + b"\r\n",
    ],
)
def test_what_is_not_a_request_is_refused_and_the_sandbox_goes_on(sandbox: Sandbox, raw: bytes) -> None:
    with (
        socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as sock,
        contextlib.suppress(ConnectionError),  # it may close before it was told everything
    ):
        sock.sendall(raw)
        assert sock.recv(100).split(b" ")[1] in (b"400", b"431")
    assert send(sandbox, signed(sandbox, "GET", f"/{BUCKET}?list-type=2")).status == 200


# --- faults over the wire ----------------------------------------------------------------------------------


def put(sandbox: Sandbox, key: str) -> Answer:
    return send(sandbox, signed(sandbox, "PUT", f"/{BUCKET}/{key}", b"hello"))


def is_there(sandbox: Sandbox, key: str) -> bool:
    return bool(sandbox.control("dump", {"bucket": BUCKET, "prefix": key})["objects"])


@pytest.mark.parametrize(("kind", "lands"), [("reset-before", 0), ("reset-unserved", 0), ("reset-served", 1)])
def test_a_reset_comes_before_or_after_the_request_is_carried_out(
    sandbox: Sandbox, faulty: Any, kind: str, lands: bool
) -> None:
    key = f"reset/{kind}"
    faulty(FaultRule(kind, "PutObject", key="reset/", first=1))
    with pytest.raises(ConnectionResetError):
        put(sandbox, key)
    assert is_there(sandbox, key) == lands
    assert put(sandbox, key).status == 200
    assert sandbox.control("stats")["faults"] == {kind: 1}


@pytest.mark.parametrize(
    ("rule", "status", "code"),
    [
        (FaultRule("500", first=1), 500, "InternalError"),
        (FaultRule("503", first=1), 503, "SlowDown"),
        (FaultRule("503-empty", first=1), 503, ""),
        (FaultRule("200-error", first=1, code="SlowDown"), 200, "SlowDown"),
        (FaultRule("200-empty", first=1), 200, ""),
        (FaultRule("200-html", first=1), 200, ""),
        (FaultRule("409", first=1), 409, "ConditionalRequestConflict"),
        (FaultRule("412", first=1, code="If-None-Match"), 412, "PreconditionFailed"),
        (FaultRule("404", first=1), 404, "NoSuchKey"),
        (FaultRule("403", first=1), 403, "AccessDenied"),
        (FaultRule("expired-token", first=1), 400, "ExpiredToken"),
        (FaultRule("301", first=1), 301, "PermanentRedirect"),
        (FaultRule("307", first=1), 307, "TemporaryRedirect"),
    ],
)
@pytest.mark.parametrize("served", [False, True])
def test_a_fault_answers_for_the_rules_and_carries_out_only_what_it_says(
    sandbox: Sandbox, faulty: Any, rule: FaultRule, status: int, code: str, served: bool
) -> None:
    key = f"instead/{rule.kind}/{served}"
    faulty(replace(rule, served=served))
    answer = put(sandbox, key)
    assert (answer.status, answer.code) == (status, code)
    assert is_there(sandbox, key) == served
    assert answer.headers.get("x-amz-bucket-region") == ("eu-central-1" if status in (301, 307) else None)


def test_slow_bytes_arrive_whole(sandbox: Sandbox, faulty: Any) -> None:
    faulty(FaultRule("slow-bytes", "GetObject", first=1, delay_ms=2))
    put(sandbox, "slow")
    assert send(sandbox, signed(sandbox, "GET", f"/{BUCKET}/slow")).body == b"hello"


def test_a_source_changes_just_before_it_is_copied(sandbox: Sandbox, faulty: Any) -> None:
    client = client_of(sandbox)
    etag = client.put_object(Bucket=BUCKET, Key="changing", Body=b"hello")["ETag"]
    faulty(FaultRule("source-changed", "CopyObject", first=1))
    with pytest.raises(ClientError) as refused:
        client.copy_object(
            Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "changing"}, CopySourceIfMatch=etag
        )
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    head = client.head_object(Bucket=BUCKET, Key="changing")
    assert head["ETag"] != etag and head["ContentLength"] == 5


def test_a_target_appears_before_a_copy_and_is_replaced_after_one(sandbox: Sandbox, faulty: Any) -> None:
    client = client_of(sandbox)
    source = {"Bucket": BUCKET, "Key": "source"}
    etag = client.put_object(**source, Body=b"hello")["ETag"]
    faulty(FaultRule("target-appears", "CopyObject", nth=1), FaultRule("target-replaced", "CopyObject", first=1))
    with pytest.raises(ClientError) as refused:
        client.copy_object(Bucket=BUCKET, Key="appears", CopySource=source, IfNoneMatch="*")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert client.copy_object(Bucket=BUCKET, Key="replaced", CopySource=source)["CopyObjectResult"]["ETag"] == etag
    assert client.head_object(Bucket=BUCKET, Key="replaced")["ETag"] != etag


def test_an_upload_vanishes(sandbox: Sandbox, faulty: Any) -> None:
    client = client_of(sandbox)
    upload = client.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    assert [found["id"] for found in sandbox.control("uploads")["uploads"]] == [upload]
    faulty(FaultRule("upload-vanished", "UploadPart", first=1))
    with pytest.raises(ClientError) as refused:
        client.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    assert refused.value.response["Error"]["Code"] == "NoSuchUpload"
    assert sandbox.control("uploads")["uploads"] == []


@pytest.mark.parametrize(("kind", "named"), [("delete-error", "batch/<2>&"), ("delete-keyless", None)])
def test_one_key_of_a_batch_is_not_deleted(sandbox: Sandbox, faulty: Any, kind: str, named: str | None) -> None:
    client = client_of(sandbox)
    keys = ["batch/1", "batch/<2>&", "batch/3"]
    for key in keys:
        client.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    faulty(FaultRule(kind, "DeleteObjects", first=1, code="SlowDown"))
    answer = client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})
    assert [found["Key"] for found in answer["Deleted"]] == ["batch/1", "batch/3"]
    assert [(found["Code"], found.get("Key")) for found in answer["Errors"]] == [("SlowDown", named)]
    left = sandbox.control("dump", {"bucket": BUCKET, "prefix": "batch/"})["objects"]
    assert [key for key, _, _ in left] == ["batch/<2>&"]


def test_a_storm_can_be_begun_from_outside(sandbox: Sandbox, faulty: Any) -> None:
    sandbox.control("storm", {"seconds": 3600, "probability": 1.0})
    answer = send(sandbox, signed(sandbox, "GET", f"/{BUCKET}?list-type=2"))
    assert (answer.status, answer.code) == (503, "SlowDown")


# --- what it is to its parent ------------------------------------------------------------------------------


def test_it_listens_on_loopback_and_nowhere_else(sandbox: Sandbox) -> None:
    listening = [
        found.laddr for found in psutil.Process(sandbox.pid).net_connections("inet") if found.status == "LISTEN"
    ]
    assert sorted(port for _, port in listening) == sorted([sandbox.port, sandbox.control_port])
    assert {ip for ip, _ in listening} == {"127.0.0.1"}


def test_the_control_listener_asks_for_its_secret(sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.control_port, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", "/_cartage/stats", b"{}", {"x-cartage-secret": "guess"})
        assert connection.getresponse().status == 403
    with pytest.raises(SandboxError, match="no such command"):
        sandbox.control("explode")


def test_counts_are_by_operation_and_status(sandbox: Sandbox) -> None:
    sandbox.control("reset_stats")
    client = client_of(sandbox)
    for _ in range(3):
        client.put_object(Bucket=BUCKET, Key="counted", Body=b"x")
    with pytest.raises(ClientError):
        client.get_object(Bucket=BUCKET, Key="not there")
    stats = sandbox.control("stats")
    assert stats["operations"] == {"GetObject": {"404": 1}, "PutObject": {"200": 3}}
    assert (stats["in_flight"], stats["peak_in_flight"], stats["mistakes"]) == (0, 1, 0)
    assert sandbox.control("writes")["repeated"] == {f"{BUCKET}/counted": 3}


def test_an_object_can_be_damaged_behind_what_s3_says_of_it(sandbox: Sandbox) -> None:
    etag = put(sandbox, "damaged").headers["ETag"]
    sandbox.control("damage", {"bucket": BUCKET, "key": "damaged"})
    got = send(sandbox, signed(sandbox, "GET", f"/{BUCKET}/damaged"))
    assert got.headers["ETag"] == etag
    assert len(got.body) == 5 and got.body != b"hello"


def test_connections_are_refused_for_a_while_and_the_process_ends_with_its_parents_block() -> None:
    with start_sandbox(SandboxSettings(check_signatures=False)) as other:
        with socket.create_connection(("127.0.0.1", other.port), timeout=10) as held:
            other.control("refuse_connections", {"seconds": 3600})
            with pytest.raises(ConnectionResetError):
                held.recv(1)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", other.port), timeout=10)
        assert other.control("stats")["connections"] == 0
        pid = other.pid
    assert not psutil.pid_exists(pid)


def test_it_ends_when_its_parent_is_killed() -> None:
    program = (
        "from engine.sandbox import start_sandbox\nimport sys\n"
        "with start_sandbox() as sandbox:\n    print(sandbox.port, flush=True)\n    sys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdin is not None and parent.stdout is not None
    with socket.create_connection(("127.0.0.1", int(parent.stdout.readline())), timeout=10) as held:
        os.kill(parent.pid, signal.SIGKILL)
        with contextlib.suppress(ConnectionResetError):
            assert held.recv(1) == b""
    parent.wait(10)
    parent.stdin.close()
    parent.stdout.close()


async def test_a_door_opens_again_at_the_same_port() -> None:
    door = Door(Front(SandboxSettings(check_signatures=False)), 0, None)
    await door.open()
    port = door.port
    door.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await door.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 404 ")
    writer.close()
    door.close()


async def test_a_door_whose_port_somebody_else_got_meanwhile_opens_once_it_is_free() -> None:
    door = Door(Front(SandboxSettings(check_signatures=False)), 0, None)
    await door.open()
    door.close_for(3600)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", door.port))
        door.close_for(0)
        for _ in range(20):
            await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", door.port)
    await until(lambda: door._server is not None)
    _, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.close()
    door.close()


def test_a_port_that_is_taken_is_said(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SandboxError, match="did not start"), start_sandbox(SandboxSettings(port=sandbox.port)):
        pass
    assert "in use" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("names", "flaw", "refused"),
    [
        (("localhost", "127.0.0.1"), "", ""),
        (("elsewhere.example",), "", "mismatch|doesn't match"),
        (("127.0.0.1",), "expired", "expired"),
        (("127.0.0.1",), "self-signed", "self-signed|self signed|unable to get local issuer"),
        (("127.0.0.1",), "unknown-authority", "unable to get local issuer|verify failed"),
    ],
)
def test_tls_has_a_certificate_with_the_flaw_that_is_asked_for(names: Any, flaw: str, refused: str) -> None:
    settings = SandboxSettings(tls=True, tls_names=names, tls_flaw=flaw)
    with start_sandbox(settings) as secure:
        context = ssl.create_default_context(cafile=secure.ca_bundle)
        with socket.create_connection(("127.0.0.1", secure.port), timeout=10) as sock:
            if refused:
                with pytest.raises(ssl.SSLCertVerificationError, match=refused):
                    context.wrap_socket(sock, server_hostname="127.0.0.1")
                return
            context.wrap_socket(sock, server_hostname="127.0.0.1").close()
        client = client_of(secure, verify=secure.ca_bundle)
        client.create_bucket(Bucket="secure", CreateBucketConfiguration={"LocationConstraint": secure.region})
        client.put_object(Bucket="secure", Key="k", Body=b"over TLS")
        assert client.get_object(Bucket="secure", Key="k")["Body"].read() == b"over TLS"
