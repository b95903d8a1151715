"""Locations as people write them: `s3://bucket/prefix/`, `s3://bucket/key`, a local folder, or short forms inside a
plan. Pure.

A key is taken exactly as written: nothing is decoded, normalised or trimmed, so `s3://b//x` is the key "/x" and
`s3://b/a%20b` has a percent sign in it. A trailing slash means everything under it, no slash that one exact key, and
`s3://bucket` alone the whole bucket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from engine.errors import UsageError
from engine.model import FILE_SITE, Location
from engine.plan.aws import is_aws_host

MAX_KEY_BYTES = 1024
"""The longest key, in bytes of UTF-8 (S3 User Guide, "Naming Amazon S3 objects")."""

SCHEME = "s3://"
NOT_UTF8 = "is not valid UTF-8"

_NAME = re.compile(r"[a-zA-Z0-9._-]{3,255}\Z")
_MODERN = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_LEGACY = re.compile(r"[A-Z_]")
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}\Z")
_ACCESS_POINT = re.compile(r"arn:aws[a-z-]*:s3:[a-z0-9-]+:\d{12}:accesspoint[:/][a-z0-9-]{3,50}")
_WINDOWS = re.compile(r"([A-Za-z]):([\\/].*)")
_SPELLINGS = (
    re.compile(r"(?i:s3)(?::/*|//)(?P<place>[^/].*)"),
    re.compile(r"arn:aws[a-z-]*:s3:::(?P<place>.+)"),
    re.compile(
        r"https?://(?:(?P<host>[a-z0-9.-]+)\.)?s3(?:[.-](?!accesspoint|object-lambda)[a-z0-9]+)*\.amazonaws\.com(?:\.cn)?/(?P<place>[^?#]*)"
    ),
)
"""How else a place in S3 is written: `place` is a bucket and a key, or the key alone where `host` is the bucket."""
_LOOPBACK = re.compile(r"localhost\Z|127(\.\d{1,3}){3}\Z|::1\Z")
_PORTS = {"http": 80, "https": 443}
_REFUSED_SUFFIXES = {
    "--x-s3": "is a directory bucket: it lists its keys in no order, so that two sides cannot be compared safely",
    ".mrap": "is a Multi-Region Access Point: name one bucket behind it instead",
    "--ol-s3": "is an Object Lambda access point, which answers with other bytes than the bucket holds",
    "--table-s3": "is a table bucket, which holds no plain objects",
}


def location_of(where: str | Location) -> Location:
    """As `parse_location`; a location stays what it is."""
    return parse_location(where) if isinstance(where, str) else where


def key_bytes(key: str) -> int:
    """The length of a key as S3 counts it."""
    return len(key) if key.isascii() else len(key.encode("utf-8", "surrogatepass"))


def problem_of_bucket(name: str) -> str:
    """Why `name` cannot be a bucket, in words that follow the name; empty where it can.

    The rules are S3's present ones. Names with capitals or underscores are let through up to 255 characters, because
    buckets made in us-east-1 before March 2018 may have them (S3 User Guide, "General purpose bucket naming rules").
    """
    for suffix, why in _REFUSED_SUFFIXES.items():
        if name.endswith(suffix):
            return why
    if _ACCESS_POINT.fullmatch(name):
        return ""
    if name.startswith("arn:"):
        return "is not the ARN of an access point"
    if not _NAME.match(name):
        if not 3 <= len(name) <= 255:
            return "is not a bucket name: it must have 3 to 63 characters"
        return "is not a bucket name: only letters, digits, dots and hyphens can be in it"
    if _LEGACY.search(name):
        return ""
    if len(name) > 63:
        return "is not a bucket name: it must have 3 to 63 characters"
    if not _MODERN.match(name):
        return "is not a bucket name: it must begin and end with a letter or a digit"
    if ".." in name:
        return "is not a bucket name: two dots stand side by side in it"
    if _ADDRESS.match(name):
        return "is not a bucket name: it looks like an IP address"
    return ""


def problem_of_key(key: str) -> str:
    """Why S3 could not hold this key; empty where it can."""
    try:
        length = len(key.encode("utf-8"))
    except UnicodeEncodeError:
        return NOT_UTF8
    return "" if length <= MAX_KEY_BYTES else f"has {length:,} bytes, and S3 allows {MAX_KEY_BYTES:,}"


ALIASES = ("-s3alias", "--op-s3", "--xa-s3", "--ol-s3", ".mrap")
"""What no bucket's own name ends with (S3 User Guide, "Bucket naming rules"): aliases of access points, of those on
Outposts, to directory buckets, of Object Lambda, and over many regions."""


def is_access_point(bucket: str) -> bool:
    """Whether the name is an access point's, by ARN or alias, which may stand for any bucket."""
    return bucket.startswith("arn:") or bucket.endswith(ALIASES)


def may_be_same_bucket(one: str, other: str) -> bool:
    """Whether two names of one site may reach the same objects. An access point hides its bucket, so it may be any."""
    return one == other or is_access_point(one) or is_access_point(other)


