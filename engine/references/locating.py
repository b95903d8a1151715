"""Where a text names something in a bucket, whichever way it is written. Pure.

Known forms: `s3://bucket/key` (s3a, s3n), `/vsis3/bucket/key`, ARNs of every partition, virtual-hosted and path-style
URLs of every kind that AWS has had (regional, legacy with a dash, dual-stack, FIPS, accelerate, website, China), the
same on other endpoints, links to the AWS console, `bucket/key`, and all of these with a variable in the bucket's place
where the file itself says what the variable holds. A bucket whose name only begins like one is another bucket.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit

Span = tuple[int, int]


class Form(StrEnum):
    """How a mention is written, which says how its key is encoded."""

    URI = "uri"
    URL = "url"
    QUERY = "query"
    ARN = "arn"
    JOINED = "bucket/key"
    VARIABLE = "variable"
    PAIR = "pair"
    BARE = "bare"


class Mention(NamedTuple):
    """A place in a text that may name an old path.

    `start` is where it begins for a reader, `key` where the key's text begins, `end` where the longest possible key
    ends (`open_end`: where it ends if blanks were no part of it). `bucket` is empty where none is evident, and
    `bucket_span` where its name stands, None where it cannot be exchanged here. `region_span` is the region in a URL's
    host. `why_not` is a reason to leave it alone whatever it names."""

    form: Form
    start: int
    key: int
    open_end: int
    end: int
    bucket: str
    bucket_span: Span | None = None
    region_span: Span | None = None
    why_not: str = ""


SIGNED = "it is a signed URL, whose signature holds for the old path alone: make a new one"
VERSIONED = "it names one version of the old object, which the new one does not have"
UNKNOWN_FORM = "it names the bucket in a form that is not known"

LONGEST_KEY = 4096
"""Characters of a key that are looked at: 1,024 bytes, all of them URL-encoded, and some to spare."""

_STOPS = re.compile(r"[\s\"'`<>|\\^\x00-\x1f\x7f]|[,;](?=(?:s3[an]?://|https?://|arn:))")
_NOT_BUCKET = r"(?![A-Za-z0-9_-]|\.[A-Za-z0-9])"
_HOST = (
    r"(?i:s3(?P<kind>-website|-accelerate|-fips|-external-1)?"
    r"(?P<dual>\.dualstack)?(?:[.-](?P<region>[a-z]{2,4}(?:-[a-z0-9]+)+))?\.amazonaws\.com(?:\.cn)?(?::\d+)?)"
)
_SIGNATURE = re.compile(r"[?&](?:X-Amz-Signature|Signature|AWSAccessKeyId)=", re.IGNORECASE)
_VERSION = re.compile(r"[?&]versionId=", re.IGNORECASE)
_ARGUMENT = re.compile(r"\s{0,40}[,+/]\s{0,40}[rRbBuUfF]?[\"']([^\"'\n]{0,200})[\"']")
_ARGUMENTS = re.compile(r"/?[\"']\)?(?P<row>(?:\s{0,40}[,+/]\s{0,40}[rRbBuUfF]?[\"'][^\"'\n]{0,200}[\"']){1,20})")
_NAME = r"[A-Za-z_][A-Za-z0-9_.]*"
_VARIABLE = re.compile(
    r"(?:(?P<scheme>s3[an]?://)|(?<![/}\w.]))"
    rf"(?:\$?\{{\{{?\s*(?P<braced>{_NAME})\s*\}}?\}}|\$\(?(?P<dollar>[A-Za-z_][A-Za-z0-9_]*)\)?|%\((?P<percent>{_NAME})\)s"
    r"|(?P<other>\$?\{[^{}\n]{0,80}\}|%s|(?<=://)<[^<>\n]{1,80}>))/"
)
SET_TO = r"\s{0,40}(?::[ ]{0,9}[\w\[\].,|][\w\[\]., |]{0,80}?\s{0,9}=|:=|[:=])\s{0,40}"
"""What stands between a name and its value: `=`, `:`, or a type and `=`. Bounded, so that no text costs its square."""
_ASSIGNED = re.compile(
    rf"(?<![\w.])(?P<name>{_NAME})[\"']?{SET_TO}"
    r"(?P<value>[rRbBuUfF]?\"[^\"\n]*\"|[rRbBuUfF]?'[^'\n]*'|[^\s,;#\"')}\]]+)"
)


def regexes(buckets: Iterable[str], endpoints: Iterable[str]) -> list[tuple[Form, re.Pattern[str]]]:
    """A pattern for each form with the bucket's name in it, most telling first."""
    names = "|".join(sorted(map(re.escape, buckets), key=len, reverse=True))
    bucket = f"(?P<bucket>{names}){_NOT_BUCKET}"
    before = r"(?<![A-Za-z0-9+.-])"
    url, hosted = rf"(?i:https?:)?(?://|{before})", f"(?P<bucket>(?i:{names}))"  # a host's capitals mean nothing
    found = [
        (
            Form.QUERY,
            re.compile(
                rf"https?://[\w.-]*console\.(?:aws\.amazon\.com|amazonaws-us-gov\.com|amazonaws\.cn)"
                rf"/s3/(?:buckets|object|upload)/{bucket}(?P<slash>\?(?:[^\s\"'<>#]*&)?prefix=)"
            ),
        ),
        (Form.URI, re.compile(rf"{before}s3[an]?://{bucket}(?P<slash>/)?", re.IGNORECASE)),
        (Form.URI, re.compile(rf"/vsis3(?:_streaming)?/{bucket}(?P<slash>/)?")),
        (Form.ARN, re.compile(rf"{before}arn:aws[a-z-]*:s3:::{bucket}(?P<slash>/)?")),
        (Form.URL, re.compile(rf"{url}{hosted}\.{_HOST}(?P<slash>/)?")),
        (Form.URL, re.compile(rf"{url}{_HOST}/{bucket}(?P<slash>/)?")),
    ]
    for endpoint in endpoints:
        parts = urlsplit(endpoint)
        if not parts.netloc or parts.netloc.endswith("amazonaws.com"):
            continue
        host, base = f"(?i:{re.escape(parts.netloc)})", re.escape(parts.path.rstrip("/"))
        found.append((Form.URL, re.compile(rf"{url}{host}{base}/{bucket}(?P<slash>/)?")))
        found.append((Form.URL, re.compile(rf"{url}{hosted}\.{host}{base}(?P<slash>/)?")))
    found.append((Form.JOINED, re.compile(rf"(?<![\w-])(?<![\w]\.){bucket}(?P<slash>/)")))
    return found


