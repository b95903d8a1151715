"""Keys that stand without their bucket, and whether the bucket is evident from what stands around them. Pure.

It is where the two are neighbours (`download_file("bucket", "data/raw/x.png")`, a row of a table), or where the key
is labelled as one (`key`, `prefix`) and the nearest thing that is labelled `bucket`, in the same brackets, block of
lines or file, can only be that bucket. Anything else is a bare path, and nobody's guess. The bucket's name can be
exchanged only where nothing else could be a key in it.
"""

from __future__ import annotations

import functools
import itertools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from engine.model import Location
from engine.references.keys import NOT_IN_S3, possible_keys
from engine.references.locating import SET_TO, Form, Mention, Span, Spans, run_from

NOT_EVIDENT = "a path without its bucket"
_BEFORE = r"(?:(?<![\w./%{}$@~+\\-])|(?<=:-))(?:\./|/)?"
_END_OF_NAME = r"(?![\w-]|\.\w|/)"
_BRACKET = re.compile(r"[()\[\]{}]")
_LOOK_BACK = 400
_COLON = re.compile(r"\s{1,40}:")
LEVELS = 8
"""Brackets around a path that are looked through for the bucket's name."""
_LABEL_OF_KEY = re.compile(
    rf"(?P<label>[\w.-]{{0,60}}(?:key|prefix)[\w.-]{{0,60}})[\"'`]?(?:{SET_TO}|(?<=key)\s{{1,9}}|(?<=prefix)\s{{1,9}})"
    r"[\[(]?\s{0,40}(?:[rRbBuU]?\"[^\"\n]{0,200}\"\s*,\s*|[rRbBuU]?'[^'\n]{0,200}'\s*,\s*){0,50}[rRbBuUfF]?[\"'`]?$",
    re.IGNORECASE,
)
_BUCKET = re.compile(
    rf"(?<![\w.-])(?:--[\w-]{{0,60}}bucket[\w-]{{0,60}}[\s=]{{1,9}}|[\w.-]{{0,60}}bucket[\w-]{{0,60}}[\"'`]?{SET_TO})"
    r"(?P<value>[rRbBuU]?\"[^\"\n]*\"|[rRbBuU]?'[^'\n]*'|[^\s,;#\"')}\]]+)",
    re.IGNORECASE,
)


class Named(NamedTuple):
    """Something in a text that is labelled as a bucket; `bucket` None where what it is cannot be read."""

    start: int
    bucket: str | None
    span: Span | None


class Labelled(NamedTuple):
    """What is labelled as a bucket in a part of a text: `bucket` None where it is several, or one that cannot be
    read."""

    first: Named
    is_one: bool
    bucket: str | None


class Names:
    """All of it, in order. Each path asks for its scope's, which may be the whole text: so none is looked through."""

    def __init__(self, names: Sequence[Named]) -> None:
        self._names = names
        self._starts = [item.start for item in names]
        self._alike = list(range(1, len(names) + 1))  # up to where each that follows is the same bucket
        for number in range(len(names) - 2, -1, -1):
            if names[number].bucket == names[number + 1].bucket:
                self._alike[number] = self._alike[number + 1]

    def __len__(self) -> int:
        return len(self._names)

    def within(self, span: Span) -> Labelled | None:
        """What is labelled there; None where nothing is."""
        first, end = bisect_left(self._starts, span[0]), bisect_left(self._starts, span[1])
        if first == end:
            return None
        found = self._names[first]
        return Labelled(found, end == first + 1, found.bucket if self._alike[first] >= end else None)


class Pair(NamedTuple):
    """The bucket that a path evidently is in, and where its name stands; None where it cannot be exchanged there."""

    bucket: str
    span: Span | None = None


class Scope(NamedTuple):
    """A part of a text whose labels may belong together. In a wide one, of lines or the whole file, only a bucket of
    the plan counts."""

    span: Span
    is_brackets: bool = False
    is_wide: bool = False
    is_file: bool = False


