"""Where a process begins that is a command: so little that a signal of its first moments ends it as any later one."""

from __future__ import annotations

import signal


def main() -> None:
    """The entry point. Ends with the documented exit codes; no traceback reaches a user."""
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C is: raised wherever it comes
        from engine.cli.main import main as carry_out

        carry_out()
    except BaseException as error:
        if not was_interrupted(error):
            raise
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        from engine.cli.main import interrupted

        interrupted()


def was_interrupted(error: BaseException | None) -> bool:
    """Whether a signal ended it. One that comes while a class is made, as most imports make some, is no more than the
    cause of a `RuntimeError` before Python 3.12."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None


if __name__ == "__main__":
    main()
