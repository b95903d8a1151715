"""A server that enforces an IAM policy in front of another S3: it allows what the policy allows, conditions on the
prefix included, answers 403 to the rest, and remembers what was asked of it.

Which action a request needs: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3",
and "Permissions" in the API reference of each operation.
"""

from __future__ import annotations

import fnmatch
import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"

PROBE = ".cartage-probe-"

OF_BUCKET = {
    ("GET", "versioning"): "s3:GetBucketVersioning",
    ("GET", "lifecycle"): "s3:GetLifecycleConfiguration",
    ("PUT", "lifecycle"): "s3:PutLifecycleConfiguration",
    ("DELETE", "lifecycle"): "s3:PutLifecycleConfiguration",
    ("GET", "replication"): "s3:GetReplicationConfiguration",
    ("GET", "acl"): "s3:GetBucketAcl",
    ("GET", "location"): "s3:GetBucketLocation",
    ("GET", "uploads"): "s3:ListBucketMultipartUploads",
    ("GET", "versions"): "s3:ListBucketVersions",
}
OF_OBJECT = {
    ("GET", "tagging"): "s3:GetObjectTagging",
    ("PUT", "tagging"): "s3:PutObjectTagging",
    ("GET", "acl"): "s3:GetObjectAcl",
    ("GET", "retention"): "s3:GetObjectRetention",
    ("GET", "legal-hold"): "s3:GetObjectLegalHold",
    ("GET", "uploadId"): "s3:ListMultipartUploadParts",
    ("DELETE", "uploadId"): "s3:AbortMultipartUpload",
    ("POST", "restore"): "s3:RestoreObject",
    ("POST", "uploads"): "s3:PutObject",
    ("POST", "uploadId"): "s3:PutObject",
}
BY_HEADER = {
    "x-amz-tagging": "s3:PutObjectTagging",
    "x-amz-acl": "s3:PutObjectAcl",
    "x-amz-object-lock-mode": "s3:PutObjectRetention",
    "x-amz-object-lock-legal-hold": "s3:PutObjectLegalHold",
}
"""What whoever writes an object with such a header must be allowed besides."""
HIDDEN = {
    "x-amz-object-lock-mode": "s3:GetObjectRetention",
    "x-amz-object-lock-retain-until-date": "s3:GetObjectRetention",
    "x-amz-object-lock-legal-hold": "s3:GetObjectLegalHold",
    "x-amz-tagging-count": "s3:GetObjectTagging",
}
"""Headers of HEAD and GET that are left out for whoever may not ask for what they say (API reference, HeadObject)."""


class Need(NamedTuple):
    """An action on a resource; `prefix` is what a listing asks for, None where the request has none."""

    action: str
    arn: str
    prefix: str | None = None


def needs(method: str, target: str, headers: dict[str, str], body: bytes) -> list[Need]:
    """What a request must be allowed to do, all of it. Path style."""
    url = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    bucket, _, key = unquote(url.path).lstrip("/").partition("/")
    arn = f"arn:aws:s3:::{bucket}"
    if not bucket:
        return []
    if not key:
        if method == "POST" and "delete" in query:
            keys = re.findall(r"<Key>(.*?)</Key>", body.decode())
            return [Need("s3:DeleteObject", f"{arn}/{key}") for key in keys] + [
                Need("s3:GetObject", f"{arn}/{key}") for key in keys if b"<ETag>" in body
            ]
        for (verb, word), action in OF_BUCKET.items():
            if verb == method and word in query:
                return [Need(action, arn)]
        return [Need("s3:ListBucket", arn, query.get("prefix"))]
    thing = f"{arn}/{key}"
    said = [Need(action, thing) for header, action in BY_HEADER.items() if headers.get(header)]
    for (verb, word), action in OF_OBJECT.items():
        if verb == method and word in query:
            return [Need(action, thing), *said]
    if method == "PUT":
        source = unquote(headers.get("x-amz-copy-source", "")).lstrip("/")
        found = [Need("s3:PutObject", thing), *said]
        return found + ([Need("s3:GetObject", f"arn:aws:s3:::{source}")] if source else [])
    if method == "DELETE":
        conditional = [Need("s3:GetObject", thing)] if "if-match" in headers else []
        return [Need("s3:DeleteObject", thing), *conditional]
    return [Need("s3:GetObject", thing)]


