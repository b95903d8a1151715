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
from typing import TypeVar

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
    return 0 if upto is None else _shared(key, upto)


def _shared(one: str, other: str) -> int:
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


def split_points(first: str, last: str, upto: str | None, alphabet: str, count: int) -> list[str]:
    """At most `count` texts strictly between `last` and `upto` where a range may be worth cutting, in order.

    `first` and `last` are the keys of the page read last; nothing of the range lies beyond `upto` (None: unbounded).
    Empty where what is left looks like no more than a page."""
    level = differs_at(last, upto)
    shared = _shared(first, last)

    def inside(point: str | None) -> bool:
        return point is not None and point > last and (upto is None or point < upto)

    # What leaves the beginning at the last shared character is little: it was within reach of this page.
    heads = [
        point
        for position in range(level, max(level + 1, shared - 1))
        if position < min(shared, len(last)) and inside(point := head_end(last, position))
    ]
    base = next((at for at in range(level, len(last)) if at <= shared and inside(head_end(last, at))), None)
    beyond: list[str] = []
    if base is not None:
        characters = [item for item in alphabet if item > last[base] and inside(last[:base] + item)]
        if base == shared and base < len(first):
            a_page = sum(first[base] <= item <= last[base] for item in alphabet)
            characters = characters[max(1, a_page) :]  # the next ones are the next page
        beyond = [last[:base] + item for item in characters]
        run = _run(characters)
        end = head_end(last[:base] + run, base) if run else None
        if len(run) < len(characters) and end is not None and inside(end):
            # Digits go on with digits: one look beyond them tells whether anything else is there at all.
            beyond = [*(last[:base] + item for item in characters if item <= run), end]
    of_heads = max(count // 2, count - len(beyond))
    chosen = spread([point for point in heads if point is not None], of_heads)
    if len(beyond) > count - len(chosen) > 1:
        chosen.append(beyond.pop())
    chosen += spread(beyond, count - len(chosen))
    return sorted(set(chosen))


def _run(characters: Sequence[str]) -> str:
    """The last of the characters that follow each other without a gap, from the first on; empty where there is none."""
    end = ""
    for item in characters:
        if end and successor(end) != item:
            break
        end = item
    return end
