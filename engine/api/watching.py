"""What every verb has around it: whatever its options have shown or measured begins and ends with it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from engine.api.options import Options

Given = ParamSpec("Given")
Result = TypeVar("Result")


def watched(verb: Callable[Given, Coroutine[Any, Any, Result]]) -> Callable[Given, Coroutine[Any, Any, Result]]:
    """A verb whose options may have it measured."""
    at = list(inspect.signature(verb).parameters).index("options")

    @functools.wraps(verb)
    async def call(*args: Given.args, **given: Given.kwargs) -> Result:
        options = args[at] if len(args) > at else given.get("options")
        if not isinstance(options, Options) or options.metrics is None:
            return await verb(*args, **given)
        with _measuring(options, verb.__name__) as measured:
            if len(args) > at:
                return await verb(*args[:at], measured, *args[at + 1 :], **given)  # type: ignore[arg-type]
            return await verb(*args, **{**given, "options": measured})  # type: ignore[arg-type]

    return call


@contextmanager
def _measuring(options: Options, command: str) -> Iterator[Options]:
    from engine.api.metrics import Metrics  # only where something is measured

    metrics = options.metrics if isinstance(options.metrics, Metrics) else Metrics(options.metrics or "")
    with metrics.measuring(command, options.listener) as listener:
        yield replace(options, metrics=metrics, meter=metrics.meter, listener=listener)
