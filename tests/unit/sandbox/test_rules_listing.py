"""What the sandbox promises of listings: order by UTF-8 bytes, pages that join up, keys that arrive verbatim."""

from __future__ import annotations

from urllib.parse import unquote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sandbox.exchange import Reply
from tests.faults.amount import examples
from tests.unit.sandbox.asking import Sandbox, text_of, texts_of

KEYS = ["a", "a/b", "a/b/c", "a/d", "a b", "a+b", "a~b", "b/", "b/x", "é", "\U0001f600", "﹏", "Z", "x%41", "new\nline"]


@pytest.fixture
def sandbox() -> Sandbox:
    made = Sandbox()
    for key in KEYS:
        made.put(key)
    return made


def page(sandbox: Sandbox, **query: str) -> Reply:
    asked = {name.replace("_", "-"): value for name, value in query.items()}
    return sandbox("GET", "bbb", query={"list-type": "2", "encoding-type": "url", **asked})


def walk(sandbox: Sandbox, **query: str) -> tuple[list[str], list[str]]:
    """Keys and common prefixes of all pages, one after the other."""
    keys: list[str] = []
    groups: list[str] = []
    token: dict[str, str] = {}
    while True:
        reply = page(sandbox, **query, **token)
        prefixes = [unquote_plus(text) for text in texts_of(reply, "Prefix")][1:]
        keys += [unquote_plus(text) for text in texts_of(reply, "Key")]
        groups += prefixes
        if text_of(reply, "IsTruncated") == "false":
            return keys, groups
        token = {"continuation_token": text_of(reply, "NextContinuationToken")}


def test_keys_come_in_the_order_of_their_utf8_bytes(sandbox: Sandbox) -> None:
    assert walk(sandbox)[0] == sorted(KEYS, key=lambda key: key.encode())


@pytest.mark.parametrize("size", ["1", "2", "3", "1000"])
def test_pages_of_any_size_join_up(sandbox: Sandbox, size: str) -> None:
    assert walk(sandbox, max_keys=size) == walk(sandbox)
    assert walk(sandbox, max_keys=size, delimiter="/") == walk(sandbox, delimiter="/")


def test_a_prefix_and_a_start_bound_the_listing(sandbox: Sandbox) -> None:
    assert walk(sandbox, prefix="a/")[0] == ["a/b", "a/b/c", "a/d"]
    assert walk(sandbox, prefix="a/", start_after="a/b")[0] == ["a/b/c", "a/d"]
    assert walk(sandbox, prefix="a/", start_after="A")[0] == ["a/b", "a/b/c", "a/d"]
    assert walk(sandbox, prefix="a/", start_after="z")[0] == []


def test_a_delimiter_rolls_keys_up(sandbox: Sandbox) -> None:
    keys, groups = walk(sandbox, prefix="a/", delimiter="/")
    assert (keys, groups) == (["a/b", "a/d"], ["a/b/"])
    assert walk(sandbox, delimiter="/")[1] == ["a/", "b/"]


@settings(max_examples=examples(60))
@given(
    st.sets(st.text(st.sampled_from("ab/é\U0001f600"), min_size=1, max_size=5), min_size=1, max_size=20),
    st.text(st.sampled_from("ab/"), max_size=2),
    st.integers(1, 4),
)
def test_any_listing_agrees_with_its_definition(keys: set[str], prefix: str, size: int) -> None:
    sandbox = Sandbox()
    for key in keys:
        sandbox.put(key)
    under = sorted((key for key in keys if key.startswith(prefix)), key=lambda key: key.encode())
    plain = [key for key in under if "/" not in key[len(prefix) :]]
    groups = {prefix + key[len(prefix) :].partition("/")[0] + "/" for key in under if key not in plain}
    assert walk(sandbox, prefix=prefix, max_keys=str(size))[0] == under
    assert walk(sandbox, prefix=prefix, max_keys=str(size), delimiter="/") == (plain, sorted(groups))


def test_encoded_keys_are_spelled_as_s3_spells_them(sandbox: Sandbox) -> None:
    spelled = texts_of(page(sandbox), "Key")
    assert {"a+b", "a%2Bb", "a%7Eb", "a/b/c", "x%2541", "new%0Aline", "%C3%A9"} <= set(spelled)


