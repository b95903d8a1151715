"""TLS on one connection, whichever library does it.

It neither reads nor writes a socket: what came is handed to it, and what it wants sent is asked of it. So it is as fast
as the library alone, works alike on asyncio and uvloop and inside a proxy's tunnel, and takes up earlier sessions
(which the loops do not offer): opening many connections costs one certificate's check and not hundreds.

There are two: Python's `ssl` (`engine.s3.tls_python`), and, where that has an old OpenSSL, the one that the package
cryptography brings (`engine.s3.tls_cryptography`). Both raise `ssl`'s errors.
"""

from __future__ import annotations

from typing import Protocol

RECORD_BYTES = 16 << 10
"""What one record carries at most (RFC 8446, 5.1)."""


class Tls(Protocol):
    """One connection's TLS, the client's side. Every call may raise `ssl.SSLError`."""

    @property
    def session(self) -> object | None:
        """What a later connection can take up; with TLS 1.3 there is one only after the first answer."""

    @property
    def resumed(self) -> bool:
        """Whether an earlier session was taken up."""

    @property
    def unread(self) -> bool:
        """Whether anything is left to read of what had come before the last `put_by`."""

    @property
    def closed(self) -> bool:
        """Whether the other end has said that nothing more comes, and all before that has been read."""

    def came(self, data: memoryview, size: int) -> None:
        """Hand over what came, the first `size` bytes of `data`, which have to stay there until `put_by` is called."""

    def put_by(self) -> None:
        """Keep what has not been read of what came."""

    def shake(self) -> bool:
        """Go on with the handshake. Whether the server has proven its name."""

    def read(self, into: memoryview) -> int:
        """Read record after record, as far as `into` reaches: what is done with a window is done once, and not for each
        16 KiB. Gives how many bytes there were; where they are fewer than `into` holds, nothing is left to read."""

    def read_record(self) -> bytes:
        """Read a record, as `read` does; none where none has come whole."""

    def write(self, piece: bytes | memoryview) -> None:
        """Encrypt: `to_send` has it then."""

    def to_send(self) -> bytes | memoryview:
        """What is to be sent now; each byte is given once. A view lies in memory that the next `write` of whichever
        connection of this thread writes to, unless `keep_sent` is called before."""

    def keep_sent(self) -> None:
        """Leave the memory of what `to_send` gave to whoever still sends it."""


class TlsContext(Protocol):
    """Whom to trust, for any number of connections."""

    def connect(self, host: str, session: object | None) -> Tls:
        """TLS for one connection to `host`, taking up `session` if the server still knows it."""
