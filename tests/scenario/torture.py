"""Keys that break things, as data: what each is for, and which server cannot be asked about it, with the reason."""

from __future__ import annotations

from dataclasses import dataclass, field

PREFIX_BYTES = 4
"""The bytes of the prefix on either side, so that a key can be as long as S3 allows."""


@dataclass(frozen=True, slots=True)
class TortureKey:
    """`key` comes after the prefix; `without` says for each server that is left out why."""

    name: str
    key: str
    without: dict[str, str] = field(default_factory=dict)


_LINE_END = {"moto": "its router answers 404 to a path with a line end"}

_NOT_ENCODED = "it loses special keys between pages unless it is listed without encoding, where XML "
_NOT_IN_XML = {"localstack": _NOT_ENCODED + "cannot carry this one"}
_CHANGED_BY_XML = {"localstack": _NOT_ENCODED + "turns a carriage return into a line feed"}

KEYS: tuple[TortureKey, ...] = (
    TortureKey("plain", "plain.txt"),
    TortureKey("space", "a b c.txt"),
    TortureKey("spaces around", " around "),
    TortureKey("plus", "a+b+c"),
    TortureKey("percent", "100%"),
    TortureKey("percent twice", "%%"),
    TortureKey("encoded slash", "a%2Fb"),
    TortureKey("encoded space", "a%20b"),
    TortureKey("encoded percent", "a%252Fb"),
    TortureKey("version id", "x?versionId=null"),
    TortureKey("question mark", "what?"),
    TortureKey("hash", "a#b"),
    TortureKey("ampersand", "a&b=c&amp;d"),
    TortureKey("angle brackets", "<Key>a</Key>"),
    TortureKey("quotes", "\"double\" 'single' `back`"),
    TortureKey("double slash", "a//b"),
    TortureKey("leading slash", "/lead"),
    TortureKey("trailing slash", "folder/"),
    TortureKey("only a slash", "/"),
    TortureKey("dot", "."),
    TortureKey("dots", ".."),
    TortureKey("dot inside", "a/./b"),
    TortureKey("dots inside", "a/../b"),
    TortureKey("dots outside", "../../x"),
    TortureKey("backslash", "a\\b\\"),
    TortureKey("newline", "line\nbreak", _LINE_END),
    TortureKey("carriage return", "carriage\rreturn", _CHANGED_BY_XML),
    TortureKey("both line ends", "both\r\nends\n", _LINE_END | _CHANGED_BY_XML),
    TortureKey("tab", "\ttab\t"),
    TortureKey("control", "control\x01\x1f", _NOT_IN_XML),
    TortureKey("escape", "\x1b[31mred\x1b[0m", _NOT_IN_XML),
    TortureKey("delete", "del\x7f"),
    TortureKey("next line", "next\u0085line"),
    TortureKey("line separator", "line\u2028separator"),
    TortureKey("emoji", "🃏/ピカチュウ.png"),
    TortureKey("family", "👨‍👩‍👧"),
    TortureKey("combining", "e\u0301"),
    TortureKey("precomposed", "\u00e9"),
    TortureKey("right to left", "\u202egnp.exe"),
    TortureKey("invisible", "\u200b\ufeff"),
    TortureKey("high plane", "\U0010fffd"),
    TortureKey("below surrogates", "\ud7ff"),
    TortureKey("above surrogates", "\ue000"),
    TortureKey("noncharacter", "\uffff", _NOT_IN_XML),
    TortureKey("formula", '=HYPERLINK("x")'),
    TortureKey("minus", "-rf"),
    TortureKey("apostrophe", "'=1"),
    TortureKey("shell", "$(touch x);`x`|x"),
    TortureKey("windows", "CON:<>|*?"),
    TortureKey("comma", 'a,b"c'),
    TortureKey("star", "[*]?{a,b}"),
    TortureKey("longest", "é" * 509 + "xy"),
    TortureKey("longest of four bytes", "🃏" * 255),
    TortureKey("prefix itself", ""),
)
"""In no order; two of them are equal after Unicode normalisation, and none may be normalised."""
