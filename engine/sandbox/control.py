"""What the sandbox's parent may ask of it beside S3: scenes, counts, faults, time. A listener and a secret of its own.

Each command is a method of `Commands`, which takes its arguments by name and gives JSON, an empty object for nothing.
"""

from __future__ import annotations

import asyncio
import gc
import hmac
import json
import time
import traceback
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from itertools import takewhile
from typing import Any

from engine.sandbox import bodies
from engine.sandbox.connection import Connection, Received
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.faults import FaultRule, Kind
from engine.sandbox.judge import Side
from engine.sandbox.keeping import change
from engine.sandbox.properties import with_changes
from engine.sandbox.records import Bucket, StoredObject
from engine.sandbox.refusals import S3Error
from engine.sandbox.rules import handle, operation_of
from engine.sandbox.server import Front
from engine.sandbox.witness import Witness

SECRET_HEADER = "x-cartage-secret"
PATH = b"/_cartage/"


class Control:
    """The handler of the control listener."""

    body_limit = 64 << 20
    wants_heads = False

    def __init__(self, commands: Commands, secret: str) -> None:
        self._commands = commands
        self._secret = secret
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
        if name not in COMMANDS or received.method != "POST":
            return 404, {"error": f"no such command: {name}"}
        try:
            return 200, getattr(self._commands, name)(**json.loads(received.body or b"{}")) or {}
        except S3Error as error:
            return 400, {"error": str(error)}
        except Exception as error:  # goes to the caller, who raises it
            traceback.print_exc()
            return 500, {"error": f"{type(error).__name__}: {error}"}


