"""A page as a tree: what others named is text in it, whatever it says, and a browser may load and run nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.report.markup import document, tag
from engine.report.text import safe

HOSTILE = st.text(st.characters(), max_size=40) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "</title><script>",
        "--><img src=x onerror=1>",
        "&lt;b&gt;",
        "\u202eevil",
        "\x00\x1b[",
    ]
)


BODY = ["body", "p", "b"]


class Read(HTMLParser):
    """What a browser makes of it: elements with their attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(HOSTILE, HOSTILE, HOSTILE)
def test_whatever_a_key_says_it_is_text(key: str, other: str, title: str) -> None:
    body = tag("p", key, tag("b", other), key, aria_label=other)
    written = document(title, "p{}", [], [body])
    written.encode()  # no half of a surrogate pair is left
    read = Read(written.partition("</style>")[2])
    assert [name for name, _ in read.elements] == BODY
    assert read.text.strip("\n") == f"{safe(key)}{safe(other)}{safe(key)}"
    assert read.elements[1][1] == {"aria-label": safe(other)}
    assert [name for name, _ in Read(written).elements] == ["html", "head", *["meta"] * 5, "title", "style", *BODY]


@given(HOSTILE)
def test_no_control_character_and_no_bidirectional_mark_reaches_the_page(key: str) -> None:
    written = document("x", "", [], [tag("p", key)])
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", written)


def test_the_policy_names_the_style_by_its_hash_and_allows_nothing_else() -> None:
    written = document("x", "p { color: red }", [], [])
    policy = next(
        attributes["content"]
        for name, attributes in Read(written).elements
        if name == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    found = re.search(r"<style>(.*?)</style>", written, re.DOTALL)
    assert found
    digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_a_style_sheet_cannot_end_its_element() -> None:
    with pytest.raises(ValueError, match="closes its element"):
        document("x", "</style><script>", [], [])


def test_children_come_in_their_order_and_what_is_none_is_left_out() -> None:
    made = tag("p", "a", None, [tag("i", "b"), "c", tag("i", 4)], "d", hidden=True, id=None, lang=False)
    written = document("x", "", [], [made])
    assert '<p hidden="">a<i>b</i>c<i>4</i>d</p>' in written
