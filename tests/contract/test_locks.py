"""Retention and legal hold, asked for by themselves: what HEAD leaves out for whoever may not read them."""

from __future__ import annotations

from engine.store import GetLegalHold, GetRetention
from tests.contract.ground import Contract, refusal


async def test_where_there_is_no_object_lock_none_is_told(contract: Contract) -> None:
    ref = await contract.put("plain")
    observed = await refusal(contract.store.get_retention(GetRetention(ref)))
    contract.holds("retention without Object Lock", observed, "Rejected InvalidRequest object")
    observed = await refusal(contract.store.get_legal_hold(GetLegalHold(ref)))
    contract.holds("a legal hold without Object Lock", observed, "Rejected InvalidRequest object")