class Commands:
    """`refuse` stops the S3 listener for a while; `quit_now` ends the process."""

    def __init__(self, front: Front, refuse: Callable[[float], None], quit_now: Callable[[], None]) -> None:
        self._front = front
        self._refuse = refuse
        self._quit = quit_now
        self._kept: dict[str, Bucket] = {}

    # --- scenes ---

    def reference(self, **scene: Any) -> Any:
        from engine.sandbox.reference import fill_reference  # most sandboxes are filled by their tests

        found = fill_reference(self._front.account, **scene)
        gc.freeze()  # what lives to the end need not be looked at again
        return found

    def fill(self, **scene: Any) -> Any:
        from engine.sandbox.reference import fill

        found = fill(self._front.account, **scene)
        gc.freeze()
        return found

    def bucket(self, name: str, alias_of: str = "", **settings: Any) -> None:
        """Make a bucket, or set what one is: versioning ("Enabled"), lifecycle and replication (XML), least_size (that
        rules move), legacy_checksums, ownership, region, is_public. With `alias_of` the name is a second one of that
        bucket."""
        account = self._front.account
        if alias_of:
            account.buckets[name] = account.buckets[alias_of]
            return
        held = account.buckets.get(name)
        if held is None:
            held = account.buckets[name] = Bucket(name, account.region, account.clock.now())
        for setting, value in settings.items():
            setattr(held, setting, value.encode() if setting in ("lifecycle", "replication") else value)

    def keep(self, bucket: str) -> None:
        """Remember what a bucket is and holds now."""
        self._kept[bucket] = deepcopy(self._front.account.buckets[bucket])

    def put_back(self, bucket: str) -> None:
        """Make a bucket what it was when it was kept, as often as asked."""
        self._front.account.buckets[bucket] = deepcopy(self._kept[bucket])

    def account(self, **settings: Any) -> None:
        """Set how long a restore from the archive takes (`restore_delay_s`; null: as long as S3 says), and whether
        there is room for expedited ones (`expedited_available`)."""
        for setting, value in settings.items():
            setattr(self._front.account, setting, value)

    def archive(self, bucket: str, key: str, status: str) -> None:
        """Move an object of INTELLIGENT_TIERING to the archive tier `status`, as months without a read would."""
        held, stored = self._held(bucket, key)
        attributes = with_changes(stored.attributes, archive_status=status, restored_until=0)
        change(held, key, stored, attributes=attributes)

    def put(
        self,
        bucket: str,
        key: str,
        text: str = "",
        base64: str = "",
        size: int | None = None,
        seed: int | None = None,
        headers: Mapping[str, str] = {},
    ) -> Any:
        """Write an object: `text`, `base64` or `size` virtual-looking bytes, with `headers`. Works on an existing one
        too: that is how a source changes behind a run's back."""
        body = b64decode(base64) if base64 else text.encode()
        if size is not None:
            body = bodies.read_all(bodies.Stream(self._front.account.next_number() if seed is None else seed, size))
        lines = {name.lower(): value for name, value in headers.items()} | {"content-length": str(len(body))}
        reply = self._carry_out(Request("PutObject", "PUT", bucket, key, {}, lines, body))
        return {"etag": dict(reply.headers).get("ETag", "").strip('"')}

    def delete(self, bucket: str, key: str) -> None:
        self._carry_out(Request("DeleteObject", "DELETE", bucket, key, {}, {}))

    def damage(self, bucket: str, key: str) -> None:
        """Give an object other bytes of the same length, and leave everything that S3 says about it as it was: what
        only reading the bytes can find."""
        _, stored = self._held(bucket, key)
        stored.content = bodies.Stream(-self._front.account.next_number(), stored.size)

    def ask(
        self,
        method: str,
        bucket: str = "",
        key: str = "",
        query: Mapping[str, str] = {},
        headers: Mapping[str, str] = {},
        text: str = "",
    ) -> Any:
        """Any request of S3, as somebody whom no signature binds."""
        lines = {name.lower(): value for name, value in headers.items()}
        operation = operation_of(method, bucket, key, query, lines)
        reply = self._carry_out(Request(operation, method, bucket, key, dict(query), lines, text.encode()))
        return {"status": reply.status, "headers": dict(reply.headers)}

    def _held(self, bucket: str, key: str) -> tuple[Bucket, StoredObject]:
        held = self._front.account.buckets[bucket]
        stored = held.objects.get(key)
        if stored is None:
            raise S3Error("NoSuchKey")
        return held, stored

    def _carry_out(self, request: Request) -> Reply:
        if self._front.witness is not None:
            self._front.witness.begin(request)
        return handle(self._front.account, request)

    # --- the judge ---

    def judge(self, routes: list[Any], machines: dict[str, str]) -> None:
        """Judge what happens from now on between the two sides of each of `routes`, [[[bucket, prefix], [bucket,
        prefix]]]; `machines` are names by access key. A judge that was there before is gone."""
        if self._front.witness is not None:
            self._front.witness.end_watch()
        sides = [(Side(*source), Side(*target)) for source, target in routes]
        self._front.witness = Witness(self._front.account, sides, machines)

    def claims(self, lines: list[dict[str, Any]]) -> None:
        """Tell the judge of `lines` that a ledger committed (`engine.sandbox.judge.Claim`)."""
        self._witness().claims(lines)

    def verdict(self) -> Any:
        """What the judge has found, and what was judged."""
        return self._witness().verdict()

    def _witness(self) -> Witness:
        if self._front.witness is None:
            raise S3Error("InvalidRequest", "Nothing is judged")
        return self._front.witness

    # --- what there is ---

    def dump(self, bucket: str, prefix: str = "", contents: bool = False) -> Any:
        """Keys with ETag and size under a prefix, in order; with `contents` also the MD5 of what they really hold."""
        found = []
        for key, stored in self._under(bucket, prefix):
            line: list[Any] = [key, stored.etag, stored.size]
            if contents and stored.content is not None:
                line.append(bodies.md5_of(stored.content))
            found.append(line)
        return {"objects": found}

    def count(self, bucket: str, prefix: str = "") -> Any:
        """How many objects lie under a prefix."""
        return {"objects": sum(1 for _ in self._under(bucket, prefix))}

    def _under(self, bucket: str, prefix: str) -> Iterator[tuple[str, StoredObject]]:
        objects = self._front.account.buckets[bucket].objects
        keys = takewhile(lambda key: key.startswith(prefix), objects.from_key(prefix, inclusive=True))
        return ((key, stored) for key in keys if (stored := objects.get(key)) is not None)

    def uploads(self, bucket: str = "") -> Any:
        """Uploads under way, in every bucket or in one."""
        return {
            "uploads": [
                {"bucket": held.name, "key": upload.key, "id": upload.upload_id, "parts": sorted(upload.parts)}
                for held in self._front.account.buckets.values()
                if bucket in ("", held.name)
                for upload in held.uploads.values()
            ]
        }

    def stats(self) -> Any:
        front = self._front
        return front.statistics.as_json() | {"connections": len(front.connections), "faults": front.schedule.totals()}

    def writes(self, bucket: str = "") -> Any:
        """Keys written more than once (the setting count_writes); of one bucket where one is named."""
        begins = f"{bucket}/" if bucket else ""
        repeated = self._front.statistics.repeated_writes()
        return {"repeated": {name: count for name, count in repeated.items() if name.startswith(begins)}}

    def fault_log(self) -> Any:
        return {"log": self._front.schedule.log}

    def reset_stats(self) -> None:
        self._front.statistics.reset()

    # --- manners, faults, time ---

    def settings(self, **changed: Any) -> Any:
        """Change settings from now on; the counts of faults begin anew."""
        self._front.apply(self._front.settings.changed(changed))
        return self._front.settings.as_json() | {"secret_key": ""}

    def storm(
        self, seconds: float, probability: float = 0.9, operation: str = "*", kind: str = Kind.STATUS_503
    ) -> None:
        """SlowDown for `seconds` from now, with `probability`; the rules there were stay, and begin anew."""
        front = self._front
        rule = FaultRule(kind=kind, operation=operation, probability=probability, to_s=seconds)
        front.apply(replace(front.settings, faults=(rule, *front.settings.faults)))

    def refuse_connections(self, seconds: float) -> None:
        """Close the listener and every connection; listen again after `seconds`."""
        self._refuse(float(seconds))

    def advance_clock(self, seconds: float) -> Any:
        front = self._front
        offset_s = front.settings.clock_offset_s + seconds
        front.settings = replace(front.settings, clock_offset_s=offset_s)
        front.account.clock.offset_s = offset_s
        return {"now": time.time() + offset_s}

    def credentials(self, token: str = "", lifetime_s: float = 0) -> Any:
        """A further key: with `token` and `lifetime_s` a temporary one."""
        access_key, secret_key, expires = self._front.add_key(float(lifetime_s), token)
        return {"access_key": access_key, "secret_key": secret_key, "session_token": token, "expires": expires}

    def quit(self) -> None:
        asyncio.get_running_loop().call_soon(self._quit)


COMMANDS = tuple(name for name in vars(Commands) if not name.startswith("_"))
