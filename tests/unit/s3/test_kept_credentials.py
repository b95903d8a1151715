"""Credentials are looked at again once a minute, behind the requests that go on with those in use."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import BadCredentials
from engine.plan.settings import Connection
from engine.s3 import kept_credentials
from engine.s3.kept_credentials import KeptCredentials
from engine.s3.session import Credentials, Session
from engine.store import ListPage
from tests.unit.s3.conftest import OpenStore
from tests.unit.s3.fakes import EMPTY_PAGE, Exchange, http, serving, until

FIRST, SECOND = Credentials("FIRST", "s"), Credentials("SECOND", "s", "token")


class Slow(Session):
    """A session whose source answers the first question at once, and every other when `go` is set."""

    def __init__(self, url: str = "") -> None:
        super().__init__(Connection(endpoint_url=url))
        self.asked = 0
        self.has_renewed = False
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def credentials(self) -> Credentials:
        self.asked += 1
        if self.asked == 1:
            return FIRST
        await self.go.wait()
        if self.error is not None:
            raise self.error
        self.has_renewed = True
        return SECOND

    async def refresh(self) -> None:
        self.go.set()


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials are old as soon as they are there."""
    monkeypatch.setattr(kept_credentials, "CREDENTIALS_AGE_S", -1.0)


@pytest.mark.parametrize("plane", ["wire", "boto"])
@pytest.mark.usefixtures("old")
async def test_no_request_waits_for_a_source_that_takes_its_time(open_store: OpenStore, plane: str) -> None:
    async def serve_page(exchange: Exchange) -> None:
        await exchange.answer(http(EMPTY_PAGE))

    async with serving(serve_page) as server:
        session = Slow(server.url())
        store = await open_store(server.url(), plane=plane, session=session)
        for _ in range(5):
            await store.list_page(ListPage("bucket"))
        assert session.asked == 2, "one is asked for, whoever else comes meanwhile"
        session.go.set()
        await until(lambda: session.has_renewed)
        await store.list_page(ListPage("bucket"))
        used = [item.header("authorization").partition("Credential=")[2].partition("/")[0] for item in server.seen]
        assert used == ["FIRST"] * 5 + ["SECOND"]


async def test_those_that_are_not_old_are_not_asked_for_again() -> None:
    session = Slow()
    kept = KeptCredentials(session)
    assert kept.look() is None
    assert await asyncio.gather(*(kept.get() for _ in range(5))) == [FIRST] * 5
    assert (kept.look(), session.asked) == (FIRST, 1)


@pytest.mark.usefixtures("old")
async def test_a_renewal_that_fails_keeps_those_in_use_and_may_come_again() -> None:
    session, told = Slow(), list[Credentials]()
    kept = KeptCredentials(session, told.append)
    assert await kept.get() == FIRST
    session.error = BadCredentials("no more", operation="Sign")
    session.go.set()
    assert await kept.get() == FIRST
    await until(lambda: kept.look() == FIRST and session.asked > 2)
    session.error = None
    await until(lambda: kept.look() == SECOND)
    assert told == [FIRST, SECOND]
    await kept.aclose()


@pytest.mark.parametrize("plane", ["wire", "boto"])
async def test_what_s3_calls_expired_is_replaced_at_once(open_store: OpenStore, plane: str) -> None:
    async def serve_page(exchange: Exchange) -> None:
        await exchange.answer(http(EMPTY_PAGE))

    async with serving(serve_page) as server:
        store = await open_store(server.url(), plane=plane, session=Slow(server.url()))
        await store.list_page(ListPage("bucket"))
        await store.refresh()
        await store.list_page(ListPage("bucket"))
        assert "Credential=SECOND/" in server.seen[-1].header("authorization")
