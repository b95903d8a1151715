"""A terminal or a pipe whose encoding lacks a key's letters, or ours: they are escaped, and no command ends by them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli import main as cli_main
from tests.cli.canned import Asked, Copied, Listing, Refusal, answering
from tests.cli.commands import MODULE, Terminal, write_plan

LISTED = ("old/%C3%BC.txt", "old/%CC%81.txt", "old/%E6%97%A5.txt", "old/%F0%9F%98%80.txt")
SHOWN = {"iso8859-7": r"\xfc.txt", "latin-1": "ü.txt", "cp1252": "ü.txt", "cp437": "ü.txt", "utf-8": "ü.txt"}
COMMANDS = {
    "ls": ("ls", "-r", "s3://bucket/"),
    "ls, summed": ("ls", "--summarize", "s3://bucket/"),
    "ls, as NDJSON": ("ls", "-r", "s3://bucket/", "--json"),
    "plan": ("plan", "moving.toml"),
    "run": ("run", "moving.toml", "--yes", "--assume", "aws"),
    "status": ("status", "moving.toml", "--failed"),
    "verify": ("verify", "moving.toml"),
    "help": ("--help",),
}


def answer(asked: Asked) -> Refusal | Listing | Copied:
    if asked.key:
        return Refusal(403, "AccessDenied", "Access Denied")
    return Listing(LISTED if "old/".startswith(asked.prefix) or asked.prefix.startswith("old/") else ())


@pytest.mark.parametrize("encoding", SHOWN)
def test_what_an_encoding_lacks_is_escaped(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    write_plan(terminal.folder)
    with answering(answer) as server:
        terminal.at(server.url)
        for name, words in COMMANDS.items():
            out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True) for _ in range(2))
            monkeypatch.setattr(sys, "stdout", out)
            monkeypatch.setattr(sys, "stderr", err)
            monkeypatch.setattr(sys, "argv", ["cartage", *words])
            with pytest.raises(SystemExit):
                cli_main.main()
            said = out.buffer.getvalue().decode(encoding), err.buffer.getvalue().decode(encoding)
            for text in said:
                assert "Traceback" not in text and "mistake" not in text, (name, text)
            if name in ("ls", "status"):
                assert SHOWN[encoding] in said[0], (name, said)


def test_a_name_that_no_file_can_have_is_said_with_what_helps(tmp_path: Path) -> None:
    """Where the locale's names are ASCII, and Python was told to leave it so."""
    plan = write_plan(tmp_path)
    plan.write_text(plan.read_text().replace('name = "moving"', 'name = "\u00fcber"', 1), encoding="utf-8")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = subprocess.run([*MODULE, "report", str(plan)], env={**os.environ, **plain}, capture_output=True, timeout=60)
    assert ended.returncode == 1
    assert rb"\xfcber.report.html cannot be a file's name here" in ended.stderr and b"LC_ALL=C.UTF-8" in ended.stderr
