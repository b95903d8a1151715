"""What a file carries into S3 beside its bytes, and what an object carries back. Pure but for the tables of types.

Content-Type is guessed as the AWS CLI does (`guess_content_type` of its s3 command): by the standard library's
`mimetypes` from the name alone, and left to the server where that knows none. The time of the last write is metadata
`mtime` in seconds since the epoch, always with nine decimals: rclone reads any number of them, s3fs takes what follows
the point for nanoseconds as it stands. Its permissions are metadata `mode`, with the type, in octal with a zero ahead
("0100644"): rclone reads octal, s3fs takes a leading zero for it. What others wrote is read as they mean it: octal of
rclone ("100644"), decimal of s3fs ("33188").
"""

from __future__ import annotations

import mimetypes
import re
import stat
from functools import lru_cache

from engine.model import Properties

MTIME = "mtime"
_SECONDS = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]*))?").fullmatch

SUFFIXES = 3
"""How many of a name's endings can tell its type: `mimetypes` looks at an encoding's and the one before it, and takes
some (".tgz") for two."""

MODE = "mode"
_DIGITS = re.compile(r"[0-9]{1,7}").fullmatch

LINK_MODE = (MODE, str(stat.S_IFLNK | 0o777))
"""The metadata by which an object's body is a symbolic link's text: the mode as s3fs writes it."""


def content_type_of(key: str) -> str:
    """The Content-Type for a file's name; empty where none is known."""
    _, *suffixes = key.rpartition("/")[2].lstrip(".").split(".")
    return _type_of(".".join(suffixes[-SUFFIXES:])) if suffixes else ""


@lru_cache(maxsize=512)
def _type_of(suffixes: str) -> str:
    # Alone, a name such as "data:x" would be taken for a URL.
    return mimetypes.guess_type(f"/x.{suffixes}")[0] or ""


def mode_of(properties: Properties) -> int | None:
    """The permissions that an object says its file had, of owner, group and others alone: nothing that comes out of a
    bucket is ever run as another user. None where it says none of a file that its owner can read."""
    text = dict(properties.metadata).get(MODE, "")
    if not _DIGITS(text):
        return None
    # A mode with its type has 5 digits in decimal and 6 in octal; without, it is octal as people write it.
    octal = text.startswith("0") or len(text) != 5
    try:
        mode = int(text, 8 if octal else 10)
    except ValueError:
        return None
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or mode > 0o177777 or not mode & stat.S_IRUSR:
        return None
    return mode & 0o777


def mtime_text(mtime_ns: int) -> str:
    """A time in nanoseconds as rclone and s3fs read it: "1354040105.123456789"."""
    sign, whole = ("-", -mtime_ns) if mtime_ns < 0 else ("", mtime_ns)
    return f"{sign}{whole // 1_000_000_000}.{whole % 1_000_000_000:09d}"


def mtime_of(properties: Properties) -> int | None:
    """The time that an object says its file was written, in nanoseconds; None where it says none that can be read."""
    found = _SECONDS(dict(properties.metadata).get(MTIME, "").strip())
    if found is None:
        return None
    time_ns = int(found[2]) * 1_000_000_000 + int((found[3] or "")[:9].ljust(9, "0"))
    return -time_ns if found[1] else time_ns


def is_link(properties: Properties) -> bool:
    """Whether an object stands for a symbolic link."""
    mode = dict(properties.metadata).get(LINK_MODE[0], "")
    return mode.isascii() and mode.isdecimal() and len(mode) < 10 and stat.S_ISLNK(int(mode))


def other_kind(wanted: Properties, there: Properties) -> str:
    """What is there where one is to be a symbolic link and the other is none; empty where they are alike."""
    if is_link(wanted) == is_link(there):
        return ""
    return "is a symbolic link, wanted a file" if is_link(there) else "is a file, wanted a symbolic link"


def properties_of(key: str, mode: int, mtime_ns: int) -> Properties:
    """What a file is to carry into S3. A directory's marker carries its time alone."""
    metadata: tuple[tuple[str, str], ...] = ((MTIME, mtime_text(mtime_ns)),)
    if stat.S_ISLNK(mode):
        return Properties(metadata=(LINK_MODE, *metadata))
    if stat.S_ISDIR(mode):
        return Properties(metadata=metadata)
    return Properties(content_type=content_type_of(key), metadata=((MODE, f"0{mode:o}"), *metadata))