def allows(policy: dict[str, Any], need: Need) -> bool:
    """Whether a statement allows it; there are no others than Allow, and no conditions but on the prefix."""
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        if need.action not in statement["Action"]:
            continue
        if not any(like(pattern, need.arn) for pattern in statement["Resource"]):
            continue
        prefixes = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
        if prefixes is None or (need.prefix is not None and any(like(item, need.prefix) for item in prefixes)):
            return True
    return False


def like(pattern: str, text: str) -> bool:
    """IAM's `*` and `?`, and `${*}` for the character itself."""
    pieces = re.split(r"(\$\{[*?$]\})", pattern)
    regex = "".join(
        re.escape(piece[2]) if piece.startswith("${") else fnmatch.translate(piece.replace("[", "[[]"))[4:-3]
        for piece in pieces
        if piece
    )
    return re.fullmatch(regex, text, flags=re.DOTALL) is not None


@dataclass(slots=True)
class Police:
    """Where it listens, the policy in force, and what was asked: allowed and denied. `seen` is a test's to keep."""

    url: str
    policy: dict[str, Any] = field(default_factory=dict)
    allowed: set[Need] = field(default_factory=set)
    denied: set[Need] = field(default_factory=set)
    seen: dict[str, set[str]] = field(default_factory=dict)

    @property
    def used(self) -> set[str]:
        return {need.action for need in self.allowed}

    def enforce(self, policy: dict[str, Any]) -> None:
        """Put another policy in force, and forget what was asked."""
        self.policy = policy
        self.allowed.clear()
        self.denied.clear()


@contextmanager
def policed(upstream: str) -> Iterator[Police]:
    """Listen on loopback in front of `upstream` until the block ends."""
    host = urlsplit(upstream).netloc
    local = threading.local()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            wanted = needs(self.command, self.path, headers, body)
            if PROBE in self.path or (PROBE.encode() in body):
                wanted = []  # what a server honours is tried everywhere but on AWS, whose policies these are
            refused = [need for need in wanted if not allows(police.policy, need)]
            (police.denied if refused else police.allowed).update(refused or wanted)
            if refused:
                return self.answer(403, [("Content-Type", "application/xml")], DENIED)
            if not hasattr(local, "connection"):
                local.connection = http.client.HTTPConnection(host)
            local.connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():  # the Host that was signed among them
                local.connection.putheader(name, value)
            local.connection.endheaders(body)
            response = local.connection.getresponse()
            content = response.read()
            kept = [pair for pair in response.getheaders() if pair[0].lower() not in HOP]
            arn = f"arn:aws:s3:::{unquote(urlsplit(self.path).path).lstrip('/')}"
            hidden = {name for name, action in HIDDEN.items() if not allows(police.policy, Need(action, arn))}
            kept = [pair for pair in kept if pair[0].lower() not in hidden]
            self.answer(response.status, kept, content, length=response.getheader("Content-Length"))
            return None

        def finish(self) -> None:
            super().finish()
            if hasattr(local, "connection"):
                local.connection.close()
                del local.connection

        def answer(self, status: int, headers: list[tuple[str, str]], body: bytes, length: str | None = None) -> None:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            head = self.command == "HEAD"
            self.send_header("Content-Length", length if head and length else str(len(body)))
            self.end_headers()
            if not head:
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on

        def log_message(self, format: str, *values: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that left before its answer
    police = Police(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield police
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


HOP = {"content-length", "connection", "transfer-encoding"}
