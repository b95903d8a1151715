"""Errors go from one process to another as they are."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest

import engine.errors
from engine.errors import EngineError, StoreError

KINDS: list[Any] = [
    kind for _, kind in inspect.getmembers(engine.errors, inspect.isclass) if issubclass(kind, EngineError)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_comes_out_of_another_process_as_it_went_in(kind: Any) -> None:
    named = dict(inspect.signature(kind).parameters)
    if named.pop("about", None):  # what every error of a store takes
        named |= inspect.signature(StoreError).parameters
    lists = {"problems", "reasons"}
    given = {name: ["it is so"] if name in lists else f"the {name}" for name in named if not name.endswith("_s")}
    error = kind(**given)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert vars(again) == vars(error)