class Pairing:
    """The paths of one text that stand without a bucket, for the sources of a plan.

    `values` is what the text's own names are set to; `code` says that words without quotes are names in it, `rows`
    that its lines are records, as in CSV; `exchanging` that a bucket's name may have to be another one."""

    def __init__(
        self,
        text: str,
        sources: Sequence[Location],
        values: Mapping[str, str | None],
        *,
        code: bool,
        rows: bool,
        exchanging: bool,
    ) -> None:
        self._text = text
        self._sources = sources
        self._buckets = frozenset(source.bucket for source in sources)
        self._values = values
        self._code = code
        self._rows = rows
        names = [self._named(found) for found in _BUCKET.finditer(text)]
        self._names = Names(names)
        self._known_names = Names([item for item in names if item.bucket is not None])
        self._bound = _bound(text)
        self._brackets = Brackets(text)
        first = text.find("\n")
        header = text[: first if first >= 0 else len(text)] if rows else ""
        self._header = [cell.group("cell").lower() for cell in _CELL.finditer(header)]
        self._blocks = [0, *(found.end() for found in re.finditer(r"\n[ \t\r]*\n", text))]
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self._paths = list(_paths(sources).finditer(text))
        self._exchanging = exchanging
        self._latest: tuple[tuple[int, Span], Span] = (0, (0, 0)), (0, 0)

    def mentions(self, covered: Sequence[Span]) -> Iterator[Mention]:
        """Every path that could be under a source, outside the spans that are accounted for. Without a bucket, and
        with the reason, where it is not evident."""
        spans = Spans(covered)
        for found in self._paths:
            start, key = found.start(), found.start("key")
            if spans.meet(start, found.end()):
                continue
            open_end, end = run_from(self._text, key, start)
            pair = self._evident(start) if key == start else None
            if pair is not None and pair.bucket not in self._buckets:
                continue  # the same path in another bucket
            if self._is_member_name(start, open_end):
                continue
            if pair is not None:
                yield Mention(Form.PAIR, start, key, open_end, end, pair.bucket, pair.span)
            elif not found.group("above"):
                yield Mention(Form.BARE, start, key, open_end, end, "", why_not=NOT_EVIDENT)

    def _is_member_name(self, start: int, end: int) -> bool:
        """Whether a word in quotes is what something is called in an object or a dictionary: {"data": …}. With a slash
        in it, it may well be a path all the same."""
        text = self._text
        if (
            text[start - 1 : start] not in ("'", '"')
            or text[end : end + 1] != text[start - 1]
            or "/" in text[start:end]
        ):
            return False
        return text[end + 1 : end + 2] == ":" or bool(
            _COLON.match(text, end + 1) and text[max(0, start - _LOOK_BACK) : start - 1].rstrip().endswith(("{", ","))
        )

    def _evident(self, start: int) -> Pair | None:
        """The bucket of a path: its neighbour's, or else what the nearest scope says that labels one at all."""
        neighbour = self._neighbour(start)
        if neighbour is not None or not self._is_labelled(start):
            return neighbour
        for scope in self._scopes(start):
            if (inside := self._labelled_in(scope)) is not None:
                return self._only(start, inside, scope)
        return None

    def _is_labelled(self, start: int) -> bool:
        """Whether the path is called a key or a prefix, in a text that calls something a bucket."""
        label = _LABEL_OF_KEY.search(self._text[max(0, start - _LOOK_BACK) : start]) if self._names else None
        return label is not None and not NOT_IN_S3.search(label.group("label"))

    def _labelled_in(self, scope: Scope) -> Labelled | None:
        """What is labelled as a bucket there."""
        names = self._known_names if scope.is_file and self._code else self._names  # parameters that are handed on
        return names.within(scope.span)

    def _only(self, start: int, inside: Labelled, scope: Scope) -> Pair | None:
        """The bucket that all of a scope's are; None where they are several, or one that cannot be read."""
        bucket, first = inside.bucket, inside.first
        if not bucket or (scope.is_wide and bucket not in self._buckets):
            return None
        exchangeable = inside.is_one and not scope.is_file and self._is_alone(start, first.start, scope)
        return Pair(bucket, first.span if exchangeable else None)

    def _neighbour(self, start: int) -> Pair | None:
        """The bucket that stands right before a path, or in the same row."""
        line_start = self._lines[bisect_right(self._lines, start) - 1]
        back_at = max(line_start if self._rows else 0, start - _LOOK_BACK)
        found = _BESIDE.search(self._text[back_at:start])
        if found is not None:
            name = found.group("quoted") or found.group("word")
            span = (back_at + found.start("quoted"), back_at + found.end("quoted"))
            if name in self._buckets:
                span = span if found.group("quoted") else (back_at + found.start("word"), back_at + found.end("word"))
                around = next(self._brackets.around(start), (line_start, self._line_end(start)))
                return Pair(name, span if self._is_only_key(start, around) else None)
            value = self._values.get(name.rpartition(".")[2]) if found.group("word") else None
            if value in self._buckets and value is not None:
                return Pair(value)
        method = _METHOD.search(self._text[back_at:start])
        if method is not None and self._bound.get(method.group("name"), "") in self._buckets:
            return Pair(self._bound[method.group("name")])
        return self._same_row(line_start, start) if self._rows else None

    def _same_row(self, line_start: int, start: int) -> Pair | None:
        """The bucket of a row whose header says which cell is the bucket's and which the key's."""
        cells = list(_CELL.finditer(self._text, line_start, self._line_end(start)))
        at = sum(1 for cell in cells if cell.end() <= start)
        there = [number for number, cell in enumerate(cells) if cell.group("cell") in self._buckets]
        if len(there) != 1 or max(at, there[0]) >= len(self._header):
            return None
        if "bucket" not in self._header[there[0]] or not _KEY_COLUMN.search(self._header[at]):
            return None
        is_only = self._is_only_key(start, (line_start, self._line_end(start)))
        return Pair(cells[there[0]].group("cell"), cells[there[0]].span("cell") if is_only else None)

    def _line_end(self, start: int) -> int:
        line = bisect_right(self._lines, start)
        return self._lines[line] - 1 if line < len(self._lines) else len(self._text)

    def _scopes(self, start: int) -> Iterator[Scope]:
        """The brackets around, from the inside out, and the lines of one table; then, wide, the block of lines and the
        whole text."""
        for around in itertools.islice(self._brackets.around(start), LEVELS):
            yield Scope(around, is_brackets=True)
        at, length = bisect_right(self._blocks, start), len(self._text)
        block = (self._blocks[at - 1], self._blocks[at] if at < len(self._blocks) else length)
        if not self._code and not self._rows:
            yield Scope(self._siblings(start, block))
        yield Scope(block, is_wide=True, is_file=block == (0, length))
        yield Scope((0, length), is_wide=True, is_file=True)

    def _siblings(self, start: int, block: Span) -> Span:
        """The lines of a block that belong to the same table of YAML, TOML or INI: indented alike, one item of a list,
        one section."""
        here = bisect_right(self._lines, start) - 1
        own, is_item = self._indent(here)
        alike, (first, end) = self._latest
        if alike != (own, block) or not first <= here < end:  # else it is the table that was looked for before
            first, end = here, here + 1
            while not is_item and first > 0 and self._lines[first - 1] >= block[0]:
                indent, is_head = self._indent(first - 1)
                if indent < own:
                    break
                first -= 1
                if is_head and indent == own:
                    break
            while end < len(self._lines) and self._lines[end] < block[1]:
                indent, is_head = self._indent(end)
                if indent < own or (is_head and indent == own):
                    break
                end += 1
            self._latest = (own, block), (first, end)
        return self._lines[first], self._lines[end] if end < len(self._lines) else len(self._text)

    def _indent(self, line: int) -> tuple[int, bool]:
        """How far a line is indented, the dash of a list counted, and whether it begins an item or a section."""
        found = _INDENT.match(self._text, self._lines[line])
        assert found is not None
        is_empty = self._text[found.end() : found.end() + 1] in ("", "\r", "\n")
        if is_empty and not found.group("section") and not found.group("dash"):
            return len(self._text), False  # a blank line ends no table
        return -1 if found.group("section") else len(found.group("space")), bool(found.group("dash"))

    def _is_alone(self, start: int, bucket: int, scope: Scope) -> bool:
        """Whether nothing but the path at `start` could be a key in the bucket that is named at `bucket`. A table of
        lines goes on behind a blank line; what code names in one place it may use in any other."""
        if not self._is_only_key(start, scope.span):
            return False
        if scope.is_brackets:
            return True
        return not self._code and all(self._is_only_key(start, self._table(at, start)) for at in (start, bucket))

    def _table(self, at: int, start: int) -> Span:
        """The lines that belong to the one at `at`, as far as the next that may hold another key than `start`'s."""
        here = bisect_left(self._keys, (at, 0))
        others = (self._keys[number] for number in range(here, len(self._keys)))
        earlier = (self._keys[number] for number in range(here - 1, -1, -1))
        before, after = (next((span for span in there if not _in(start, span)), None) for there in (earlier, others))
        first = self._lines[bisect_right(self._lines, before[0]) - 1] if before else 0
        return self._siblings(at, (first, self._line_end(after[0]) if after else len(self._text)))

    def _is_only_key(self, start: int, scope: Span) -> bool:
        """Whether the path at `start` is all that could be a key there."""
        if not self._exchanging or sum(1 for name in self._header if _KEY_COLUMN.search(name)) > 1:
            return False
        inside = range(bisect_left(self._keys, (scope[0], 0)), bisect_left(self._keys, (scope[1], 0)))
        return all(_in(start, self._keys[number]) for number in inside)

    @functools.cached_property
    def _keys(self) -> list[Span]:
        """Whatever could be a key in a bucket that is named beside it."""
        paths = [found.span("key") for found in self._paths]
        return sorted(paths + possible_keys(self._text, self._buckets, code=self._code))

    def _named(self, found: re.Match[str]) -> Named:
        value = found.group("value")
        start, end = found.span("value")
        if value[-1] in "\"'":
            start, end = start + value.index(value[-1]) + 1, end - 1
            literal = self._text[start:end]
            known: str | None = None if re.search(r"[{}$%]", literal) else literal
            return Named(found.start(), known, (start, end) if known else None)
        if value in self._buckets and not self._code:
            return Named(found.start(), value, (start, end))
        name = value.strip("${}()").rpartition(".")[2]
        known = self._values.get(name)
        if known is None and not self._code and "$" not in value:
            known = value
        return Named(found.start(), known, None)


