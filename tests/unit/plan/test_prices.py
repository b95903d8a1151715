"""What an object costs in a month, by what AWS bills for its class."""

from __future__ import annotations

import pytest

from engine.cli.grammar.choices import STORAGE_CLASSES
from engine.model import GIB
from engine.plan.prices import CLASSES, KIB, STANDARD, dollars_a_month


def test_a_whole_gigabyte_costs_what_the_list_says() -> None:
    assert dollars_a_month("STANDARD", GIB) == pytest.approx(0.023)
    assert dollars_a_month("", GIB) == pytest.approx(0.023)  # a listing that names no class means STANDARD
    assert dollars_a_month("STANDARD_IA", GIB) == pytest.approx(0.0125)


def test_small_objects_of_infrequent_access_are_billed_as_128_kib() -> None:
    for name in ("STANDARD_IA", "ONEZONE_IA", "GLACIER_IR"):
        assert dollars_a_month(name, 1) == dollars_a_month(name, 128 * KIB) != dollars_a_month(name, 129 * KIB)
    assert dollars_a_month("STANDARD", 0) == 0


def test_archived_objects_carry_forty_kib_more() -> None:
    assert dollars_a_month("GLACIER", 0) == pytest.approx((32 * 0.0036 + 8 * 0.023) * KIB / GIB)
    assert dollars_a_month("DEEP_ARCHIVE", GIB) == pytest.approx(0.00099 + (32 * 0.00099 + 8 * 0.023) * KIB / GIB)


def test_intelligent_tiering_watches_what_is_large_enough() -> None:
    assert dollars_a_month("INTELLIGENT_TIERING", 128 * KIB - 1) == dollars_a_month("STANDARD", 128 * KIB - 1)
    watched, plain = dollars_a_month("INTELLIGENT_TIERING", GIB), dollars_a_month("STANDARD", GIB)
    assert watched is not None and plain is not None
    assert watched - plain == pytest.approx(0.0000025)


def test_a_class_without_a_price_has_none_rather_than_nothing() -> None:
    assert dollars_a_month("SNOW", GIB) is None
    assert dollars_a_month("A_CLASS_OF_ANOTHER_SERVER", 0) is None
    assert CLASSES.keys() <= set(STORAGE_CLASSES)
    assert all(item.writes_per_1000 >= STANDARD.writes_per_1000 for item in CLASSES.values())
