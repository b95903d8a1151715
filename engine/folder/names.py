"""Which keys can be names under a folder, and which files can be keys. Pure.

A key becomes a path of the folder by its `/` alone: nothing is normalised, cut or escaped, so that every file stands
for one key and every key for one file. What has no such file is refused with the reason and never written elsewhere:
an empty component, `.` and `..`, a leading `/`, NUL (which ends a name in C), what is longer than the file system
takes, half a surrogate pair (no UTF-8), and, where Windows may read the disk, what it keeps for itself. What only the
file system itself knows (`a` beside `a/b`, names that it folds to one) is found out where it is tried
(`engine.folder.publishing`, `engine.folder.folding`).
"""

from __future__ import annotations

import re
import secrets
import sys
from typing import NamedTuple

from engine.plan.own import MARK

_MARK = MARK.encode()
_UNFINISHED = re.compile(re.escape(_MARK) + rb"[0-9a-f]{32}(?:\.parts)?").fullmatch
"""Names of files that are being written, and of their lists of parts: no key of anyone's."""

_APART = re.compile(re.escape(_MARK) + rb"[0-9a-f]{32}\.[0-9a-f]{8}\.kept").fullmatch
"""Names of files while they change places with others: what a killed process left there may be the only one of a user's
last version, and is a file like any other."""

PATH_BYTES = 4096
"""What programs can name at once (PATH_MAX of Linux, with its closing NUL). We would reach further, by descriptors; but
nobody could open such a file."""

# learn.microsoft.com/windows/win32/fileio/naming-a-file
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)", re.IGNORECASE).match
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"\\|?*]').search


_USUAL_BYTES = 64
_USUAL = re.compile(r"(?:[\w-][\w.-]{0,63}/)*[\w-][\w.-]{0,63}/?", re.ASCII).fullmatch
"""What most keys look like: nothing in them that any file system but Windows' could refuse."""


class Fault(NamedTuple):
    """Why a key is no name, or a file no key: a word for programs, and a sentence."""

    code: str
    message: str


class Limits(NamedTuple):
    """What a folder's file system takes. `name_bytes` a component, `path_bytes` the path below the folder; `windows`:
    Windows may read it, counts a name's UTF-16 units and not its bytes, and does not take every name."""

    name_bytes: int = 255
    path_bytes: int = PATH_BYTES
    windows: bool = False


USUAL = Limits()
ANYWHERE = Limits(path_bytes=sys.maxsize)
"""What a file can have as its name on whatever disk."""
THERE = Limits(name_bytes=sys.maxsize, path_bytes=sys.maxsize)
"""Of what is there already, to be read or deleted: it is reached by descriptors, however long its path is, and its
file system knows what it took for a name."""
WINDOWS_UNITS = 255

TOO_LONG = "NameTooLong"

PARTS_ENDING = b".parts"
"""Of the list of parts beside an unfinished file."""


def is_unfinished(name: bytes) -> bool:
    """Whether a name in a folder is of a file that is being written there."""
    return name.startswith(_MARK) and _UNFINISHED(name) is not None


def name_apart(temporary: bytes) -> bytes:
    """The name from which a finished file changes places with another."""
    return temporary + f".{secrets.token_hex(4)}.kept".encode()


def is_apart(name: bytes) -> bool:
    """Whether a name in a folder is one of these."""
    return name.startswith(_MARK) and _APART(name) is not None


def fault_of(key: str, limits: Limits = USUAL) -> Fault | None:
    """Why `key` is no name under a folder; None where it is one. A `/` at its end names a directory."""
    if _USUAL(key) and limits.name_bytes >= _USUAL_BYTES and not limits.windows and len(key) < limits.path_bytes:
        return None
    if "\0" in key:
        return Fault("NameNul", "it holds a NUL, which no file's name can")
    try:
        data = key.encode()
    except UnicodeEncodeError:
        return Fault("NameNotUtf8", "it holds half a surrogate pair, which UTF-8 has no bytes for")
    if key.startswith("/"):
        return Fault("NameLeadingSlash", "it begins with a slash, and would lie outside the folder")
    if len(data) >= limits.path_bytes:
        return Fault("PathTooLong", f"its path would be longer than the {PATH_BYTES:,} bytes that the system takes")
    parts = key.removesuffix("/").split("/")
    for part in parts:
        if fault := _fault_of_part(part, limits):
            return fault
    if any(part.startswith(MARK) and is_unfinished(part.encode()) for part in parts):
        return Fault("NameOwn", "Cartage keeps names of this form for files that it has not finished")
    return None


def fault_of_object(key: str, size: int, limits: Limits) -> Fault | None:
    """The same of an object: bytes have no place under a directory's name."""
    fault = fault_of(key, limits)
    if fault is None and size and key.endswith("/"):
        return Fault("NameEmpty", "it ends with a slash, which names a directory, and holds bytes")
    return fault


def _fault_of_part(part: str, limits: Limits) -> Fault | None:
    if not part:
        return Fault("NameEmpty", "a part of it between slashes is empty, and no directory has an empty name")
    if part in (".", ".."):
        return Fault("NameDots", f"a part of it is {part!r}, which in a folder stands for another place")
    if limits.windows:
        if len(part) * 2 > WINDOWS_UNITS and len(part.encode("utf-16-le")) > 2 * WINDOWS_UNITS:
            most = f"the {WINDOWS_UNITS} characters (of UTF-16) that a name may have on this disk"
            return Fault(TOO_LONG, f"a part of it is longer than {most}")
        if _RESERVED(part):
            return Fault("NameReserved", f"{part!r} is the name of a device on Windows, which may read this disk")
        if found := _FORBIDDEN(part):
            return Fault("NameReserved", f"{found[0]!r} may not be in a name on Windows, which may read this disk")
        if part[-1] in ". ":
            return Fault("NameReserved", "a part of it ends with a dot or a space, which Windows would take off")
    elif len(part) * 4 > limits.name_bytes and len(part.encode()) > limits.name_bytes:
        return Fault(TOO_LONG, f"a part of it is longer than the {limits.name_bytes} bytes that a name may have")
    return None


def parts_of(key: str) -> list[bytes]:
    """The names along a key's path, the last one a directory's where the key ends with `/`."""
    return key.removesuffix("/").encode().split(b"/")


def shown(name: bytes) -> str:
    """A name as text, with \\x escapes for what is no UTF-8."""
    return name.decode("utf-8", "backslashreplace")