def test_without_encoding_a_control_character_makes_the_xml_unreadable() -> None:
    sandbox = Sandbox()
    sandbox.put("bad\x01key")
    body = sandbox("GET", "bbb", query={"list-type": "2"}).body
    assert isinstance(body, bytes)
    assert b"<Key>bad&#x1;key</Key>" in body


def test_a_line_tells_the_checksum_by_algorithm_and_type() -> None:
    sandbox = Sandbox()
    sandbox.put("k")
    reply = page(sandbox)
    assert text_of(reply, "ChecksumAlgorithm") == "CRC64NVME"
    assert text_of(reply, "ChecksumType") == "FULL_OBJECT"
    sandbox.account.buckets["bbb"].legacy_checksums = True
    sandbox.put("k")
    assert texts_of(page(sandbox), "ChecksumAlgorithm") == []


def test_the_owner_is_told_only_when_asked() -> None:
    sandbox = Sandbox()
    sandbox.put("k")
    assert texts_of(page(sandbox), "DisplayName") == []
    assert texts_of(page(sandbox, fetch_owner="true"), "DisplayName") == ["sandbox"]


def test_a_restored_object_is_told_where_it_is_asked_for() -> None:
    sandbox = Sandbox()
    sandbox.account.restore_delay_s = 0
    sandbox.put("k", x_amz_storage_class="GLACIER")
    sandbox("POST", "bbb", "k", b"<RestoreRequest><Days>2</Days></RestoreRequest>", {"restore": ""})
    asked = {"list-type": "2"}
    told = sandbox("GET", "bbb", query=asked, x_amz_optional_object_attributes="RestoreStatus")
    assert text_of(told, "IsRestoreInProgress") == "false"
    assert texts_of(sandbox("GET", "bbb", query=asked), "RestoreStatus") == []


@pytest.mark.parametrize(
    "query",
    [{"max-keys": "-1"}, {"max-keys": "many"}, {"continuation-token": "no token"}, {"continuation-token": ""},
     {"encoding-type": "base64"}],
)  # fmt: skip
def test_arguments_that_make_no_sense_are_refused(sandbox: Sandbox, query: dict[str, str]) -> None:
    sandbox.refused("InvalidArgument", "GET", "bbb", query={"list-type": "2", **query})


def test_a_page_of_no_keys_and_one_of_too_many(sandbox: Sandbox) -> None:
    assert text_of(page(sandbox, max_keys="0"), "IsTruncated") == "false"
    assert text_of(page(sandbox, max_keys="5000"), "MaxKeys") == "1000"


def test_the_older_listing_goes_on_by_markers(sandbox: Sandbox) -> None:
    first = sandbox("GET", "bbb", query={"max-keys": "2", "delimiter": "/", "prefix": ""})
    assert text_of(first, "NextMarker") == "a"
    second = sandbox("GET", "bbb", query={"max-keys": "2", "delimiter": "/", "marker": "a b"})
    assert texts_of(second, "Key") == ["a+b"]
    assert texts_of(second, "Prefix") == ["", "a/"]
    third = sandbox("GET", "bbb", query={"max-keys": "1", "delimiter": "/", "marker": "a/"})
    assert texts_of(third, "Key") == ["a~b"]


def test_versions_are_listed_newest_first_with_markers() -> None:
    sandbox = Sandbox()
    sandbox.put("k", b"zero")
    enabled = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    sandbox("PUT", "bbb", body=enabled, query={"versioning": ""})
    sandbox.put("k", b"one")
    sandbox("DELETE", "bbb", "k")
    sandbox.put("z")
    reply = sandbox("GET", "bbb", query={"versions": ""})
    assert texts_of(reply, "Key") == ["k", "k", "k", "z"]
    assert texts_of(reply, "IsLatest") == ["true", "false", "false", "true"]
    assert texts_of(reply, "VersionId")[2] == "null"
    assert isinstance(reply.body, bytes)
    assert reply.body.count(b"<DeleteMarker>") == 1
    assert texts_of(page(sandbox), "Key") == ["z"]
    cut = sandbox("GET", "bbb", query={"versions": "", "max-keys": "2"})
    rest = {"key-marker": text_of(cut, "NextKeyMarker"), "version-id-marker": text_of(cut, "NextVersionIdMarker")}
    assert texts_of(sandbox("GET", "bbb", query={"versions": "", **rest}), "Key") == ["k", "z"]