def find_named(text: str, patterns: Sequence[tuple[Form, re.Pattern[str]]]) -> list[Mention]:
    """Every mention with a bucket's own name in it, in order, one form before another where their heads overlap. A key
    ends where the next mention begins, which is one of its own: `[a](s3://b/1)[c](s3://b/2)`. Right behind a slash it
    may as well be a part of that key, and nobody's guess; a bare name is, as in `s3://b/b/1`."""
    covered = bytearray(len(text))
    found: list[Mention] = []
    for form, pattern in patterns:
        for head in pattern.finditer(text):
            if 1 in covered[head.start() : head.end()]:
                continue
            covered[head.start() : head.end()] = b"\1" * (head.end() - head.start())
            found.append(_mention(text, form, head))
    kept: list[Mention] = []
    outer = -1
    for item in sorted(found, key=lambda item: item.start):
        before = kept[outer] if outer >= 0 else None
        if before is not None and item.start < before.open_end and text[item.start - 1] == "/":
            if item.form is not Form.JOINED or before.why_not == UNKNOWN_FORM:
                kept.append(item._replace(why_not=item.why_not or UNKNOWN_FORM))
            continue
        if before is not None and item.start < before.end:
            kept[outer] = before._replace(open_end=min(before.open_end, item.start), end=item.start)
        outer = len(kept)
        kept.append(item)
    return kept


