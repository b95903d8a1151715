"""Where a process begins that is a command: so little that a signal of its first moments ends it as any later one."""

from __future__ import annotations

import signal


def main() -> None:
    """The entry point. Ends with the documented exit codes; no traceback reaches a user."""
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C is: raised wherever it comes
        from engine.cli.main import main as carry_out

        carry_out()
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        from engine.cli.main import interrupted

        interrupted()


if __name__ == "__main__":
    main()
