"""What the join needs of a ledger's rows, each with what is known of an object that was at its key before."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from engine.ledger.schema import DIFFERING
from engine.model import Proof
from engine.plan.lifecycle import State
from engine.plan.record import AGREE, NOT_KEPT, TAKEN_BACK, Entry

OF_ROUTE = "route = (SELECT id FROM routes WHERE name = ?)"

STATES = {state.value: state for state in State}
PROOFS = {int(proof): proof for proof in Proof}

_COLUMNS = ("key", "size", "source_etag", "state", "held", "target_etag", "proof", "found", "source_modified")
_MENDED = f"{DIFFERING} AND substr(properties, 1, {len(NOT_KEPT)}) <> '{NOT_KEPT}'"
_ENTRY = f"SELECT {', '.join(_COLUMNS)}, {_MENDED}, damaged, code = '{TAKEN_BACK}' FROM objects"


def read(connection: sqlite3.Connection, route: str, where: str, parameters: tuple[Any, ...]) -> list[Entry]:
    """The rows of one route that `where` tells, in the order of their keys."""
    found = list(map(_entry, connection.execute(f"{_ENTRY} WHERE {where}", parameters)))
    if not found:
        return found
    former = _former(connection, route, found[0].key, found[-1].key)
    return [item._replace(former=former.get(item.key)) for item in found] if former else found


def _former(connection: sqlite3.Connection, route: str, first: str, last: str) -> dict[str, Entry]:
    """What was known before of these keys, where another object is there that is not in place."""
    sql = f"SELECT key, row FROM former WHERE {OF_ROUTE} AND key BETWEEN ? AND ?"
    found = {}
    for key, text in connection.execute(sql, (route, first, last)):
        row = json.loads(text)
        differs = row["properties"] not in ("", AGREE) and not row["properties"].startswith(NOT_KEPT)
        found[key] = _entry((*(row[name] for name in _COLUMNS), differs, row["damaged"], False))
    return found


def _entry(row: tuple[Any, ...]) -> Entry:
    key, size, source_etag, state, held, target_etag, proof, found, modified, differs, damaged, taken = row
    return Entry(
        key,
        size,
        source_etag,
        STATES[state],
        held,
        target_etag,
        PROOFS[proof],
        found == 1,
        modified,
        differs == 1,
        damaged,
        taken_back=taken == 1,
    )