def may_be_same_site(one: str, other: str, endpoints: Mapping[str, str]) -> bool:
    """Whether two sites may hold the same buckets. `endpoints` are their URLs; one that is empty, or not there, is
    AWS's unless flags or the environment say another. On AWS a bucket's name is one bucket, whoever asks."""
    if one == other or FILE_SITE in (one, other):
        return one == other
    return server_of(endpoints.get(one, "")) == server_of(endpoints.get(other, ""))


def may_cover(side: Location, at: Location, endpoints: Mapping[str, str]) -> bool:
    """Whether the object at a place may be one of a route's side, whatever their sites are called. `endpoints` as in
    `may_be_same_site`."""
    return may_be_same_site(side.site, at.site, endpoints) and covers(side, Location(at.bucket, at.key, side.site))


def server_of(endpoint: str) -> tuple[str, int | None]:
    """Host and port of an endpoint, the same for two names of one server as far as that can be told: nothing for AWS,
    whatever its region. What cannot be read is taken for a server of its own."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return endpoint, None
    if not host or is_aws_host(host):
        return "", None
    return "localhost" if _LOOPBACK.match(host) else host, port


LOCAL = ("./", "../", "~/", "file:///")
"""How a local path begins wherever "/key" is a key of the plan's bucket."""


def is_local(text: str) -> bool:
    """Whether a location is written as a local path, where an absolute one is a key."""
    return text.startswith(LOCAL) or text in (".", "..", "~")


class Around(NamedTuple):
    """What short forms stand for: "/x" is a key of `bucket`, "x" is under `prefix` there (None: not allowed), "./x" is
    under `folder` and "~/x" under `home` (None: not known). `absolute`: there is no bucket, and "/x" is a path."""

    bucket: str = ""
    prefix: str | None = None
    folder: PurePath | None = None
    home: PurePath | None = None
    absolute: bool = False


def parse_location(text: str, *, folder: PurePath | None = None, home: PurePath | None = None) -> Location:
    """Read a full location, `s3://bucket`, `s3://bucket/prefix/` or `s3://bucket/key`; where the working folder is
    given, also a local one, which begins in it, with "~" in `home`, or with "/".

    In place of the bucket's name an access point's ARN or alias may stand. Raises `UsageError`.
    """
    if folder is None and is_local(text):
        raise UsageError(f'"{_short(text)}" is a local path, and this takes a location in S3: s3://bucket/prefix/')
    return resolve_location(text, Around(folder=folder, home=home, absolute=folder is not None))


def resolve_location(text: str, around: Around, site: str = "") -> Location:
    """Read a location as a plan writes it: in S3, at `site`, or a local path. Raises `UsageError`."""
    bucket, prefix = around.bucket, around.prefix
    if is_local(text) or (around.absolute and text.startswith("/")):
        return _local(text, around)
    if text.startswith(SCHEME):
        location = _split(text)
    elif around.absolute and text.startswith("file://"):
        rest = text.removeprefix("file://")
        path = rest.removeprefix("localhost")
        from_here = f"write file:///path/{rest}, or ./{rest} for one from here"
        hint = f"write file://{path}" if path.startswith("/") else from_here
        raise UsageError(f'"{text}" is not an S3 location, and no absolute path: {hint}')
    elif "://" in text[:12]:
        hint = f"write {meant}" if (meant := _meant(text)) else "it must begin with s3://"
        raise UsageError(f'"{text}" is not an S3 location: {hint}')
    elif text.startswith("/"):
        if not bucket:
            hint = f"write s3://bucket{text}, or name the plan's bucket; on this machine it is file://{text}"
            raise UsageError(f'"{text}" needs a bucket: {hint}')
        location = Location(bucket, text[1:])
    elif (prefix is None or not bucket) and (on_windows := _WINDOWS.match(text)):
        drive, below = on_windows[1].lower(), on_windows[2].replace("\\", "/").strip("/")
        there = f"{'' if around.absolute else 'file://'}/mnt/{drive}/{below and f'{below}/'}"
        raise UsageError(f'"{text}" is a Windows path: under WSL a folder there is {there}')
    elif (prefix is None or not bucket) and (meant := _meant(text)):
        raise UsageError(f'"{text}" is not an S3 location: write {meant}')
    elif prefix is None:
        hint = f's3://bucket/{text} or "/{text}"' if bucket else f"s3://bucket/{text}"
        hint = _as_typed(text, around) if around.absolute or around == Around() else hint
        raise UsageError(f'"{text}" is not a complete location: write {hint}')
    elif not bucket:
        if around.absolute:
            raise UsageError(f'"{text}" is not a complete location: write {_as_typed(text, around)}')
        raise UsageError(f'"{text}" is relative, and the plan names no bucket: write s3://bucket/{text}')
    elif not prefix + text:
        raise UsageError('"" names nothing: write "/" for the whole bucket')
    else:
        location = Location(bucket, prefix + text)
    problem = problem_of_key(location.key)
    if problem:
        raise UsageError(f'the key of "{_short(text)}" {problem}')
    return Location(location.bucket, location.key, site)


