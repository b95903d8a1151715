"""A journal does not say twice what its reader knows; and what a writer remembers for it is what is on its way."""

from __future__ import annotations

from engine.journal.views import Thinner
from engine.ledger.commands import SAME_ETAG, Command
from engine.plan.lifecycle import State
from engine.plan.record import Outcome
from tests.unit.ledger.scene import decision


def concluded(thinner: Thinner, key: str, etag: str) -> str:
    command = thinner.thin(Command("conclude", ("raw", [Outcome(key, State.COPIED, etag)], 2)))
    return str(command.arguments[1][0].target_etag)


def decided(key: str, etag: str, state: State = State.PLANNED) -> Command:
    return Command("decide", ("raw", [decision(key, state)._replace(source_etag=etag)], 1))


def test_the_targets_etag_is_left_out_where_it_is_the_sources() -> None:
    thinner = Thinner()
    thinner.thin(decided("a", "one"))
    thinner.thin(decided("b", "two"))
    assert concluded(thinner, "a", "one") == SAME_ETAG
    assert concluded(thinner, "b", "another") == "another"
    assert concluded(thinner, "a", "one") == "one", "it is no longer on its way"


def test_what_is_forgotten_or_decided_otherwise_is_not_on_its_way() -> None:
    thinner = Thinner()
    for name in ("forget", "let_go"):
        thinner.thin(decided("a", "one"))
        thinner.thin(Command(name, ("raw", ["a"])))
        assert concluded(thinner, "a", "one") == "one"
    thinner.thin(decided("a", "one"))
    thinner.thin(decided("a", "two", State.COPIED))
    assert concluded(thinner, "a", "one") == "one"