def _mention(text: str, form: Form, found: re.Match[str]) -> Mention:
    start = found.start()
    key = found.end()
    open_end, end = run_from(text, key, start) if found.group("slash") else (key, key)
    why_not = ""
    if form is Form.URL:
        query = re.compile(r"\?|#(?!\{)").search(text, key, open_end)  # `#{stage}` is Ruby's variable
        if query:
            tail = text[query.start() : open_end]
            why_not = SIGNED if _SIGNATURE.search(tail) else VERSIONED if _VERSION.search(tail) else ""
            open_end = end = query.start()
        end = min(end, open_end)
    elif form is Form.QUERY:
        stop = re.compile(r"[&#]").search(text, key, open_end)
        open_end = end = stop.start() if stop else open_end
    elif form is Form.JOINED and start and text[start - 1] in "/:@.}$":
        why_not = UNKNOWN_FORM
    bucket = found.group("bucket")
    if form is Form.URL and text[found.end("bucket") : found.end("bucket") + 1] == ".":
        bucket = bucket.lower()  # it is a host's first label
    region = found.span("region") if "region" in found.re.groupindex and found.group("region") else None
    return Mention(form, start, key, open_end, end, bucket, found.span("bucket"), region, why_not)


def run_from(text: str, at: int, start: int) -> Span:
    """Where a key that begins at `at` may end: before the first blank or quote, and before the quote that closes the
    one that stands right before `start`."""
    farthest = min(len(text), at + LONGEST_KEY)
    stop = _STOPS.search(text, at, farthest)
    open_end = stop.start() if stop else farthest
    quote = text[start - 1] if start else ""
    if quote not in ("'", '"', "`"):
        return open_end, open_end
    line_end = text.find("\n", at, farthest)
    closing = text.find(quote, at, line_end if line_end >= 0 else farthest)
    return open_end, max(closing, open_end) if closing >= 0 else open_end


def arguments_behind(text: str, at: int) -> tuple[list[str], int]:
    """The string literals that follow one after its quote at `at`, as in `join("s3://b", "data", "raw")` and
    `Path("s3://b") / "data"`, and where the last ends."""
    row = _ARGUMENTS.match(text, at)
    return ([found.group(1) for found in _ARGUMENT.finditer(row.group("row"))], row.end()) if row else ([], at)


def values_of(text: str, *, code: bool) -> dict[str, str | None]:
    """What each name in the text is set to; None where it is set to several things, or to what cannot be read.

    In `code` a word without quotes is another name; elsewhere it is itself."""
    values: dict[str, str | None] = {}
    aliases: list[tuple[str, str]] = []
    for found in _ASSIGNED.finditer(text):
        name, value = found.group("name").rpartition(".")[2], found.group("value")
        plain: str | None
        if value[-1] in "\"'":
            formatted = value[0] in "fF" and "{" in value
            plain = None if formatted or "$" in value else value.lstrip("rRbBuUfF")[1:-1]
        elif code:
            aliases.append((name, value.rpartition(".")[2]))
            continue
        else:
            plain = None if "$" in value else value
        values[name] = plain if values.get(name, plain) == plain else None
    for name, other in aliases:
        if name != other:
            plain = values.get(other)
            values[name] = plain if values.get(name, plain) == plain else None
    return values


def find_variables(text: str, values: Mapping[str, str | None], buckets: frozenset[str]) -> Iterator[Mention]:
    """Mentions whose bucket is a variable: `s3://{BUCKET}/data/raw/`, `$ROOT/data/raw/`.

    Without a bucket where the file does not say what the variable holds; none where it says something else."""
    for found in _VARIABLE.finditer(text):
        name = (found.group("braced") or found.group("dollar") or found.group("percent") or "").rpartition(".")[2]
        known = values.get(name) if name else None
        bucket = ""
        if known is not None:
            bucket = known.removeprefix("s3://").rstrip("/") if not found.group("scheme") else known
            if bucket not in buckets:
                continue
        open_end, end = run_from(text, found.end(), found.start())
        why_not = "" if bucket else f"the file does not say which bucket {name or 'this'} is"
        yield Mention(Form.VARIABLE, found.start(), found.end(), open_end, end, bucket, why_not=why_not)


class Spans:
    """Spans by where they begin, to ask whether any meets another."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = sorted(spans)
        self._at = 0

    def meet(self, start: int, end: int) -> bool:
        """Whether one of them overlaps; asked with rising starts."""
        while self._at < len(self._spans) and self._spans[self._at][1] <= start:
            self._at += 1
        return self._at < len(self._spans) and self._spans[self._at][0] < end
