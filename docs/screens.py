"""What a terminal shows, as text and as a picture: `python docs/screens.py FOLDER [--width 80]`.

Starts the sandbox with a small part of the reference migration, carries out the five commands of a week in a
pseudo-terminal, and writes each screen as NAME.txt and NAME.svg. The tests of what is drawn use the same terminal.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyte

REPOSITORY = Path(__file__).resolve().parents[1]
CARTAGE = ["engine.cli.main"]
LINES = 200
"""Of a screen: more than a command says, so that nothing scrolls out of it."""

TAKES_TERMINAL = "docs.own_terminal"
"""Makes the pseudo-terminal a module's own, so that Ctrl-C typed there is a signal."""


class PseudoTerminal:
    """A command in a terminal of its own. What it wrote is in `raw`, what stands on the screen in `lines()`."""

    def __init__(
        self,
        module: Sequence[str],
        *,
        width: int,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        begin: type[subprocess.Popen[Any]] = subprocess.Popen,
    ) -> None:
        """`module` is what `python -m` takes, with its arguments; `begin` begins it."""
        self.raw = b""
        self._screen = pyte.HistoryScreen(width, LINES, history=0)
        self._stream = pyte.ByteStream(self._screen)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, width, 0, 0))
        try:
            self._process = begin(
                [sys.executable, "-m", TAKES_TERMINAL, *module],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                cwd=folder,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **(environment or {})},
                start_new_session=True,
            )
        finally:
            os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    @property
    def pid(self) -> int:
        return self._process.pid

    def type(self, text: str) -> None:
        """Keys, as they are pressed: "\\x03" is Ctrl-C."""
        os.write(self._master, text.encode())

    def see(self, text: str, timeout_s: float = 60.0) -> None:
        """Read until `text` stands on the screen. Raises TimeoutError with what stands there instead."""
        until = time.monotonic() + timeout_s
        while text not in self.text():
            if not self._read(until):
                raise TimeoutError(f"{text!r} is not on the screen:\n{self.text()}")

    def end(self, timeout_s: float = 120.0) -> int:
        """Read to the command's end; its exit code."""
        until = time.monotonic() + timeout_s
        while self._read(until):
            pass
        return self._process.wait(max(0.1, until - time.monotonic()))

    def lines(self) -> list[str]:
        """The screen down to its last line that is not empty."""
        found: list[str] = [line.rstrip() for line in self._screen.display]
        while found and not found[-1]:
            found.pop()
        return found

    def text(self) -> str:
        return "\n".join(self.lines())

    @property
    def cursor(self) -> tuple[int, bool]:
        """Its column, and whether it is shown."""
        return self._screen.cursor.x, not self._screen.cursor.hidden

    def _read(self, until: float) -> bool:
        """Take what comes; False at the command's end, and when time is up."""
        if not select.select([self._master], [], [], max(0.0, until - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def picture(self, title: str) -> str:
        """The screen as SVG, with the font that the reader's machine has."""
        from rich.color import Color
        from rich.console import Console
        from rich.style import Style
        from rich.terminal_theme import MONOKAI
        from rich.text import Text

        console = Console(record=True, width=self._screen.columns, file=open(os.devnull, "w"), force_terminal=True)  # noqa: PTH123, SIM115
        for number in range(len(self.lines())):
            line = Text()
            row = self._screen.buffer[number]
            cells = [row[column] for column in range(self._screen.columns)]
            for (fg, bold), alike in groupby(cells, lambda cell: (cell.fg, cell.bold)):
                colour = None if fg == "default" else Color.parse(_NAMES.get(fg, fg))
                line.append("".join(cell.data for cell in alike), Style(color=colour, bold=bold))
            line.rstrip()
            console.print(line, soft_wrap=True)
        console.file.close()
        drawn: str = console.export_svg(title=title, theme=MONOKAI, code_format=_SVG)
        return drawn


_NAMES = {"brown": "yellow"}
"""What pyte calls otherwise."""
_SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's own picture, but for its fonts, which come over the network."""


@contextmanager
def week(scale: float, latency_ms: float) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with the reference migration's plan, without a hold, and the environment of a sandbox that holds it."""
    from engine.sandbox import SandboxSettings, start_sandbox

    folder = Path(tempfile.mkdtemp(prefix="cartage-screens-"))
    try:
        with start_sandbox(SandboxSettings(latency_ms=latency_ms)) as sandbox:
            sandbox.control("reference", {"scale": scale})
            text = (REPOSITORY / "engine/sandbox/pokemon.toml").read_text("utf-8")
            (folder / "pokemon.toml").write_text(text, "utf-8")
            yield (
                folder,
                {
                    "AWS_ENDPOINT_URL_S3": sandbox.url,
                    "AWS_ACCESS_KEY_ID": sandbox.access_key,
                    "AWS_SECRET_ACCESS_KEY": sandbox.secret_key,
                    "AWS_REGION": sandbox.region,
                    "HOME": str(folder),
                    "TERM": "xterm-256color",
                    "LANG": "C.UTF-8",
                },
            )
    finally:
        shutil.rmtree(folder)


SCREENS = {
    "plan": ["plan", "pokemon.toml"],
    "run": ["run", "pokemon.toml", "--yes"],
    "verify": ["verify", "pokemon.toml"],
    "status": ["status", "pokemon.toml"],
    "cleanup": ["cleanup", "pokemon.toml"],
}
"""The five commands of a week."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("output", type=Path)
    arguments.add_argument("--width", type=int, action="append", default=None)
    arguments.add_argument("--scale", type=float, default=0.02)
    arguments.add_argument("--latency-ms", type=float, default=10.0)
    given = arguments.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    for width in given.width or [80]:
        with week(given.scale, given.latency_ms) as (folder, environment):
            for name, words in SCREENS.items():
                with PseudoTerminal([*CARTAGE, *words], width=width, folder=folder, environment=environment) as shown:
                    shown.end()
                    screen = f"$ cartage {' '.join(words)}\n{shown.text()}\n"
                    base = given.output / f"{name}-{width}"
                    base.with_suffix(".txt").write_text(screen, "utf-8")
                    base.with_suffix(".svg").write_text(shown.picture(f"cartage {' '.join(words)}"), "utf-8")


if __name__ == "__main__":
    main()
