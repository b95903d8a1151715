"""The ledger's tables and their migrations. A migration commits together with its own record.

`docs/ledger.md` describes every table and column for people who query the file; a test holds it to this.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from engine.errors import LedgerCorrupt

APPLICATION_ID = 0x43415254  # "CART"
DELETION_ID = 0x43415244  # "CARD": of a list of what is to be deleted

DIFFERING = "properties NOT IN ('', 'agree')"
"""An object of which something is recorded that its properties should not be. As in the index, word for word."""

UNDONE = "(state NOT IN ('planned', 'copied') AND state NOT IN ('verified', 'deleted'))"
"""An object that is neither on its usual way nor at its end. As in the index, word for word. In pairs, which SQLite
compares one by one; of four it makes a table, for each statement anew (a microsecond for each row that changes)."""

_DAMAGED = "CASE WHEN code IN ('TargetMissing', 'TargetChanged') THEN '' ELSE target_etag END"

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT",
        """CREATE TABLE routes (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, source TEXT NOT NULL, target TEXT NOT NULL,
            digest TEXT NOT NULL,
            opened_ms INTEGER NOT NULL DEFAULT 0, closed_ms INTEGER NOT NULL DEFAULT 0,
            objects INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0) STRICT""",
        """CREATE TABLE objects (
            route INTEGER NOT NULL REFERENCES routes (id), key TEXT NOT NULL,
            size INTEGER NOT NULL, source_etag TEXT NOT NULL, source_modified TEXT NOT NULL,
            storage_class TEXT NOT NULL, source_checksum TEXT NOT NULL,
            state TEXT NOT NULL, held TEXT NOT NULL, target_etag TEXT NOT NULL, checksum TEXT NOT NULL,
            proof INTEGER NOT NULL, compared TEXT NOT NULL, found INTEGER NOT NULL, method TEXT NOT NULL,
            attempts INTEGER NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,
            decided_ms INTEGER NOT NULL, copied_ms INTEGER NOT NULL,
            size_ms INTEGER NOT NULL, digest_ms INTEGER NOT NULL, bytes_ms INTEGER NOT NULL, xxh3 TEXT NOT NULL,
            PRIMARY KEY (route, key)) WITHOUT ROWID, STRICT""",
        """CREATE TABLE tallies (
            route INTEGER NOT NULL, state TEXT NOT NULL, proof INTEGER NOT NULL, found INTEGER NOT NULL,
            objects INTEGER NOT NULL, bytes INTEGER NOT NULL,
            PRIMARY KEY (route, state, proof, found)) WITHOUT ROWID, STRICT""",
        """CREATE TABLE uploads (
            id INTEGER PRIMARY KEY, route INTEGER NOT NULL REFERENCES routes (id), key TEXT NOT NULL,
            bucket TEXT NOT NULL, target_key TEXT NOT NULL, upload_id TEXT NOT NULL,
            source_etag TEXT NOT NULL, source_size INTEGER NOT NULL, layout TEXT NOT NULL,
            checksum_algorithm TEXT NOT NULL, intent_ms INTEGER NOT NULL, ended TEXT NOT NULL DEFAULT '',
            ended_ms INTEGER NOT NULL DEFAULT 0) STRICT""",
        "CREATE UNIQUE INDEX uploads_open ON uploads (route, key) WHERE ended = ''",
        """CREATE TABLE parts (
            upload INTEGER NOT NULL REFERENCES uploads (id), number INTEGER NOT NULL, etag TEXT NOT NULL,
            size INTEGER NOT NULL, PRIMARY KEY (upload, number)) WITHOUT ROWID, STRICT""",
        """CREATE TABLE acceptances (
            name TEXT NOT NULL, found TEXT NOT NULL, because TEXT NOT NULL, accepted_ms INTEGER NOT NULL,
            PRIMARY KEY (name, found)) WITHOUT ROWID, STRICT""",
        """CREATE TABLE notes (
            key TEXT PRIMARY KEY, value TEXT NOT NULL, noted_ms INTEGER NOT NULL) WITHOUT ROWID, STRICT""",
        """CREATE TABLE keeps (
            id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, etag TEXT NOT NULL, body BLOB NOT NULL,
            written_etag TEXT NOT NULL DEFAULT '', kept_ms INTEGER NOT NULL) STRICT""",
    ),
    # What `verify --properties` found of each object: "" never looked at, "agree", or the differences.
    ("ALTER TABLE objects ADD COLUMN properties TEXT NOT NULL DEFAULT ''",),
    # When an upload was about to be created, by the server's clock: 0 where that is not known.
    ("ALTER TABLE uploads ADD COLUMN server_ms INTEGER NOT NULL DEFAULT 0",),
    # Few objects carry other properties than they should, and status, gate and receipt ask which.
    (f"CREATE INDEX objects_differing ON objects (route, key) WHERE {DIFFERING}",),
    (
        # The index of a plan that is carried in shards: which shard has which keys, and what became of it. Its rows are
        # in ledgers of their own, each whole in itself.
        """CREATE TABLE shards (
            number INTEGER PRIMARY KEY, parent INTEGER NOT NULL, is_open INTEGER NOT NULL, uploads INTEGER NOT NULL,
            noted TEXT NOT NULL, recorded_ms INTEGER NOT NULL) STRICT""",
        """CREATE TABLE pieces (
            shard INTEGER NOT NULL REFERENCES shards (number), route INTEGER NOT NULL REFERENCES routes (id),
            after TEXT, upto TEXT) STRICT""",
        """CREATE TABLE shard_listings (
            shard INTEGER NOT NULL REFERENCES shards (number), route INTEGER NOT NULL REFERENCES routes (id),
            opened_ms INTEGER NOT NULL, objects INTEGER NOT NULL, bytes INTEGER NOT NULL,
            PRIMARY KEY (shard, route)) WITHOUT ROWID, STRICT""",
        """CREATE TABLE shard_tallies (
            shard INTEGER NOT NULL REFERENCES shards (number), route INTEGER NOT NULL REFERENCES routes (id),
            state TEXT NOT NULL, proof INTEGER NOT NULL, found INTEGER NOT NULL, objects INTEGER NOT NULL,
            bytes INTEGER NOT NULL, PRIMARY KEY (shard, route, state, proof, found)) WITHOUT ROWID, STRICT""",
    ),
    # What is not done is little beside what is, and is asked for by itself: `status --failed`, deletes left open.
    (
        """CREATE INDEX objects_undone ON objects (route, key)
            WHERE state NOT IN ('planned', 'copied', 'verified', 'deleted')""",
    ),
    # How the runs went: engine/ledger/history.py keeps it bounded.
    (
        """CREATE TABLE runs (
            id INTEGER PRIMARY KEY, command TEXT NOT NULL, began_ms INTEGER NOT NULL,
            ended_ms INTEGER NOT NULL DEFAULT 0, ended TEXT NOT NULL DEFAULT '') STRICT""",
        """CREATE TABLE moments (
            run INTEGER NOT NULL REFERENCES runs (id), at_ms INTEGER NOT NULL, listed INTEGER NOT NULL,
            done INTEGER NOT NULL, done_bytes INTEGER NOT NULL, aside INTEGER NOT NULL, requests INTEGER NOT NULL,
            throttled INTEGER NOT NULL, in_flight INTEGER NOT NULL, PRIMARY KEY (run, at_ms)) WITHOUT ROWID, STRICT""",
        """CREATE TABLE slowest (
            route INTEGER NOT NULL REFERENCES routes (id), key TEXT NOT NULL, size INTEGER NOT NULL,
            took_ms INTEGER NOT NULL, PRIMARY KEY (route, key)) WITHOUT ROWID, STRICT""",
    ),
    ("DROP INDEX objects_undone", f"CREATE INDEX objects_open ON objects (route, key) WHERE {UNDONE}"),
    # What was found damaged was known by the state alone, or by a copy that was decided over the source's own ETag.
    (
        "ALTER TABLE objects ADD COLUMN damaged TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE objects ADD COLUMN overwritten TEXT NOT NULL DEFAULT ''",
        f"""UPDATE objects SET overwritten = held, damaged = CASE
            WHEN state = 'damaged' THEN {_DAMAGED} WHEN state = 'lost' AND proof = 0 THEN target_etag
            WHEN state NOT IN ('copied', 'verified', 'deleting', 'deleted', 'withdrawn', 'lost') AND found = 0
                AND properties IN ('', 'agree') AND held = source_etag THEN held
            ELSE '' END
            WHERE held <> '' OR state IN ('damaged', 'lost')""",
    ),
    # What was known of an object whose source is gone, once another one is at its key.
    (
        """CREATE TABLE former (
            route INTEGER NOT NULL REFERENCES routes (id), key TEXT NOT NULL, row TEXT NOT NULL,
            PRIMARY KEY (route, key)) WITHOUT ROWID, STRICT""",
    ),
)

_ADDED_LATER = f"CASE state WHEN 'damaged' THEN {_DAMAGED} ELSE '' END AS damaged, held AS overwritten"

OLDER_VIEWS: dict[int, str] = {
    1: f"CREATE TEMP VIEW objects AS SELECT *, '' AS properties, {_ADDED_LATER} FROM main.objects",
    2: "CREATE TEMP VIEW uploads AS SELECT *, 0 AS server_ms FROM main.uploads",
    3: "SELECT 1",
    4: "SELECT 1",
    5: "SELECT 1",
    6: """
    CREATE TEMP VIEW runs AS SELECT 0 AS id, '' AS command, 0 AS began_ms, 0 AS ended_ms, '' AS ended LIMIT 0;
    CREATE TEMP VIEW moments AS SELECT 0 AS run, 0 AS at_ms, 0 AS listed, 0 AS done, 0 AS done_bytes, 0 AS aside,
        0 AS requests, 0 AS throttled, 0 AS in_flight LIMIT 0;
    CREATE TEMP VIEW slowest AS SELECT 0 AS route, '' AS key, 0 AS size, 0 AS took_ms LIMIT 0;
    """,
    7: "SELECT 1",
    8: f"CREATE TEMP VIEW IF NOT EXISTS objects AS SELECT *, {_ADDED_LATER} FROM main.objects",
    9: "CREATE TEMP VIEW former AS SELECT 0 AS route, '' AS key, '' AS row LIMIT 0",
}
"""How a reader, which may not migrate, sees the tables of an older format as those of the newest."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an open file to the newest schema, each step in one transaction with its own record (`user_version`).

    Raises ValueError for a file that is not a ledger. One of a newer format stays as it is (`refuse_newer`)."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application != 0 or version != 0 or tables:
            raise ValueError("it is a database, and not a ledger of Cartage")
    for number in range(version, len(MIGRATIONS)):
        connection.execute("BEGIN IMMEDIATE")
        for statement in MIGRATIONS[number]:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute("COMMIT")


def refuse_newer(path: Path, version: int) -> None:
    """Raise `LedgerCorrupt` for a ledger of a format that is not known here."""
    if version > len(MIGRATIONS):
        raise LedgerCorrupt(
            f"{path} cannot be read: it was written by a newer Cartage (format {version}, this one knows "
            f"{len(MIGRATIONS)}).",
            advice="Read it with the Cartage that wrote it, or a newer one.",
        )
