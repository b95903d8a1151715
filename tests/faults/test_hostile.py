"""A server that means harm, asked by the command line: every command ends, in words, and without much memory or work.

Each server answers whatever it is asked with one kind of poison. The command runs in a process of its own, whose peak
of memory the kernel reports.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.amount import sample
from tests.faults.conftest import Record
from tests.servers import REPOSITORY

MOST_MEMORY_MB = 200
MOST_WORK_S = 30.0
"""Of processor time: how long it takes is the machine's."""
HANGS_S = 600.0
PIECE = b"x" * 65_536

Poison = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def endless(writer: asyncio.StreamWriter, head: bytes, piece: bytes) -> None:
    """`head`, and then `piece` for as long as anybody reads."""
    writer.write(head)
    while True:
        writer.write(piece)
        await writer.drain()


def whole(body: bytes, status: str = "200 OK", *headers: str) -> Poison:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/xml", *headers]

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        await writer.drain()

    return answer


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 16) for n in range(8))
    + b"]><ListBucketResult><Name>&i;</Name></ListBucketResult>"
)
FOREIGN = b'<!DOCTYPE l [<!ENTITY f SYSTEM "file:///etc/passwd">]><ListBucketResult><Name>&f;</Name></ListBucketResult>'
PAGE = b"<ListBucketResult>%s<IsTruncated>false</IsTruncated></ListBucketResult>"
UTF16 = BOMB.decode().replace('version="1.0"', 'version="1.0" encoding="utf-16"').encode("utf-16")

POISONS: dict[str, Poison] = {
    "headers without end": lambda writer: endless(writer, b"HTTP/1.1 200 OK\r\n", b"x-%s: y\r\n" % (b"z" * 900)),
    "one header without end": lambda writer: endless(writer, b"HTTP/1.1 200 OK\r\nx: ", PIECE),
    "a status line without end": lambda writer: endless(writer, b"HTTP/1.1 200 ", PIECE),
    "a body without end": lambda writer: endless(writer, b"HTTP/1.1 200 OK\r\n\r\n", PIECE),
    "a body of an exabyte": lambda writer: endless(
        writer, b"HTTP/1.1 200 OK\r\nContent-Length: 1152921504606846976\r\n\r\n", PIECE
    ),
    "chunks without end": lambda writer: endless(
        writer, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n%s\r\n" % PIECE
    ),
    "interim answers without end": lambda writer: endless(writer, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 200),
    "no HTTP": lambda writer: endless(writer, b"SSH-2.0-OpenSSH_9.2\r\n", PIECE),
    "entities that grow": whole(BOMB),
    "entities that grow, in UTF-16": whole(UTF16),
    "an entity from a file": whole(FOREIGN),
    "XML of a hundred thousand levels": whole(b"<a>" * 100_000),
    "XML of a million elements": whole(PAGE % (b"<Contents/>" * 1_000_000)),
    "a size of a million digits": whole(
        PAGE % (b"<Contents><Key>k</Key><Size>" + b"9" * 1_000_000 + b"</Size><ETag>x</ETag></Contents>")
    ),
    "a page that goes on for ever": whole(
        b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
        b"<Contents><Key>old/k</Key><Size>1</Size><ETag>x</ETag></Contents></ListBucketResult>"
    ),
    "an error that writes on the terminal": whole(
        b"<Error><Code>\x1b[2J</Code><Message>&#x9b;31m\x1b]0;owned\x07</Message></Error>".replace(b"\x1b", b"?"),
        "400 Bad Request",
    ),
    "an error of a megabyte": whole(
        b"<Error><Code>X</Code><Message>" + b"m" * 1_000_000 + b"</Message></Error>", "400 Bad Request"
    ),
    "a redirect to a file": whole(b"", "301 Moved", "Location: file:///etc/passwd"),
    "a redirect inside": whole(b"", "307 Temporary", "Location: http://169.254.169.254/latest/meta-data/"),
}


@asynccontextmanager
async def serving(poison: Poison) -> AsyncIterator[str]:
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await poison(writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def asked(url: str, folder: Path) -> tuple[int, str, float, float]:
    """`cartage cp` at that server: exit code, all that it said, its peak of memory in MB and its processor time."""
    cost = folder / "cost"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.faults.bounded", cost),
            *(sys.executable, "-m", "tests.faults.impatience", "cp", "s3://bucket/old/", "s3://bucket/new/", "--yes"),
            *("--endpoint-url", url, "--give-up-after", "1", "--ledger", str(folder / "l.ledger")),
        ],
        env={
            "PATH": os.environ["PATH"],
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        },
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=HANGS_S,
        check=False,
    )
    memory_mb, work_s = map(float, cost.read_text().split())
    return done.returncode, done.stdout.decode("utf-8", "replace"), memory_mb, work_s


@pytest.mark.parametrize("name", sample(POISONS, 5))
async def test_a_hostile_server_costs_a_sentence(name: str, tmp_path: Path, record: Record) -> None:
    async with serving(POISONS[name]) as url:
        code, text, memory_mb, work_s = await asyncio.to_thread(asked, url, tmp_path)
    assert code == 1, text[-3000:]
    assert text.startswith("cartage cp: ") or "\ncartage cp: " in text, text
    assert "Traceback" not in text and "mistake in Cartage" not in text, text
    assert not any(ord(character) < 32 and character not in "\n\r" for character in text), "it wrote on the terminal"
    assert len(text) < 5_000
    assert memory_mb < MOST_MEMORY_MB, f"{memory_mb:.0f} MB"
    assert work_s < MOST_WORK_S
    assert "root:" not in text
    record("hostile server", name, 1, "ended in words, with exit code 1", memory_mb=round(memory_mb))
