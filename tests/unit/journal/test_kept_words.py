"""What a journal says holds for as long as there is a ledger that was kept by it: by these words alone it is read."""

from __future__ import annotations

import inspect
import typing
import zlib
from typing import Any

import msgspec
import pytest

from engine.journal.segments import FORMAT, READ, decoded
from engine.ledger.commands import COMMANDS, Command

COMMANDS_TAKE = {
    "decide": "route decisions:[Decision] at_ms",
    "conclude": "route outcomes:[Outcome] at_ms",
    "forget": "route keys",
    "let_go": "route keys",
    "bind": "text",
    "learn": "text",
    "bind_list": "route digest reopen",
    "open_snapshot": "route at_ms",
    "close_snapshot": "route objects size_bytes at_ms",
    "intend_upload": "route upload:UploadRecord",
    "set_upload_id": "route key upload_id",
    "record_parts": "route key parts:[UploadedPart]",
    "finish_upload": "route key how at_ms",
    "accept": "name found because at_ms",
    "accept_by": "name found because at_ms by",
    "take_back": "name",
    "set_note": "key text at_ms",
    "keep": "kind name etag body at_ms",
    "forget_kept": "kind name",
    "begin_run": "command at_ms",
    "add_moment": "run moment:Moment slow:[SlowObject]",
    "end_run": "run ended at_ms",
    "add_shards": "shards",
    "hand_over": "number kept:[Piece] rest",
    "open_shard": "number",
    "record_shard": "number closing:Closing at_ms still_open",
}
ROWS_HAVE = {
    "Decision": "key size source_etag source_modified storage_class source_checksum state "
    "held target_etag found proof compared code message properties",
    "Outcome": "key state target_etag checksum proof compared method requests code message xxh3 properties",
    "UploadRecord": "route key bucket target_key upload_id "
    "source_etag source_size layout checksum_algorithm intent_ms server_ms",
    "UploadedPart": "number etag size checksums encryption",
    "Moment": "at_ms listed done done_bytes aside requests throttled in_flight",
    "SlowObject": "route key size took_ms",
    "Piece": "route after upto",
    "Closing": "tallies noted uploads listings",
}


def test_no_command_takes_anything_else_than_it_always_took() -> None:
    """A new need is a new command: a journal has the arguments alone, in their order. What is new is added here, and to
    `segments.FORMAT`; nothing here is changed."""
    rows = dict[str, str]()

    def called(hint: Any) -> str:
        within = typing.get_args(hint)
        row = within[0] if within else hint
        if not hasattr(row, "_fields"):
            return ""
        rows[row.__name__] = " ".join(row._fields)
        return f":[{row.__name__}]" if within else f":{row.__name__}"

    taken = {}
    for name, function in COMMANDS.items():
        hints = typing.get_type_hints(function)
        parameters = [item for item in inspect.signature(function).parameters if item != "connection"]
        taken[name] = " ".join(item + called(hints[item]) for item in parameters)
    assert taken == COMMANDS_TAKE
    assert rows == ROWS_HAVE


@pytest.mark.parametrize("written_as", READ)
def test_what_an_older_cartage_accepted_is_read(written_as: int) -> None:
    accepted: list[object] = ["raw.objects", "3", "because", 5]
    changes = [("accept", accepted), ("set_note", ["accepted by raw.objects 3", '"alice"', 5])]
    body = zlib.compress(msgspec.msgpack.encode([written_as, 1, "nonce", changes, "by"]))
    assert decoded(body).commands == tuple(Command(name, tuple(arguments)) for name, arguments in changes)
    assert max(READ) == FORMAT
