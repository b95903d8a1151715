"""The front: from a request's bytes to the rules and back, with signatures, manners and faults between.

The order is S3's: the address is read, the signature checked, the rate limit asked; then the call takes its time, is
carried out, moves its bytes, and is answered. What was begun is carried out also when the client has gone: a copy
in flight lands.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
import traceback
from typing import Any

from engine.sandbox import bodies, sabotage, wording
from engine.sandbox.addressing import Target, split_target
from engine.sandbox.connection import Connection, Received
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.faults import FaultRule, Kind, Schedule
from engine.sandbox.manners import MIB, READS, Bandwidth, Latency, RateLimit
from engine.sandbox.markup import DECLARATION
from engine.sandbox.payload import is_framed, take_off_framing
from engine.sandbox.records import Account
from engine.sandbox.refusals import S3Error
from engine.sandbox.rules import handle, operation_of
from engine.sandbox.settings import SandboxSettings
from engine.sandbox.statistics import Statistics
from engine.sandbox.witness import Witness

LOOPBACK = "127.0.0.1"
AGAIN_S = 0.01
FOR_ANYBODY = frozenset({"GetObject", "HeadBucket", "HeadObject", "ListObjectsV2"})
"""What a public bucket answers without a signature."""


class Front:
    """One account served over HTTP. `settings` are replaced by `apply`."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.account = Account(settings.region)
        self.statistics = Statistics()
        self.connections: set[Connection] = set()
        self.witness: Witness | None = None
        self.access_key = settings.access_key or "AKIA" + secrets.token_hex(8).upper()
        self.secret_key = settings.secret_key or secrets.token_urlsafe(30)
        self._number = 0
        self._verifier: Any = None
        self.apply(settings)

    def apply(self, settings: SandboxSettings) -> None:
        """Take other settings from the next request on; faults begin anew."""
        self.settings = settings
        self.body_limit = settings.body_limit_mib * MIB
        self.account.clock.offset_s = settings.clock_offset_s
        self.account.complete_again = settings.complete_again
        self.account.conditional_deletes = settings.conditional_deletes
        self.account.echoes_checksums = settings.echoes_checksums
        self._latency = Latency(settings)
        self._limit = RateLimit(settings)
        self._bandwidth = Bandwidth(settings.bandwidth_mib_s * MIB, settings.part_slots)
        self.statistics.counts_writes = settings.count_writes
        self.schedule = Schedule(settings.faults, settings.seed)
        self._faults_since = time.monotonic()
        self.wants_heads = any(rule.kind == Kind.RESET_BEFORE for rule in settings.faults)
        if not settings.check_signatures:
            self._verifier = None
        elif self._verifier is None:
            self._verifier = self._make_verifier()

    def _make_verifier(self) -> Any:
        from engine.sandbox.auth import Key, Verifier  # botocore is slow to import, and not always needed

        settings = self.settings
        expires = self.account.clock.now() + settings.credentials_last_s if settings.credentials_last_s else 0.0
        return Verifier(settings.region, (Key(self.access_key, self.secret_key, settings.session_token, expires),))

    def add_key(self, lifetime_s: float, token: str) -> tuple[str, str, float]:
        """A further key that is known from now on, and when it expires (0: never)."""
        from engine.sandbox.auth import Key

        expires = time.time() + self.account.clock.offset_s + lifetime_s if lifetime_s else 0.0
        access_key, secret_key = "ASIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)
        if self._verifier is not None:
            self._verifier.keys[access_key] = Key(access_key, secret_key, token, expires)
        return access_key, secret_key, expires

    # --- a request comes in ---

    def take_head(self, connection: Connection, received: Received) -> bool:
        """Only the faults that strike before a body was read are asked for here."""
        try:
            request = _request(received, split_target(received.target, received.headers.get("host", "")), 0)
        except S3Error:
            return True
        if self._strike(request, before=True) is None:
            return True
        self.statistics.count(request.operation, "reset")
        connection.abort()
        return False

    def take(self, connection: Connection, received: Received) -> None:
        """Answer a request, now or when it has taken its time."""
        self._number += 1
        self.statistics.begin()
        request = Request("Unreadable", received.method, "", "", {}, received.headers, number=self._number)
        try:
            target = split_target(received.target, received.headers.get("host", ""))
            request = _request(received, target, self._number)
            chain = None
            if self._verifier is not None and not self._is_for_anybody(request):
                now = time.time() + self.account.clock.offset_s
                chain = self._verifier.check(request.method, target, request.headers, request.body, now)
            if request.body and is_framed(request.headers):
                headers, body = take_off_framing(request.headers, request.body, chain)
                request = request._replace(headers=headers, body=body)
        except S3Error as error:
            self._answer(connection, request, _refusal(error, request))
            return
        if self.witness is not None:
            self.witness.arrived(request.number)
        rule = None
        if self.schedule.rules:
            rule = self._strike(request, before=False)
            if rule is not None and rule.kind == Kind.RESET_UNSERVED:
                self.statistics.end(request.operation, "reset")
                connection.abort()
                return
        if not self._limit.is_none:
            about = request.key or request.query.get("prefix", "")
            if not self._limit.admit(request.bucket, about, request.method not in READS, time.monotonic()):
                self._answer(connection, request, _refusal(S3Error("SlowDown"), request))
                return
        if self._latency.is_none:
            self._carry_out(connection, request, rule)
        else:
            delay_s = self._latency.next_s(request.operation)
            asyncio.get_running_loop().call_later(delay_s, self._carry_out, connection, request, rule)

    def _is_for_anybody(self, request: Request) -> bool:
        """Whether an unsigned request is one that needs no signature."""
        bucket = self.account.buckets.get(request.bucket)
        asks = "authorization" not in request.headers and "X-Amz-Signature" not in request.query
        return asks and bucket is not None and bucket.is_public and request.operation in FOR_ANYBODY

    def _strike(self, request: Request, *, before: bool) -> FaultRule | None:
        elapsed_s = time.monotonic() - self._faults_since
        return self.schedule.strike(sabotage.subject_of(request), elapsed_s, before=before)

    # --- it is carried out ---

    def _carry_out(self, connection: Connection, request: Request, rule: FaultRule | None) -> None:
        reply = self._obey(request) if rule is None else sabotage.carry_out(rule, request, self.account, self._obey)
        if reply.moved_bytes and self.settings.bandwidth_mib_s:
            upload_id = request.query.get("uploadId", "")
            delay_s = self._bandwidth.delay_s(reply.moved_bytes, upload_id, time.monotonic())
            self._hold(connection, request, reply, rule, delay_s)
            return
        self._answer(connection, request, reply, rule)

    def _obey(self, request: Request) -> Reply:
        witness = self.witness
        if witness is None:
            return self._answered(request)
        witness.begin(request)
        reply = self._answered(request)
        witness.end(request, reply)
        return reply

    def _answered(self, request: Request) -> Reply:
        try:
            reply: Reply = handle(self.account, request)
        except S3Error as error:
            return _refusal(error, request)
        except Exception:  # a mistake in the rules is an answer too; whoever runs the sandbox reads the traceback
            traceback.print_exc()
            self.statistics.mistakes += 1
            return _refusal(S3Error("InternalError", "The sandbox itself failed; see its log."), request)
        if self.statistics.counts_writes:
            self.statistics.count_write(request)
        if request.operation in ("CompleteMultipartUpload", "AbortMultipartUpload"):
            self._bandwidth.forget(request.query.get("uploadId", ""))
        return reply

    def _hold(
        self, connection: Connection, request: Request, reply: Reply, rule: FaultRule | None, delay_s: float
    ) -> None:
        """Answer after the bytes have moved, with white space until then where that is asked for."""
        loop = asyncio.get_running_loop()
        every_s = self.settings.whitespace_s
        if not every_s or delay_s <= every_s or reply.status != 200 or rule is not None:
            loop.call_later(delay_s, self._answer, connection, request, reply, rule)
            return
        request_id = wording.request_id_of(request.number)
        tail = "Transfer-Encoding: chunked\r\n"
        now = self.account.clock.now()
        connection.write(wording.head_of(200, reply.headers, request_id, now, None, tail))
        body = bodies.read_all(reply.body)
        if not self.settings.whitespace_leads:
            declaration = DECLARATION.encode()
            connection.write(wording.chunk(declaration))
            body = body.removeprefix(declaration)
        ends_s = loop.time() + delay_s

        def go_on() -> None:
            left_s = ends_s - loop.time()
            if left_s > 0:
                connection.write(wording.chunk(b" "))
                loop.call_later(min(every_s, left_s), go_on)
                return
            self.statistics.end(request.operation, "200")
            connection.finish(wording.chunk(body) + wording.LAST_CHUNK)

        loop.call_later(every_s, go_on)

    # --- it is answered ---

    def _answer(self, connection: Connection, request: Request, reply: Reply, rule: FaultRule | None = None) -> None:
        status, headers, body, _ = reply
        self.statistics.end(request.operation, str(status))
        if not connection.is_open:
            return
        request_id = wording.request_id_of(request.number)
        now = self.account.clock.now()
        if rule is not None and sabotage.spoils_the_wire(rule):
            sabotage.spoil(connection, rule, request, reply, now, self.settings.seed)
            return
        tail = "" if connection.keeps_alive else "Connection: close\r\n"
        if request.method == "HEAD" or status in wording.BODILESS:
            if status >= 400:
                tail += "Transfer-Encoding: chunked\r\n"
            connection.finish(wording.head_of(status, headers, request_id, now, None, tail))
            return
        if isinstance(body, bytes):
            connection.finish(wording.head_of(status, headers, request_id, now, len(body), tail) + body)
            return
        connection.write(wording.head_of(status, headers, request_id, now, bodies.size_of(body), tail))
        connection.finish_with(bodies.read(body))


