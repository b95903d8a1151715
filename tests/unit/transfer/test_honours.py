"""What a server honours is tried on objects of our own that are removed again, and said in sentences."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from engine.errors import AccessDenied, BadCredentials, ListingBroken, Unsupported
from engine.model import Location, Page
from engine.store import ListPage
from engine.transfer.honours import NAME, Honours, as_listed, refuse_losing, try_out
from tests.fake_store import FakeStore

WHERE = Location("bkt", "new/")


async def test_a_server_that_does_what_S3_does_loses_nothing() -> None:
    store = FakeStore()
    store.checksum_on_copy = True
    honours = await try_out(store, WHERE)
    assert honours == Honours.aws()
    assert honours.sentences() == []
    assert store.objects == {}
    assert all(request.ref.key.startswith(f"new/{NAME}") for request in store.made("PutObject"))


@pytest.mark.parametrize(
    ("ignored", "field", "word"),
    [
        ("honours_source", "source_pinned", "copy-source-if-match"),
        ("honours_target", "target_guarded", "ignores If-None-Match"),
        ("honours_delete", "delete_conditional", "delete by ETag"),
        ("checksum_on_copy", "checksums", "no checksum"),
    ],
)
async def test_a_condition_that_is_ignored_is_found_out(ignored: str, field: str, word: str) -> None:
    store = FakeStore()
    store.checksum_on_copy = True
    setattr(store, ignored, False)
    honours = await try_out(store, WHERE)
    assert getattr(honours, field) is False
    assert any(word in sentence for sentence in honours.sentences())
    assert store.objects == {}


async def test_501_to_a_condition_is_told_from_ignoring_it() -> None:
    store = FakeStore()
    refusal = Unsupported("no", operation="CopyObject", code="NotImplemented")
    store.plan("CopyObject", ("ok", None), ("ok", None), ("before", refusal))
    honours = await try_out(store, WHERE)
    assert (honours.target_guarded, honours.target_unsupported) == (False, True)
    assert any("501" in sentence for sentence in honours.sentences())


async def test_where_nothing_may_be_written_nothing_is_claimed() -> None:
    store = FakeStore()
    store.plan("PutObject", ("before", AccessDenied("no", operation="PutObject")))
    assert await try_out(store, WHERE) == Honours()
    assert Honours().sentences() == []


async def test_what_stops_a_run_is_raised() -> None:
    store = FakeStore()
    store.plan("PutObject", ("before", BadCredentials("expired", operation="PutObject")))
    with pytest.raises(BadCredentials):
        await try_out(store, WHERE)


async def test_beside_one_exact_target_the_trial_is_in_its_folder() -> None:
    store = FakeStore()
    await try_out(store, Location("bkt", "models/v1/model.tar.gz"))
    assert all(request.ref.key.startswith(f"models/v1/{NAME}") for request in store.made("PutObject"))


@pytest.mark.parametrize("honours", [Honours.aws(), Honours(), Honours(False, False, None, True, False, True)])
def test_a_note_is_read_back_as_it_was(honours: Honours) -> None:
    assert Honours.from_note(honours.as_note()) == honours


def test_a_note_of_an_older_ledger_can_be_read() -> None:
    newer = ("target_unsupported", "listing_continues", "listing_plain", "put_conditional")
    older = {key: value for key, value in Honours.aws().as_note().items() if key not in newer}
    assert Honours.from_note(older) == Honours(True, True, True, True, True)
    assert Honours.from_note(None) is None


class Encoded(FakeStore):
    """Compares encoded keys with what to go on after, as LocalStack 4.9 does; `plain_too`: without encoding as well."""

    plain_too = False

    async def list_page(self, request: ListPage) -> Page:
        encoded = self.plain_too or not request.plain
        after = request.token or request.start_after
        listed = (await super().list_page(request._replace(token=None, start_after="", max_keys=1_000))).objects
        left = [item for item in listed if not after or (quote(item.key) if encoded else item.key) > after]
        more = len(left) > request.max_keys
        return Page(left[: request.max_keys], left[request.max_keys - 1].key if more else None)


async def test_a_server_that_loses_special_keys_from_the_second_page_on_is_listed_without_encoding() -> None:
    store = Encoded()
    honours = await try_out(store, WHERE)
    assert (honours.listing_continues, honours.listing_plain) == (False, True)
    assert any("special keys" in sentence for sentence in honours.sentences())
    assert store.objects == {}
    for key in ("new/a", "new/é", "new/z"):
        store.put(f"s3://bkt/{key}")
    rest = await as_listed(store, honours).list_page(ListPage("bkt", "new/", "new/a"))
    assert [item.key for item in rest.objects] == ["new/z", "new/é"]
    assert as_listed(store, Honours.aws()) is store and as_listed(store, None) is store


async def test_one_page_that_came_wrong_is_no_verdict() -> None:
    store = FakeStore()
    pages, listed = 0, store.list_page

    async def list_page(request: ListPage) -> Page:
        nonlocal pages
        pages += 1
        answer = await listed(request)
        return answer._replace(next_token=None) if pages == 2 else answer

    store.list_page = list_page  # type: ignore[method-assign]
    assert (await try_out(store, WHERE)).listing_continues is True


async def test_a_server_that_loses_keys_however_it_is_asked_is_refused() -> None:
    store = Encoded()
    store.plain_too = True
    honours = await try_out(store, WHERE)
    assert (honours.listing_continues, honours.listing_plain) == (False, False)
    with pytest.raises(ListingBroken, match="leaves keys out"):
        refuse_losing(honours)


async def test_a_server_that_ignores_if_match_on_a_write_is_found_out() -> None:
    store = FakeStore()
    assert (await try_out(store, WHERE)).put_conditional is True
    store.honours_target = False
    honours = await try_out(store, WHERE)
    assert honours.put_conditional is False
    assert any("--no-conditional-writes" in sentence for sentence in honours.sentences())
