"""A terminal or a pipe whose encoding lacks a key's letters, or ours: they are escaped, and no command ends by them."""

from __future__ import annotations

import io
import sys

import pytest

from engine.cli import main as cli_main
from tests.cli.canned import Asked, Copied, Listing, Refusal, answering
from tests.cli.commands import Terminal, write_plan

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
