"""What every verb has around it: whatever its options have shown or measured begins and ends with it; of many
errors it raises one."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from engine.api.options import Options
from engine.errors import one_error
from engine.events import Event, ignore
from engine.plan.document import Plan
from engine.shown import asked_of_reports

Given = ParamSpec("Given")
Result = TypeVar("Result")


def watched(verb: Callable[Given, Coroutine[Any, Any, Result]]) -> Callable[Given, Coroutine[Any, Any, Result]]:
    """A verb whose options may have it shown and measured, and that raises one error where several came together.
    `TypeError` for a plan that is none, and for options that are none: it would do its work by others than were asked
    for."""
    signature = inspect.signature(verb)
    command = verb.__module__.rpartition(".")[2]

    @functools.wraps(verb)
    async def call(*args: Given.args, **given: Given.kwargs) -> Result:
        bound = signature.bind(*args, **given)
        plan, named = bound.arguments.get("plan"), bound.arguments.get("options")
        if not (plan is None or isinstance(plan, Plan)):
            raise _no(verb.__name__, "Plan", "plan", plan, ": engine.load_plan reads one from its file")
        if not (named is None or isinstance(named, Options)):
            raise _no(verb.__name__, "Options", "options", named)
        options = named or Options()
        with ExitStack() as stack:
            if is_shown(options):
                options = stack.enter_context(_shown(options, verb.__name__))
            if options.metrics is not None:
                options = stack.enter_context(_measured(options, command))
            bound.arguments["options"] = options
            async with one_error():
                return await verb(*bound.args, **bound.kwargs)

    return call


def _no(verb: str, kind: str, name: str, given: object, advice: str = "") -> TypeError:
    return TypeError(f"{verb}() takes engine.{kind} as its {name}, and not {type(given).__name__}{advice}")


def is_shown(options: Options) -> bool:
    """Whether a bar is drawn: where one was asked for, or in a notebook whose user listens to nothing else."""
    if options.progress is None:
        return options.listener is ignore and is_notebook()
    return options.progress


def is_notebook() -> bool:
    """Whether this is the kernel of a notebook, as tqdm.auto has it."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and "IPKernelApp" in shell.config


@contextmanager
def _shown(options: Options, command: str) -> Iterator[Options]:
    bar: Any = asked_of_reports("bar", "NotebookBar")(command)

    def hear(event: Event) -> None:
        bar(event)
        options.listener(event)

    try:
        yield replace(options, progress=False, listener=hear)
    except BaseException:
        bar.close(whole=False)
        raise
    bar.close(whole=True)


@contextmanager
def _measured(options: Options, command: str) -> Iterator[Options]:
    from engine.api.metrics import Metrics  # only where something is measured

    metrics = options.metrics if isinstance(options.metrics, Metrics) else Metrics(options.metrics or "")
    with metrics.measuring(command, options.listener) as listener:
        yield replace(options, metrics=metrics, meter=metrics.meter, listener=listener)
