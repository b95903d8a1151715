"""The reference migration's names and numbers: 17,592 cards, sizes that add up, an array's header, two JSON files."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import lru_cache

CARDS = 17_592
DIMENSIONS = 768

_SERIES = ("base", "gym", "neo", "ecard", "ex", "dp", "pl", "hgss", "bw", "xy", "sm", "swsh", "sv")
_SETS = 12
_NAMES = (
    "bulbasaur", "ivysaur", "venusaur", "charmander", "charizard", "squirtle", "blastoise", "caterpie", "weedle",
    "pidgey", "rattata", "spearow", "ekans", "pikachu", "raichu", "sandshrew", "nidoran", "clefairy", "vulpix",
    "jigglypuff", "zubat", "oddish", "paras", "venonat", "diglett", "meowth", "psyduck", "mankey", "growlithe",
    "poliwag", "abra", "machop", "bellsprout", "tentacool", "geodude", "ponyta", "slowpoke", "magnemite", "doduo",
    "seel", "grimer", "gastly", "gengar", "onix", "drowzee", "krabby", "voltorb", "cubone", "koffing", "rhyhorn",
    "tangela", "horsea", "staryu", "scyther", "jynx", "magikarp", "gyarados", "lapras", "eevee", "snorlax", "mewtwo",
)  # fmt: skip
_SHAPES = 64
_SPREAD = 0.3


@lru_cache(maxsize=1)
def card_ids() -> tuple[str, ...]:
    """One id a card: set, number in it, name."""
    per_set = -(-CARDS // (len(_SERIES) * _SETS))
    every = (
        f"{series}{number:02d}-{card:03d}-{_NAMES[(number * 31 + card * 7) % len(_NAMES)]}"
        for series in _SERIES
        for number in range(1, _SETS + 1)
        for card in range(1, per_set + 1)
    )
    return tuple(card for _, card in zip(range(CARDS), every, strict=False))


def sizes(total: int, count: int, seed: int) -> Iterator[int]:
    """`count` sizes that add up to `total`, within 30 % of their mean; the last takes what is left. Few different
    ones, so that checksums of virtual bytes are quick."""
    mean = total // count
    drawn = random.Random(seed)
    shapes = [drawn.randrange(int(mean * _SPREAD)) for _ in range(_SHAPES)]
    left = total
    for index in range(count - 1):
        shape = shapes[(index >> 1) * 37 % _SHAPES]
        size = mean + shape if index & 1 else mean - shape
        left -= size
        yield size
    yield left


def npy_header() -> bytes:
    """The 128 bytes before the array's items, as NumPy writes them (format version 1.0)."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({CARDS}, {DIMENSIONS}), }}"
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.ljust(117).encode() + b"\n"


def index_json() -> bytes:
    """Row of the array → card id."""
    return json.dumps({str(row): card for row, card in enumerate(card_ids())}, indent=8).encode()


def metadata_json() -> bytes:
    """What the array is, and the cards in the order of its rows."""
    about = {
        "model": "dinov3-teacher",
        "version": "1.0",
        "rows": CARDS,
        "dimensions": DIMENSIONS,
        "dtype": "float32",
        "metric": "cosine",
        "cards": card_ids(),
    }
    return json.dumps(about, indent=5).encode()
