"""Changes of a ledger as bytes, and back: what one object of a journal holds. Pure.

A segment has who wrote it (`epoch`, `nonce`) and the changes, in order. Rows are written by columns, since the values
of one column are alike, and compressed.
"""

from __future__ import annotations

import inspect
import typing
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec

from engine.ledger.commands import COMMANDS, Command

FORMAT = 5
READ = (1, 2, 3, 4, FORMAT)
"""The older ones are read as they are. What is written now would be replayed otherwise by who knows those alone: who
accepts a difference is one change with that since 5; what was known of a deleted source holds again where its newcomer
is forgotten since 4; what an index is bound to is a change since 3, and a claim says whose it is; a row that was found
damaged could become lost only since 2."""
LEVEL = 1  # zlib's: higher ones cost more than they save (6: a tenth fewer bytes at four times the processor time)


class Segment(NamedTuple):
    """What was appended at once. A segment without changes is a claim: from it on only its epoch may append. `by` says
    who claimed."""

    epoch: int
    nonce: str
    commands: tuple[Command, ...] = ()
    by: str = ""

    @property
    def name(self) -> str:
        """What no other segment is called, of this journal or of another."""
        return f"{self.epoch} {self.nonce}"


def encoded(segment: Segment) -> bytes:
    """A segment as an object's body."""
    changes = [[item.name, [_written(value) for value in item.arguments]] for item in segment.commands]
    plain = msgspec.msgpack.encode([FORMAT, segment.epoch, segment.nonce, changes, segment.by], enc_hook=_plain)
    return zlib.compress(plain, LEVEL)


def _plain(value: Any) -> str:
    """A text of a class of its own, which msgspec does not know (`OpaqueEtag`), as a ledger keeps it: as a text."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} is nothing that a change is made of")


def decoded(body: bytes) -> Segment:
    """Raises ValueError for anything that `encoded` never gave."""
    try:
        stream = zlib.decompressobj()
        plain = stream.decompress(body)
        if not stream.eof or stream.unused_data:
            raise ValueError("not a segment: it is cut short, or longer than it was")
        found, epoch, nonce, changes, *by = msgspec.msgpack.decode(plain)
        if found not in READ:
            raise ValueError(f"it has format {found}, and this Cartage knows {FORMAT}")
        commands = tuple(
            Command(name, tuple(read(value) for read, value in zip(_readers(name), arguments, strict=True)))
            for name, arguments in changes
        )
        return Segment(int(epoch), str(nonce), commands, *map(str, by))
    except (zlib.error, msgspec.MsgspecError, KeyError, TypeError) as error:
        raise ValueError(f"not a segment: {error}") from error


def _written(value: Any) -> Any:
    """Rows by columns; anything else as it is."""
    if isinstance(value, Sequence) and len(value) > 1 and isinstance(value[0], tuple) and hasattr(value[0], "_fields"):
        return {"columns": list(zip(*value, strict=True))}
    return value


@cache
def _readers(name: str) -> tuple[Callable[[Any], Any], ...]:
    """What makes each argument of a command from what was written, by the command's own annotations."""
    function = COMMANDS[name]
    hints = typing.get_type_hints(function)
    names = [item for item in inspect.signature(function).parameters if item != "connection"]
    return tuple(_reader(hints[item]) for item in names)


def _reader(kind: Any) -> Callable[[Any], Any]:
    if typing.get_origin(kind) is list and hasattr(typing.get_args(kind)[0], "_fields"):
        return _row_reader(typing.get_args(kind)[0], kind)
    return lambda value: msgspec.convert(value, kind)


def _row_reader(row: Any, kind: Any) -> Callable[[Any], Any]:
    """Rows from their columns: each column is converted as a whole."""
    hints = typing.get_type_hints(row)
    columns = [list[hints[name]] for name in row._fields]  # type: ignore[valid-type]

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            return msgspec.convert(value, kind)
        parts = [msgspec.convert(column, to) for column, to in zip(value["columns"], columns, strict=True)]
        return [row._make(values) for values in zip(*parts, strict=True)]

    return read
