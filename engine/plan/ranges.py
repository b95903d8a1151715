"""Where a range of keys can be cut in two, guessed from one page of it. Pure.

Nothing is assumed of the keys but their order, that of code points. A guess is only ever where to look: a list page
that starts there says whether any key lies beyond, and a range is cut only between keys that were seen. So a bad guess
costs one request and can neither lose nor repeat a key.

Two kinds of guesses. **Heads**: the keys of one page share a beginning; wherever the keys after it leave that
beginning, they leave it at one of its characters, and the successor of each shared beginning tells which. **Spread**:
at the first character where keys after the page can differ, the characters that this listing is known to use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeGuard, TypeVar

from engine.plan.locations import MAX_KEY_BYTES, key_bytes

Item = TypeVar("Item")

LAST_CHARACTER = chr(0x10FFFF)
ALPHABET_KEPT = 256


def successor(character: str) -> str | None:
    """The next character that a key can hold (no surrogates); None after the last."""
    if character == LAST_CHARACTER:
        return None
    code = ord(character) + 1
    return chr(0xE000 if 0xD800 <= code <= 0xDFFF else code)


def head_end(key: str, position: int) -> str | None:
    """The least text above everything that begins with `key[: position + 1]`; None where there is none."""
    following = successor(key[position])
    return None if following is None else key[:position] + following


def differs_at(key: str, upto: str | None) -> int:
    """The first position at which a key after `key`, and not after `upto`, can differ from `key`."""
    return 0 if upto is None else shared(key, upto)


def shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    for at, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return at
    return min(len(one), len(other))


def breadth(last: str, upto: str | None) -> tuple[int, int]:
    """How much of the key space lies between, for comparing ranges: a greater value is the wider range."""
    level = differs_at(last, upto)
    low = ord(last[level]) if level < len(last) else 0
    high = ord(upto[level]) if upto is not None and level < len(upto) else ord(LAST_CHARACTER)
    return -level, high - low


def widened(alphabet: str, keys: Iterable[str]) -> str:
    """The characters known so far with those of `keys`, in order; no more than `ALPHABET_KEPT`."""
    return "".join(spread(sorted(set(alphabet).union(*keys)), ALPHABET_KEPT))


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` of the items, evenly, from inside rather than from the ends."""
    if count <= 0:
        return []
    if len(items) <= count:
        return list(items)
    return [items[(2 * at + 1) * len(items) // (2 * count)] for at in range(count)]


def split_points(first: str, last: str, upto: str | None, alphabet: str, count: int, prefix: str = "") -> list[str]:
    """At most `count` texts strictly between `last` and `upto` where a range may be worth cutting, in order.

    `first` and `last` are the keys of the page read last; nothing of the range lies beyond `upto` (None: unbounded).
    Empty where what is left looks like no more than a page. With the listing's `prefix` before it, each can be a key.

    For example a page from "img_000000" to "img_000999" in names of digits and "gim_", with nothing known of what is
    beyond. The heads are "j", "in", "imh", "img`", "img_1" and "img_01" (what leaves "img_00" was within reach of this
    page); the spread is "m", the one known character that a later key can begin with. Pages show keys after "img_1"
    and none after "img`", which is the bound from now on. Then a page from "img_100000" to "img_100999" leaves little
    but what follows "img_": the head "img_11", and the spread "img_2", "img_3", … "img_9" with "img_:", which is
    beyond all digits and tells whether anything else is there."""
    heads = _heads(first, last, upto)
    following = _following(first, last, upto, alphabet)
    chosen = spread(heads, max(count // 2, count - len(following)))
    if len(following) > count - len(chosen) > 1:
        chosen.append(following.pop())
    chosen += spread(following, count - len(chosen))
    return sorted(point for point in set(chosen) if key_bytes(prefix + point) <= MAX_KEY_BYTES)


def _is_inside(point: str | None, last: str, upto: str | None) -> TypeGuard[str]:
    return point is not None and point > last and (upto is None or point < upto)


def _heads(first: str, last: str, upto: str | None) -> list[str]:
    """Where keys after the page leave a beginning that all of it shares, the shortest one first. What leaves it at its
    last character is little: it was within reach of this page."""
    alike = shared(first, last)
    level = differs_at(last, upto)
    ends = [head_end(last, at) for at in range(level, min(max(level + 1, alike - 1), alike))]
    return [end for end in ends if _is_inside(end, last, upto)]


def _following(first: str, last: str, upto: str | None, alphabet: str) -> list[str]:
    """The known characters after the page's at the first place where later keys can differ; of a run of them, as digits
    are, with one look beyond it that tells whether anything else is there at all."""
    alike = shared(first, last)
    places = range(differs_at(last, upto), min(alike + 1, len(last)))
    base = next((at for at in places if _is_inside(head_end(last, at), last, upto)), None)
    if base is None:
        return []
    beginning = last[:base]
    characters = [item for item in alphabet if item > last[base] and _is_inside(beginning + item, last, upto)]
    if base == alike and base < len(first):
        a_page = sum(first[base] <= item <= last[base] for item in alphabet)
        characters = characters[max(1, a_page) :]  # the next ones are the next page
    run = _run(characters)
    beyond = head_end(beginning + run, base) if run and len(run) < len(characters) else None
    if _is_inside(beyond, last, upto):
        return [*(beginning + item for item in characters if item <= run), beyond]
    return [beginning + item for item in characters]


def _run(characters: Sequence[str]) -> str:
    """The last of the characters that follow each other without a gap, from the first on; empty where there is none."""
    end = ""
    for item in characters:
        if end and successor(end) != item:
            break
        end = item
    return end


class Reach(NamedTuple):
    """What is known of a range that is to be cut: the last key read of it, its end, and a key that none of its source
    is beyond (None: not known)."""

    newest: str
    upto: str | None
    source_upto: str | None


class Cuts(NamedTuple):
    """Where a range is cut, from its end backwards, and what is known of its source's end now."""

    points: list[str]
    source_upto: str | None


def planned_cuts(points: Sequence[str], firsts: Sequence[str | None], reach: Reach) -> Cuts | None:
    """Which of `points`, in order, are worth a range of their own. `firsts` are the first keys beyond each (None: there
    is none at all). None where one is not beyond its point: the server ignores where a listing is to begin, so that
    nothing can be cut.

    With keys read up to "b", points "c", "f", "k", "p" and first keys beyond them "g", "g", "m" and none: "p" is the
    source's end; "k" and "f" are cuts, and "c" is not, since no key lies between it and "f"."""
    cuts: list[str] = []
    source_upto = reach.source_upto
    for point, first in zip(reversed(points), reversed(firsts), strict=True):
        if first is not None and first <= point:
            return None
        if first is None or (reach.upto is not None and first > reach.upto):
            source_upto = point if source_upto is None else min(source_upto, point)
        elif point > reach.newest and (not cuts or first <= cuts[-1]):
            cuts.append(point)
    return Cuts(cuts, source_upto)