_BESIDE = re.compile(
    r"(?:[rRbBuU]?[\"'`](?P<quoted>[^\"'`\n]+)[\"'`]|(?P<word>[A-Za-z0-9_][\w.-]*))\s*[,;|\t]\s*"
    r"(?:[A-Za-z_]\w*\s*=\s*)?[rRbBuUfF]?[\"'`]?$"
)
_BUCKET_OBJECT = re.compile(r"\bBucket\(\s*[\"'](?P<bucket>[^\"'\n]+)[\"']\s*\)[ \t\r]*$", re.MULTILINE)
_NAMED_BY = re.compile(r"\b(?P<name>\w+)[ \t]*=[^=\n]*$")
_INDENT = re.compile(r"(?P<space>[ \t]*(?P<dash>-[ \t]+)?)(?P<section>\[[^\]\n]*\]{1,2}[ \t\r]*$)?", re.MULTILINE)
_METHOD = re.compile(r"\b(?P<name>\w+)\.\w+\(\s*(?:[A-Za-z_]\w*\s*=\s*)?[rRbBuUfF]?[\"']$")
_CELL = re.compile(r"(?:^|(?<=[,;\t|]))[ ]*\"?(?P<cell>[^,;\t|\"\r\n]*?)\"?[ ]*(?=[,;\t|\r]|$)", re.MULTILINE)
_KEY_COLUMN = re.compile(r"key|prefix|object|path")