def _request(received: Received, target: Target, number: int) -> Request:
    method, _, headers, body, _ = received
    bucket, key, query, _, _ = target
    return Request(operation_of(method, bucket, key, query, headers), method, bucket, key, query, headers, body, number)


def _refusal(error: S3Error, request: Request) -> Reply:
    return wording.error_reply(error, wording.request_id_of(request.number))


class Door:
    """The listener of a front: on loopback and nowhere else. Port 0 chooses a free one, which then stays."""

    def __init__(self, front: Front, port: int, tls: ssl.SSLContext | None) -> None:
        self._front = front
        self.port = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._opening: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen; OSError where the port is taken."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._front), LOOPBACK, self.port, ssl=self._tls, backlog=4096
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Refuse who comes, and reset who is here."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._front.connections):
            connection.abort()

    def close_for(self, seconds: float) -> None:
        """Close, and open again after so long; another call counts anew."""
        self.close()
        if self._opening is not None:
            self._opening.cancel()
        for task in self._tasks:
            task.cancel()
        self._opening = asyncio.get_running_loop().call_later(seconds, self._open_again)

    def _open_again(self) -> None:
        task = asyncio.get_running_loop().create_task(self._open_when_free())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open_when_free(self) -> None:
        """The port may have gone to a connection of somebody else's meanwhile, which ends."""
        while self._server is None:
            try:
                await self.open()
            except OSError:
                await asyncio.sleep(AGAIN_S)
