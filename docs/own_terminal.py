"""`python -m docs.own_terminal MODULE …`: `python -m MODULE …`, with the terminal at its stdin as its own."""

from __future__ import annotations

import fcntl
import runpy
import sys
import termios

if __name__ == "__main__":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
