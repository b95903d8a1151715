"""What the sandbox's parent may ask of it beside S3: scenes, counts, faults, time. A listener and a secret of its own.

Each command is a function of its arguments (JSON) that gives JSON; `COMMANDS` names them.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import hmac
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from engine.sandbox import bodies
from engine.sandbox.connection import Connection, Received
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.faults import FaultRule, Kind
from engine.sandbox.judge import Side
from engine.sandbox.keeping import change
from engine.sandbox.properties import with_changes
from engine.sandbox.records import Bucket
from engine.sandbox.refusals import S3Error
from engine.sandbox.routing import operation_of
from engine.sandbox.rules import handle
from engine.sandbox.server import Front
from engine.sandbox.witness import Witness

SECRET_HEADER = "x-cartage-secret"
PATH = b"/_cartage/"

Arguments = dict[str, Any]


class Control:
    """The handler of the control listener. `refuse` stops the S3 listener for a while; `quit` ends the process."""

    body_limit = 64 << 20
    wants_heads = False

    def __init__(
        self, front: Front, secret: str, refuse: Callable[[float], None], quit_now: Callable[[], None]
    ) -> None:
        self._front = front
        self._secret = secret
        self._refuse = refuse
        self._quit = quit_now
        self.connections: set[Connection] = set()

    def take_head(self, connection: Connection, received: Received) -> bool:
        return True

    def take(self, connection: Connection, received: Received) -> None:
        status, body = self._answer(received)
        text = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        connection.finish(head.encode() + text)

    def _answer(self, received: Received) -> tuple[int, Any]:
        if not hmac.compare_digest(received.headers.get(SECRET_HEADER, "").encode(), self._secret.encode()):
            return 403, {"error": "not for you"}
        name = received.target.removeprefix(PATH).decode("ascii", "replace")
        command = COMMANDS.get(name)
        if command is None or received.method != "POST":
            return 404, {"error": f"no such command: {name}"}
        try:
            return 200, command(self, json.loads(received.body or b"{}"))
        except S3Error as error:
            return 400, {"error": str(error)}
        except Exception as error:  # goes to the caller, who raises it
            traceback.print_exc()
            return 500, {"error": f"{type(error).__name__}: {error}"}

    # --- scenes ---

    def reference(self, arguments: Arguments) -> Any:
        from engine.sandbox.reference import fill_reference  # most sandboxes are filled by their tests

        found = fill_reference(self._front.account, **arguments)
        gc.freeze()  # what lives to the end need not be looked at again
        return found

    def fill(self, arguments: Arguments) -> Any:
        from engine.sandbox.reference import fill

        found = fill(self._front.account, **arguments)
        gc.freeze()
        return found or {}

    def bucket(self, arguments: Arguments) -> Any:
        """Make a bucket, or set what one is: versioning ("Enabled"), lifecycle and replication (XML), least_size (that
        rules move), legacy_checksums, ownership. With `alias_of` the name is a second one of that bucket."""
        account = self._front.account
        name = arguments["name"]
        if "alias_of" in arguments:
            account.buckets[name] = account.buckets[arguments["alias_of"]]
            return {}
        held = account.buckets.get(name)
        if held is None:
            held = account.buckets[name] = Bucket(name, account.region, account.clock.now())
        for setting in ("versioning", "legacy_checksums", "least_size", "ownership", "region"):
            if setting in arguments:
                setattr(held, setting, arguments[setting])
        for document in ("lifecycle", "replication"):
            if document in arguments:
                setattr(held, document, arguments[document].encode())
        return {}

    def account(self, arguments: Arguments) -> Any:
        """Set how long a restore from the archive takes (`restore_delay_s`; null: as long as S3 says), and whether
        there is room for expedited ones (`expedited_available`)."""
        account = self._front.account
        if "restore_delay_s" in arguments:
            account.restore_delay_s = arguments["restore_delay_s"]
        account.expedited_available = arguments.get("expedited_available", account.expedited_available)
        return {}

    def archive(self, arguments: Arguments) -> Any:
        """Move an object of INTELLIGENT_TIERING to the archive tier `status`, as months without a read would."""
        bucket = self._front.account.buckets[arguments["bucket"]]
        stored = bucket.objects.get(arguments["key"])
        if stored is None:
            raise S3Error("NoSuchKey")
        attributes = with_changes(stored.attributes, archive_status=arguments["status"], restored_until=0)
        change(bucket, arguments["key"], stored, attributes=attributes)
        return {}

    def put(self, arguments: Arguments) -> Any:
        """Write an object: `text`, `base64` or `size` virtual-looking bytes, with `headers`. Works on an existing one
        too: that is how a source changes behind a run's back."""
        if "base64" in arguments:
            body = base64.b64decode(arguments["base64"])
        elif "text" in arguments:
            body = arguments["text"].encode()
        else:
            seed = arguments.get("seed", self._front.account.next_number())
            body = bodies.read_all(bodies.Stream(seed, arguments["size"]))
        headers = {name.lower(): value for name, value in arguments.get("headers", {}).items()}
        headers["content-length"] = str(len(body))
        reply = self._obey("PutObject", "PUT", arguments["bucket"], arguments["key"], headers, body)
        return {"etag": dict(reply.headers).get("ETag", "").strip('"')}

    def delete(self, arguments: Arguments) -> Any:
        self._obey("DeleteObject", "DELETE", arguments["bucket"], arguments["key"], {}, b"")
        return {}

    def damage(self, arguments: Arguments) -> Any:
        """Give an object other bytes of the same length, and leave everything that S3 says about it as it was: what
        only reading the bytes can find."""
        stored = self._front.account.buckets[arguments["bucket"]].objects.get(arguments["key"])
        if stored is None:
            raise S3Error("NoSuchKey")
        stored.content = bodies.Stream(-self._front.account.next_number(), stored.size)
        return {}

    def ask(self, arguments: Arguments) -> Any:
        """Any request of S3, as somebody whom no signature binds: `method`, `bucket`, `key`, `query`, `headers`,
        `text`."""
        method, bucket, key, query = (arguments.get(name, "") for name in ("method", "bucket", "key", "query"))
        headers = {name.lower(): value for name, value in arguments.get("headers", {}).items()}
        body = arguments.get("text", "").encode()
        operation = operation_of(method, bucket, key, query or {}, headers)
        reply = self._carry_out(Request(operation, method, bucket, key, query or {}, headers, body))
        return {"status": reply.status, "headers": dict(reply.headers)}

    def _obey(self, operation: str, method: str, bucket: str, key: str, headers: dict[str, str], body: bytes) -> Any:
        return self._carry_out(Request(operation, method, bucket, key, {}, headers, body))

    def _carry_out(self, request: Request) -> Reply:
        if self._front.witness is not None:
            self._front.witness.begin(request)
        return handle(self._front.account, request)

    # --- the judge ---

    def judge(self, arguments: Arguments) -> Any:
        """Judge what happens from now on between the two sides of each of `routes`, [[[bucket, prefix], [bucket,
        prefix]]]; `machines` are names by access key. A judge that was there before is gone."""
        if self._front.witness is not None:
            self._front.witness.end_watch()
        routes = [(Side(*source), Side(*target)) for source, target in arguments["routes"]]
        self._front.witness = Witness(self._front.account, routes, arguments["machines"])
        return {}

    def claims(self, arguments: Arguments) -> Any:
        """Tell the judge of `lines` that a ledger committed (`engine.sandbox.judge.Claim`)."""
        self._witness().claims(arguments["lines"])
        return {}

    def verdict(self, arguments: Arguments) -> Any:
        """What the judge has found, and what was judged."""
        return self._witness().verdict()

    def _witness(self) -> Witness:
        if self._front.witness is None:
            raise S3Error("InvalidRequest", "Nothing is judged")
        return self._front.witness

    # --- what there is ---

    def dump(self, arguments: Arguments) -> Any:
        """Keys with ETag and size under a prefix, in order; with `contents` also the MD5 of what they really hold."""
        objects = self._front.account.buckets[arguments["bucket"]].objects
        prefix = arguments.get("prefix", "")
        found = []
        for key in objects.from_key(prefix, inclusive=True):
            if not key.startswith(prefix):
                break
            stored = objects.get(key)
            if stored is not None:
                line: list[Any] = [key, stored.etag, stored.size]
                if arguments.get("contents") and stored.content is not None:
                    line.append(bodies.md5_of(stored.content))
                found.append(line)
        return {"objects": found}

    def count(self, arguments: Arguments) -> Any:
        """How many objects lie under a prefix."""
        objects = self._front.account.buckets[arguments["bucket"]].objects
        prefix = arguments.get("prefix", "")
        found = 0
        for key in objects.from_key(prefix, inclusive=True):
            if not key.startswith(prefix):
                break
            found += 1
        return {"objects": found}

    def uploads(self, arguments: Arguments) -> Any:
        """Uploads under way, in every bucket or in one."""
        return {
            "uploads": [
                {"bucket": bucket.name, "key": upload.key, "id": upload.upload_id, "parts": sorted(upload.parts)}
                for bucket in self._front.account.buckets.values()
                if arguments.get("bucket", bucket.name) == bucket.name
                for upload in bucket.uploads.values()
            ]
        }

    def stats(self, arguments: Arguments) -> Any:
        front = self._front
        return front.statistics.as_json() | {"connections": len(front.connections), "faults": front.schedule.totals()}

    def writes(self, arguments: Arguments) -> Any:
        """Keys written more than once (the setting count_writes); of one bucket where one is named."""
        begins = f"{arguments['bucket']}/" if "bucket" in arguments else ""
        repeated = self._front.statistics.repeated_writes()
        return {"repeated": {name: count for name, count in repeated.items() if name.startswith(begins)}}

    def fault_log(self, arguments: Arguments) -> Any:
        return {"log": self._front.schedule.log}

    def reset_stats(self, arguments: Arguments) -> Any:
        self._front.statistics.reset()
        return {}

    # --- manners, faults, time ---

    def settings(self, arguments: Arguments) -> Any:
        """Change settings from now on; the counts of faults begin anew."""
        self._front.apply(self._front.settings.changed(arguments))
        return self._front.settings.as_json() | {"secret_key": ""}

    def storm(self, arguments: Arguments) -> Any:
        """SlowDown for `seconds` from now, with `probability`; the rules there were stay, and begin anew."""
        front = self._front
        rule = FaultRule(
            kind=arguments.get("kind", Kind.STATUS_503),
            operation=arguments.get("operation", "*"),
            probability=arguments.get("probability", 0.9),
            to_s=arguments["seconds"],
        )
        front.apply(replace(front.settings, faults=(rule, *front.settings.faults)))
        return {}

    def refuse_connections(self, arguments: Arguments) -> Any:
        """Close the listener and every connection; listen again after `seconds`."""
        self._refuse(float(arguments["seconds"]))
        return {}

    def advance_clock(self, arguments: Arguments) -> Any:
        front = self._front
        offset_s = front.settings.clock_offset_s + arguments["seconds"]
        front.settings = replace(front.settings, clock_offset_s=offset_s)
        front.account.clock.offset_s = offset_s
        return {"now": time.time() + offset_s}

    def credentials(self, arguments: Arguments) -> Any:
        """A further key: with `token` and `lifetime_s` a temporary one."""
        token = arguments.get("token", "")
        access_key, secret_key, expires = self._front.add_key(float(arguments.get("lifetime_s", 0)), token)
        return {"access_key": access_key, "secret_key": secret_key, "session_token": token, "expires": expires}

    def quit(self, arguments: Arguments) -> Any:
        asyncio.get_running_loop().call_soon(self._quit)
        return {}


COMMANDS: dict[str, Callable[[Control, Arguments], Any]] = {
    function.__name__: function
    for function in (
        Control.reference,
        Control.fill,
        Control.bucket,
        Control.account,
        Control.archive,
        Control.put,
        Control.delete,
        Control.damage,
        Control.ask,
        Control.judge,
        Control.claims,
        Control.verdict,
        Control.dump,
        Control.count,
        Control.uploads,
        Control.stats,
        Control.writes,
        Control.fault_log,
        Control.reset_stats,
        Control.settings,
        Control.storm,
        Control.refuse_connections,
        Control.advance_clock,
        Control.credentials,
        Control.quit,
    )
}
