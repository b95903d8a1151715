"""A configuration is written whole: nobody else's change is written over, and what is not known is looked at."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Ambiguous, Rejected, RulesChanged, UsageError
from engine.finish.rule_change import Applied, History, change, put_back, read_history
from engine.model import LifecycleConfiguration, Node
from tests.fake_store.store import FakeStore

PUT = "PutBucketLifecycleConfiguration"


def rules(*ids: str) -> LifecycleConfiguration:
    return LifecycleConfiguration(tuple(Node("Rule", "", (Node("ID", name),)) for name in ids))


class Server(FakeStore):
    """Keeps one configuration; so many looks after a write (`late`) still show what was there before."""

    late = 0
    left = 0
    older = LifecycleConfiguration()

    async def get_lifecycle(self, request: Any) -> LifecycleConfiguration:
        now = await super().get_lifecycle(request)
        if not self.left:
            return now
        self.left -= 1
        return self.older

    async def put_lifecycle(self, request: Any) -> None:
        self.older, self.left = self.configuration, self.late
        await super().put_lifecycle(request)


@pytest.fixture
def server() -> Server:
    server = Server()
    server.configuration = rules("theirs")
    return server


async def no_time(_: float) -> None:
    return None


def writes(server: Server) -> int:
    return len(server.made(PUT))


async def test_what_is_there_is_looked_at_before_and_after(server: Server) -> None:
    assert await change(server, "b", rules("theirs"), rules("theirs", "ours"), no_time) == rules("theirs", "ours")
    names = [name for name, _ in server.requests]
    assert names == ["GetBucketLifecycleConfiguration", PUT, "GetBucketLifecycleConfiguration"]


async def test_a_change_of_somebody_elses_is_not_written_over(server: Server) -> None:
    server.configuration = rules("theirs", "new")
    with pytest.raises(RulesChanged, match="changed since it was looked at"):
        await change(server, "b", rules("theirs"), rules("theirs", "ours"), no_time)
    assert server.configuration == rules("theirs", "new") and writes(server) == 0


async def test_a_server_that_shows_it_late_is_waited_for(server: Server) -> None:
    server.late = 3
    assert await change(server, "b", rules("theirs"), rules("ours"), no_time) == rules("ours")
    server.late = 4
    shown = await change(server, "b", rules("ours"), rules("theirs"), no_time)
    assert shown == rules("ours"), "then what it shows is said"


async def test_a_write_whose_answer_was_lost_is_looked_for(server: Server) -> None:
    lost = Ambiguous("the connection broke", operation=PUT, ref="b", code="Reset")
    server.plan(PUT, ("after", lost))
    assert await change(server, "b", rules("theirs"), rules("ours"), no_time) == rules("ours")
    server.plan(PUT, ("before", lost))
    with pytest.raises(Ambiguous):
        await change(server, "b", rules("ours"), rules("theirs"), no_time)
    assert server.configuration == rules("ours")


async def test_what_s3_refuses_comes_out_as_it_is(server: Server) -> None:
    server.plan(PUT, ("before", Rejected("no", operation=PUT, ref="b", code="InvalidRequest")))
    with pytest.raises(Rejected):
        await change(server, "b", rules("theirs"), rules("ours"), no_time)
    assert server.configuration == rules("theirs")


@pytest.mark.parametrize("now", [rules("ours"), rules("ours in another form")])
async def test_what_was_there_is_put_back(server: Server, now: LifecycleConfiguration) -> None:
    server.configuration = now
    last = Applied(0, rules("theirs"), rules("ours"), rules("ours in another form"))
    assert await put_back(server, "b", last, no_time) == rules("theirs") == server.configuration


async def test_nothing_is_put_back_over_a_later_change(server: Server) -> None:
    server.configuration = rules("ours", "and a later one")
    with pytest.raises(RulesChanged, match="no longer what was applied"):
        await put_back(server, "b", Applied(0, rules("theirs"), rules("ours"), rules("ours")), no_time)
    assert writes(server) == 0


async def test_what_is_there_already_need_not_be_put_back(server: Server) -> None:
    last = Applied(0, rules("theirs"), rules("ours"), rules("ours"))
    assert await put_back(server, "b", last, no_time) == rules("theirs")
    assert writes(server) == 0


def test_a_history_comes_back_from_its_file() -> None:
    import msgspec

    history = History("https://s3", "b", "p/", (Applied(1, rules(), rules("a"), rules("a")),))
    assert read_history(msgspec.json.encode(history), "file") == history
    for odd in (b"", b"{}", b"[1]", b"\xff", msgspec.json.encode(msgspec.structs.replace(history, version=2))):
        with pytest.raises(UsageError, match="file is"):
            read_history(odd, "file")