def _meant(text: str) -> str:
    """The location that is meant by one of S3 in another spelling: a scheme that was mistyped, an ARN, a URL. Empty for
    any other text."""
    found = next(filter(None, (pattern.fullmatch(text) for pattern in _SPELLINGS)), None)
    if found is None:
        return ""
    parts = found.groupdict()
    bucket, _, key = "/".join(filter(None, (parts.get("host"), parts["place"]))).partition("/")
    try:
        key = unquote(key, errors="strict") if text.startswith("http") else key
    except UnicodeDecodeError:
        return ""  # no key, whatever is written
    meant = f"{SCHEME}{bucket}/{key}"
    return "" if problem_of_bucket(bucket) or not meant.isprintable() else meant


def _as_typed(text: str, around: Around) -> str:
    """What to write for it on a command line, where a bucket's name comes first and no plan says it."""
    name, slash, _ = text.partition("/")
    here = f", or ./{text} for a local path" if around.absolute else ""
    return f"s3://{text if slash else f'{text}/'}{here}" if not problem_of_bucket(name) else f"s3://bucket/{text}{here}"


def local_path(text: str, folder: PurePath, home: PurePath | None) -> PurePath:
    """The path that is meant by `text`: from `home` where it begins with "~", else from `folder`. Raises `UsageError`
    where no home is known."""
    if text != "~" and not text.startswith("~/"):
        return folder / text.removeprefix("file://")
    if home is None:
        raise UsageError(f'"{_short(text)}" cannot be found: it is not known which folder "~" stands for')
    return home / text[1:].lstrip("/")


def _local(text: str, around: Around) -> Location:
    """A folder (with a slash at its end), or one file of the folder that it is in. "." and ".." are taken out by
    name, as a shell's `cd` does, whatever is a link there."""
    if any(character in text for character in "\0\n\r"):
        raise UsageError(f"{_short(text)!r} has a line break or a NUL in it, and cannot be named here")
    path = local_path(text, around.folder or PurePath(), around.home)
    if not path.is_absolute():
        raise UsageError(f'"{_short(text)}" cannot be found: it is not known in which folder it begins')
    parts: list[str] = []
    for part in path.parts[1:]:
        parts = parts[:-1] if part == ".." else [*parts, part]
    if any(problem_of_key(part) == NOT_UTF8 for part in parts):
        raise UsageError(f"{_short(text)!r} {NOT_UTF8}")
    is_folder = text == "~" or text.rpartition("/")[2] in ("", ".", "..")
    name = "" if is_folder or not parts else parts.pop()
    drive = path.drive.replace("\\", "/")
    return Location(f"{drive}/{'/'.join(parts)}", name, FILE_SITE)


def _split(text: str) -> Location:
    rest = text[len(SCHEME) :]
    access_point = _ACCESS_POINT.match(rest)
    if access_point:
        bucket, rest = access_point.group(), rest[access_point.end() :]
        if rest and not rest.startswith("/"):
            raise UsageError(f'"{_short(text)}" is not an S3 location: a slash must follow the access point')
        key = rest[1:]
    else:
        bucket, _, key = rest.partition("/")
    if not bucket:
        raise UsageError(f'"{_short(text)}" names no bucket', advice="cartage ls s3:// lists those there are.")
    problem = problem_of_bucket(bucket)
    if problem:
        raise UsageError(f'"{_short(bucket)}" {problem}')
    return Location(bucket, key)


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "…"


_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")


def undecoded(text: str) -> str:
    """What to add where nothing is at a location that looks as if it were out of a URL; empty for any other."""
    found = _ESCAPE.search(text)
    return f" ({found[0]} is taken as it stands: nothing in a location is decoded)" if found is not None else ""


def flat(location: Location) -> Location:
    """A local folder as one long key, so that a folder inside another is seen to be; anything else as it is."""
    return Location("", str(location), location.site) if location.is_local else location


def covers(outer: Location, inner: Location) -> bool:
    """Whether everything at `inner` is, or may be, also at `outer`."""
    if outer.site != inner.site or not (outer.is_local or may_be_same_bucket(outer.bucket, inner.bucket)):
        return False
    return flat(outer).holds(flat(inner).key)


def may_meet(prefix: str, place: Location) -> bool:
    """Whether a key at the place may begin with `prefix`, as far as that tells."""
    return place.key.startswith(prefix) or (place.is_prefix and prefix.startswith(place.key))


def state_of(text: str, plan_name: str) -> Location:
    """The place of one plan's journals in what `--state` names. Raises `UsageError` for anything but a prefix in S3."""
    scheme, _, rest = text.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or (key and not key.endswith("/")):
        raise UsageError(f"--state {text} is no place in S3.", advice="Give one as s3://bucket/prefix/.")
    return Location(bucket, f"{key}{plan_name}/")