def _in(start: int, span: Span) -> bool:
    return span[0] <= start < span[1]


def _bound(text: str) -> dict[str, str]:
    """What `name = boto3.resource("s3").Bucket("bucket")` binds, whose methods take keys."""
    found: dict[str, str] = {}
    for call in _BUCKET_OBJECT.finditer(text):
        name = _NAMED_BY.search(text[max(0, call.start() - _LOOK_BACK) : call.start()])
        if name is not None:
            found[name.group("name")] = call.group("bucket")
    return found


def _paths(sources: Sequence[Location]) -> re.Pattern[str]:
    """What a source's key looks like where it begins; "above" is a folder that sources are under."""
    wanted: dict[str, str] = {}
    above: dict[str, str] = {}
    for source in sources:
        if not source.is_prefix and "/" not in source.key:
            continue  # a plain word, that stands for anything
        for text in spellings(source.key):
            if source.is_prefix:
                wanted[text] = re.escape(text)
                bare = text.removesuffix("/").removesuffix("%2F").removesuffix("%2f")
                wanted.setdefault(bare, _folder(bare))
            else:
                wanted[text] = re.escape(text) + r"(?![\w-]|\.\w)"
        names = source.key.split("/")[:-1]
        for count in range(1, len(names)):
            folder = "/".join(names[:count])
            above[folder] = rf"{re.escape(folder)}/(?=[\"'`\s,;)\]}}*]|$)|{_folder(folder)}"
    wanted.pop("", None)
    above = {text: pattern for text, pattern in above.items() if text not in wanted}
    parts = [pattern for _, pattern in sorted(wanted.items(), key=lambda item: -len(item[0]))] or [r"(?!)"]
    folders = [pattern for _, pattern in sorted(above.items(), key=lambda item: -len(item[0]))] or [r"(?!)"]
    return re.compile(rf"{_BEFORE}(?P<key>{'|'.join(parts)}|(?P<above>{'|'.join(folders)}))")


