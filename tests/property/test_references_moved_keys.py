"""What the ledger answers about a key or a folder, held against a plain look at all of its rows."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ledger import Binding, Ledger
from engine.plan.binding import RouteBinding
from engine.plan.lifecycle import DONE, State
from engine.plan.record import Decision
from engine.references.judging import Presence
from engine.references.moved_keys import MovedKeys
from tests.faults.amount import examples

KEYS = st.text(st.sampled_from("ab/.\u00e9\ue000\ud7ff\U0001f600\U0010ffff"), max_size=5)
ROWS = st.dictionaries(KEYS, st.sampled_from([State.COPIED, State.COPIED, State.PLANNED, State.CONFLICT]), max_size=12)
BINDING = Binding("p", "e", (RouteBinding("r", "s3://a/", "s3://b/", ""),))


def expected(rows: dict[str, State], key: str) -> Presence:
    under = [state in DONE for name, state in rows.items() if name.startswith(key)]
    return Presence(rows[key] in DONE if key in rows else None, all(under) if under else None)


async def ask(rows: dict[str, State], keys: list[str]) -> list[Presence]:
    with tempfile.TemporaryDirectory() as folder:
        async with await Ledger.open(Path(folder) / "p.ledger", BINDING, now_ms=lambda: 1) as ledger:
            decisions = [
                Decision(key, 1, "e", "", "STANDARD", "", state, target_etag="e", found=state is State.COPIED)
                for key, state in sorted(rows.items())
            ]
            await ledger.decide("r", decisions)
            return await MovedKeys(ledger).answering(
                lambda lookup: [Presence(known.exact, known.under) for known in (lookup("r", key) for key in keys)]
            )


@given(ROWS, st.lists(KEYS, min_size=1, max_size=6))
@settings(max_examples=examples(25))
async def test_it_is_what_all_rows_say(rows: dict[str, State], keys: list[str]) -> None:
    asked = [*keys, *rows]
    assert await ask(rows, asked) == [expected(rows, key) for key in asked]
