"""The quick readers of answers read what the strict parser reads, and nothing hostile gets through either."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, quote_plus, unquote
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Ambiguous, ListingBroken, StoreError
from engine.model import RESTORING, UNKNOWN_SIZE, ListedObject, ObjectRef, Page, Properties, UploadedPart, UploadRef
from engine.s3 import listing_xml, messages, operations, parsing, xml
from engine.s3.listing_xml import page_of
from engine.s3.parsing import Answer
from engine.s3.request_xml import complete_xml, delete_xml, fits_xml
from engine.store import CopyObject, CopyPart, ListPage, PutObject
from tests.faults.amount import examples

CALL = messages.list_page(ListPage("bucket"))
COPY = messages.copy_object(CopyObject(ObjectRef("a", "k"), ObjectRef("b", "k"), "e"))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
IN_XML = TEXT.filter(fits_xml).filter(lambda text: "\r" not in text and text.strip() == text)


@st.composite
def listed(draw: st.DrawFn) -> ListedObject:
    algorithm = draw(st.sampled_from(["", "CRC64NVME:FULL_OBJECT", "SHA256:COMPOSITE"]))
    return ListedObject(
        draw(TEXT),
        draw(st.integers(0, 5 << 40)),
        draw(st.sampled_from(["9b2cf535f27731c974343645a3985328", "9b2cf535f27731c974343645a3985328-12", ""])),
        "2026-01-31T10:00:00.000Z",
        draw(st.sampled_from(["STANDARD", "GLACIER", "INTELLIGENT_TIERING"])),
        algorithm,
        draw(st.sampled_from(["", RESTORING, "2026-02-01T00:00:00.000Z"])),
    )


def item_xml(item: ListedObject, *, quick: bool) -> str:
    """A line as S3 writes it, or (not `quick`) as others do: another order, white space, a reference."""
    algorithm, _, kind = item.checksum.partition(":")
    checksum = f"<ChecksumAlgorithm>{algorithm}</ChecksumAlgorithm><ChecksumType>{kind}</ChecksumType>"
    ongoing = "true" if item.restore == RESTORING else "false"
    until = f"<RestoreExpiryDate>{item.restore}</RestoreExpiryDate>" if item.restored else ""
    restore = f"<RestoreStatus><IsRestoreInProgress>{ongoing}</IsRestoreInProgress>{until}</RestoreStatus>"
    fields = [
        f"<Key>{quote_plus(item.key)}</Key>",
        f"<LastModified>{item.modified}</LastModified>",
        f"<ETag>&quot;{item.etag}&quot;</ETag>",
        checksum if algorithm else "",
        f"<Size>{item.size}</Size>",
        f"<StorageClass>{item.storage_class}</StorageClass>",
        restore if item.restore else "",
    ]
    if quick:
        return f"<Contents>{''.join(fields)}</Contents>"
    return "<Contents>\n  " + "\n  ".join(reversed(fields)) + "<Owner><ID>&lt;x&gt;</ID></Owner></Contents>\n"


def page_xml(items: str, *, token: str = "") -> bytes:
    truncated = "true" if token else "false"
    following = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>" if token else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>bucket</Name><EncodingType>url</EncodingType><IsTruncated>{truncated}</IsTruncated>{items}{following}"
        "</ListBucketResult>"
    ).encode()


def answer(body: bytes, status: int = 200) -> Answer:
    return Answer(status, {}, body)


def strictly(body: bytes) -> Page:
    """What the parser alone reads."""

    def never(*_: object) -> list[object]:
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing_xml, "_ITEMS", never)
        return page_of(CALL, answer(body), "r")


@given(st.lists(listed(), max_size=6), st.sampled_from(["", "1/token+=&<"]), st.lists(st.booleans(), max_size=6))
def test_a_page_is_read_alike_by_either_way(items: list[ListedObject], token: str, quick: list[bool]) -> None:
    forms = [*quick, *[True] * len(items)]
    body = page_xml("".join(item_xml(item, quick=form) for item, form in zip(items, forms, strict=False)), token=token)
    read = page_of(CALL, answer(body), "r")
    assert read == strictly(body)
    assert read == Page(items, token or None, ())


@pytest.mark.parametrize("form", ["accesspoint/mine", "accesspoint:mine"])
def test_an_access_point_is_named_as_a_source_with_object_between(form: str) -> None:
    arn = f"arn:aws:s3:us-west-2:123456789012:{form}"
    source, target = ObjectRef(arn, "a b/c"), ObjectRef("b", "k")
    part = messages.copy_part(CopyPart(UploadRef(target, "id"), 1, source, "e", 0, 9))
    for call in (messages.copy_object(CopyObject(source, target, "e")), part):
        sent = dict(zip(call.names, call.values, strict=True))
        assert sent["x-amz-copy-source"] == f"{arn}/object/a%20b/c"
    plain = messages.copy_object(CopyObject(ObjectRef("a", "x"), target, "e"))
    assert dict(zip(plain.names, plain.values, strict=True))["x-amz-copy-source"] == "a/x"


HOSTILE = st.sampled_from(
    [
        "<Contents>", "</Contents>", "<Key>", "</Key>", "&lt;", "&amp;", "&#0;", "&bomb;", "<!--", "-->", "<![CDATA[",
        "]]>", "</ListBucketResult>", "<Size>9</Size>", "<!DOCTYPE x>", "\0", "<Key>a</Key>", "%zz", "%ff", "<", ">",
    ]
)  # fmt: skip


@settings(max_examples=examples(300))
@given(st.lists(listed(), min_size=1, max_size=3), HOSTILE, st.floats(0, 1))
def test_a_page_that_was_tampered_with_reads_alike_or_not_at_all(
    items: list[ListedObject], insertion: str, where: float
) -> None:
    text = page_xml("".join(item_xml(item, quick=True) for item in items)).decode()
    at = int(where * len(text))
    body = (text[:at] + insertion + text[at:]).encode()
    results: list[object] = []
    ways: tuple[Callable[[], Page], ...] = (lambda: page_of(CALL, answer(body), "r"), lambda: strictly(body))
    for read in ways:
        try:
            results.append(read())
        except StoreError as error:
            results.append(type(error))
    assert results[0] == results[1]


@given(st.lists(listed(), min_size=1, max_size=3), st.integers(0, 5000))
def test_a_page_that_is_cut_is_never_a_shorter_page(items: list[ListedObject], cut: int) -> None:
    body = page_xml("".join(item_xml(item, quick=True) for item in items))
    with pytest.raises((Ambiguous, ListingBroken)):
        page_of(CALL, answer(body[: cut % len(body)]), "r")


@given(st.dictionaries(st.sampled_from(["ETag", "LastModified", "ChecksumCRC32", "Code", "Message"]), IN_XML))
def test_a_flat_answer_is_read_alike_by_either_way(fields: dict[str, str]) -> None:
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    for space in ("", "\n \n"):
        body = f'{space}<?xml version="1.0"?>\n<Root xmlns="u:x">{inner}</Root>\n'.encode()
        document = xml.read(body.decode())
        assert xml.read_flat(body) == ("Root", fields) == (document.name, document.fields())


@settings(max_examples=examples(200))
@given(IN_XML, HOSTILE | st.sampled_from(["\x01", "\r", "\ufffe"]), st.floats(0, 1))
def test_a_flat_answer_that_was_tampered_with_reads_alike_or_not_at_all(value: str, insertion: str, at: float) -> None:
    text = f'<?xml version="1.0"?>\n<Root><ETag>&quot;{escape(value)}&quot;</ETag><LastModified>x</LastModified></Root>'
    place = int(at * len(text))
    text = text[:place] + insertion + text[place:]

    def by_parser() -> tuple[str, dict[str, str]]:
        document = xml.read(text)
        return document.name, document.fields()

    results: list[object] = []
    ways: tuple[Callable[[], object], ...] = (lambda: xml.read_flat(text.encode()), by_parser)
    for read in ways:
        try:
            results.append(read())
        except xml.NotXml:
            results.append("not XML")
    assert results[0] == results[1]


COPIED = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<CopyObjectResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<LastModified>2026-01-31T10:00:00.000Z</LastModified><ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag>"
    "%s</CopyObjectResult>"
)


@settings(max_examples=examples(300))
@given(
    st.sampled_from(["", "<Checksum%s>rosUhgp5mIg=</Checksum%s>", "<Checksum%s>qqo=-2</Checksum%s>"]),
    st.sampled_from(["CRC64NVME", "SHA256", "NEWER9", "Type"]),
    st.sampled_from(["", "<ChecksumType>FULL_OBJECT</ChecksumType>", "<ChecksumType>COMPOSITE</ChecksumType>"]),
    st.text(alphabet="<>/&;\"' EeTtag0z\n", max_size=3),
    st.floats(0, 1),
)
def test_the_usual_answer_to_a_copy_reads_as_any_other_document(
    checksum: str, name: str, kind: str, insertion: str, at: float
) -> None:
    """White space before the document keeps it from the short cut for the usual form."""
    text = COPIED % (checksum.replace("%s", name) + kind)
    place = int(at * len(text))
    text = text[:place] + insertion + text[place:]
    results: list[object] = []
    for body in (text.encode(), b"\n" + text.encode()):
        try:
            results.append(parsing.copy_result(COPY, answer(body), "r"))
        except StoreError as error:
            results.append(type(error))
    assert results[0] == results[1]


@settings(max_examples=examples(200))
@given(st.binary(max_size=200))
def test_no_bytes_are_a_success_that_was_not_said(body: bytes) -> None:
    with pytest.raises(StoreError):
        parsing.copy_result(COPY, answer(body), "r")
    with pytest.raises(StoreError):
        page_of(CALL, answer(body), "r")
    assert isinstance(parsing.error_of(COPY, answer(body, 500), "r"), Ambiguous)


BOMB = "<!DOCTYPE b [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
    f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)
)


@pytest.mark.parametrize(
    "body",
    [
        f"{BOMB}]><ListBucketResult>&j;</ListBucketResult>".encode(),
        b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><ListBucketResult/>",
        ("\ufeff<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><ListBucketResult>&e;</ListBucketResult>").encode(
            "utf-16"
        ),
        b"<" + b"a" * 5_000_000,
        b"<Contents>" * 300_000,
        b"<Contents><Key>" + b"k" * 5_000_000 + b"</Key>",
        b"<ListBucketResult>" + b"<a>" * 200_000,
        b" " * 5_000_000,
        b"&quot;" * 500_000,
    ],
    ids=["bomb", "external", "utf-16", "tag", "contents", "key", "deep", "white", "quotes"],
)
def test_hostile_answers_are_refused_and_soon(body: bytes) -> None:
    started = time.process_time()
    for read in (page_of, parsing.copy_result, lambda call, given, region: parsing.error_of(call, given, region)):
        try:
            result = read(CALL, answer(body), "r")
        except StoreError as error:
            result = error
        assert isinstance(result, StoreError)
        assert "root:" not in str(result)
    assert time.process_time() - started < 5


@given(TEXT, TEXT)
def test_a_copys_source_and_target_arrive_verbatim(source: str, target: str) -> None:
    call = messages.copy_object(CopyObject(ObjectRef("from", source), ObjectRef("to", target), "e"))
    headers = dict(zip(call.names, call.values, strict=True))
    assert unquote(headers["x-amz-copy-source"], errors="strict") == f"from/{source}"
    assert unquote(call.path, errors="strict") == target
    assert call.path == quote(target, safe="/~")
    assert "?" not in headers["x-amz-copy-source"] + call.path
    assert list(call.names) == sorted(call.names)


@given(TEXT, TEXT, TEXT | st.none(), st.sampled_from(["", "/"]))
def test_a_listings_query_is_sorted_and_says_what_was_asked(
    prefix: str, after: str, token: str | None, delimiter: str
) -> None:
    call = messages.list_page(ListPage("b", prefix, after, token, 7, delimiter))
    pairs = parse_qsl(call.query, keep_blank_values=True, strict_parsing=True, errors="strict")
    assert pairs == sorted(pairs)
    asked = {"list-type": "2", "encoding-type": "url", "max-keys": "7", "prefix": prefix, "start-after": after}
    asked |= ({"continuation-token": token} if token else {}) | ({"delimiter": delimiter} if delimiter else {})
    assert dict(pairs) == asked


@given(st.lists(st.tuples(TEXT.filter(fits_xml), st.none() | st.just("etag")), min_size=1, max_size=5))
def test_a_batch_names_its_keys_verbatim(keys: list[tuple[str, str | None]]) -> None:
    document = xml.read(delete_xml("b", keys).decode())
    read = [(item.text("Key"), item.text("ETag").strip('"') or None) for item in document.all("Object")]
    assert read == keys


def test_an_upload_is_completed_with_its_parts_in_order() -> None:
    parts = [UploadedPart(number, f"e{number}") for number in (1, 2, 3)]
    document = xml.read(complete_xml(parts, with_checksums=False).decode())
    assert [(item.text("PartNumber"), item.text("ETag")) for item in document.all("Part")] == [
        (str(part.number), f'"{part.etag}"') for part in parts
    ]


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\0b", "\x7f"])
def test_a_property_that_would_break_out_of_its_header_is_refused(value: str) -> None:
    for properties in (Properties(content_type=value), Properties(metadata=(("name", value),))):
        with pytest.raises(StoreError, match="cannot be sent"):
            messages.put_object(PutObject(ObjectRef("b", "k"), b"", properties))


def test_a_head_without_a_length_says_no_size_and_never_zero() -> None:
    assert parsing.object_head(answer(b"")).size == UNKNOWN_SIZE


def test_the_longest_page_of_s3_is_within_the_bounds() -> None:
    keys = ['"' * 1_019 + f"{number:05}" for number in range(1_000)]
    when = "2026-01-31T10:00:00.000Z"
    items = [ListedObject(key, 5 << 40, f"{'e' * 32}-10000", when, "GLACIER_IR") for key in keys]
    body = page_xml("".join(item_xml(item, quick=False) for item in items), token="t" * 1_024)
    assert strictly(body).objects == items
    # With room for what our own page lacks: checksums, owners and restores, some 500 bytes and ten tags a key.
    assert len(body) * 6 // 5 + 500_000 < operations.LIST_LIMIT_BYTES
    assert body.count(b"<") + 2 * 10 * len(items) < xml.MOST_TAGS


def test_only_answers_with_a_line_for_each_key_may_be_long() -> None:
    calls = {
        item.name: item.limit_bytes for item in vars(operations).values() if isinstance(item, operations.Operation)
    }
    assert {name for name, limit in calls.items() if limit != operations.ANSWER_LIMIT_BYTES} == {
        "ListObjectsV2", "ListObjectVersions", "ListParts", "ListMultipartUploads", "DeleteObjects",
        "GetBucketLifecycleConfiguration", "GetBucketReplication",
    }  # fmt: skip
    assert len(calls) > 15