def _folder(name: str) -> str:
    """A folder's name without its slash; a single word only within quotes."""
    if "/" in name or "%" in name:
        return re.escape(name) + _END_OF_NAME
    return rf"(?<=[\"'`]){re.escape(name)}(?=[\"'`])"


def spellings(key: str) -> list[str]:
    """A key as it is, and as URLs encode it, with its slashes or without."""
    return list(
        dict.fromkeys([key, quote(key, safe="/"), quote(key, safe=""), quote(key, safe="").replace("%2F", "%2f")])
    )


class Brackets:
    """Every pair of brackets in a text, of whatever kind; what has no partner is left out."""

    def __init__(self, text: str) -> None:
        opened: list[int] = []
        pairs: list[Span] = []
        for found in _BRACKET.finditer(text):
            if found.group() in "([{":
                opened.append(found.start())
            elif opened:
                pairs.append((opened.pop(), found.end()))
        self._pairs = sorted(pairs)
        self._starts = [start for start, _ in self._pairs]
        self._around = [-1] * len(pairs)
        inside: list[int] = []
        for number, (start, _) in enumerate(self._pairs):
            while inside and self._pairs[inside[-1]][1] <= start:
                inside.pop()
            self._around[number] = inside[-1] if inside else -1
            inside.append(number)

    def around(self, at: int) -> Iterator[Span]:
        """The pairs that a place is in, from the inside out."""
        number = bisect_left(self._starts, at) - 1
        while number >= 0:
            if self._pairs[number][1] > at:
                yield self._pairs[number]
            number = self._around[number]
