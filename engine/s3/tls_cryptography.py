"""TLS by the OpenSSL that the package cryptography brings, where it is no older than Python's own.

What came is read where it lies, and what is sent is sent from where it was put together: `ssl` copies both into buffers
of its own. And OpenSSL has encrypted with the processor's widest instructions since 3.1 ("AES-GCM enabled with AVX512
vAES and vPCLMULQDQ", its CHANGES.md): twice as fast as 3.0, which Debian 12, Ubuntu 24.04 and RHEL 9 have.

What is called here is what pyOpenSSL stands on, and no promise of cryptography's: `quicker_library` gives None where
any of it is not there. Names and chains are checked by OpenSSL, in the handshake, as `ssl` has it do.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.s3.of_thread import OfThread
from engine.s3.tls import RECORD_BYTES

_SINCE = (3, 1, 0)
_NEEDED = """
    BIO_get_mem_data BIO_new BIO_new_mem_buf BIO_read BIO_s_mem BIO_set_mem_eof_return ERR_clear_error ERR_get_error
    ERR_peek_error ERR_reason_error_string OpenSSL_version_num SSL_CTX_free SSL_CTX_get0_param
    SSL_CTX_load_verify_locations SSL_CTX_new SSL_CTX_set_alpn_protos SSL_CTX_set_cipher_list SSL_CTX_set_ciphersuites
    SSL_CTX_set_min_proto_version SSL_CTX_set_mode SSL_CTX_set_options SSL_CTX_set_verify SSL_ERROR_WANT_READ
    SSL_ERROR_ZERO_RETURN SSL_MODE_RELEASE_BUFFERS SSL_OP_NO_COMPRESSION SSL_OP_NO_RENEGOTIATION SSL_SENT_SHUTDOWN
    SSL_SESSION_free SSL_VERIFY_PEER SSL_do_handshake SSL_free SSL_get0_param SSL_get1_session SSL_get_error
    SSL_get_verify_result SSL_new SSL_pending SSL_read SSL_session_reused SSL_set_bio SSL_set_connect_state
    SSL_set_session SSL_set_shutdown SSL_set_tlsext_host_name SSL_version SSL_write TLS1_2_VERSION TLS_client_method
    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS X509_VERIFY_PARAM_set1_host X509_VERIFY_PARAM_set1_ip
    X509_VERIFY_PARAM_set_flags X509_VERIFY_PARAM_set_hostflags X509_verify_cert_error_string
"""

_CIPHERS = b"@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"
"""Of TLS 1.2, as Python has them (its Modules/_ssl.c)."""
_SUITES = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
"""Of TLS 1.3, in the order of Go and of browsers: where the server leaves it to the client, the quicker one."""

_TLS_1_3 = 0x304

_WRITE_BYTES = 32 << 10
"""What is encrypted at a time: each connection keeps a buffer of this size, and a third more. Twice as much takes no
less time; with 192 connections it was 8 MB more."""
_OUTBOX_BYTES = 144 << 10
"""What is made room for of what is to be sent: the most that a connection is given at a time, with a head. With more it
grows."""


class Outbox:
    """Where what a connection sends at a time is put together, out of what OpenSSL wants sent."""

    def __init__(self, ffi: Any) -> None:
        self._ffi = ffi
        self._filled = 0
        self.renew()

    def renew(self, size: int = _OUTBOX_BYTES) -> None:
        """Other memory, of `size` bytes: what was given lies where it did, for as long as anybody has it."""
        self._memory = self._ffi.new("char[]", size)
        self._view = memoryview(self._ffi.buffer(self._memory))

    def room(self, size: int) -> Any:
        """Where the next `size` bytes are to be written."""
        begin = self._filled
        self._filled += size
        if self._filled > len(self._view):
            before = self._view[:begin]
            self.renew(2 * self._filled)
            self._view[:begin] = before
        return self._memory + begin

    def take(self) -> memoryview:
        """All of it; it is empty then."""
        filled, self._filled = self._filled, 0
        return self._view[:filled]


class Library:
    """OpenSSL's functions, what turns Python's memory into C's, and the memory that all connections of one loop read a
    record into, or send from."""

    def __init__(self, lib: Any, ffi: Any) -> None:
        self.lib, self.ffi = lib, ffi
        self.record = OfThread(lambda: ffi.new("char[]", RECORD_BYTES))
        self.outbox = OfThread(lambda: Outbox(ffi))

    @property
    def version(self) -> tuple[int, int, int]:
        number = self.lib.OpenSSL_version_num()  # 0xMNN00PP0L
        return number >> 28, number >> 20 & 0xFF, number >> 4 & 0xFF

    def made(self, pointer: Any, free: Callable[[Any], object]) -> Any:
        """What OpenSSL made, to be freed with the last that holds it. Raises `ssl.SSLError` where it made nothing."""
        if pointer == self.ffi.NULL:
            raise _error(self)
        return self.ffi.gc(pointer, free)

    def address_of(self, data: bytes | memoryview) -> Any:
        """Where it lies, for as long as somebody has it. (What `from_buffer` gives holds a view as lent: where Python's
        garbage collector meets both together, it ends the process. So none is kept.)"""
        with self.ffi.from_buffer(data) as begin:
            return self.ffi.cast("char *", begin)

    def free(self, connection: Any) -> None:
        """Free an SSL. A session whose connection ended without a word would not be taken up again (SSL_free(3))."""
        self.lib.SSL_set_shutdown(connection, self.lib.SSL_SENT_SHUTDOWN)
        self.lib.SSL_free(connection)


def quicker_library() -> Library | None:
    """cryptography's OpenSSL, where it is one of the quick ones and Python's is no newer; else None."""
    if sys.platform != "linux" or _is_fips():
        return None
    found = library()
    major, minor, _, patch, _ = ssl.OPENSSL_VERSION_INFO
    return found if found is not None and found.version >= max(_SINCE, (major, minor, patch)) else None


def _is_fips() -> bool:
    """Whether this system is to encrypt by what it has certified, and nothing else."""
    try:
        return Path("/proc/sys/crypto/fips_enabled").read_text("ascii").strip() == "1"
    except OSError:
        return False


@lru_cache(maxsize=1)
def library() -> Library | None:
    """cryptography's OpenSSL, where all of it is there that is used here."""
    try:
        from cryptography.hazmat.bindings.openssl.binding import Binding
    except KeyboardInterrupt:
        raise
    except BaseException:  # not there, or broken: what Rust raises then is no Exception
        return None
    found = Library(Binding.lib, Binding.ffi)
    return found if all(hasattr(found.lib, name) for name in _NEEDED.split()) else None


class CryptographyContext:
    """`engine.s3.tls.TlsContext`, as strict as `verify_flags` (of `ssl`), with the certificates of `cafile` and
    `capath`. Raises `ssl.SSLError`."""

    def __init__(self, library: Library, verify_flags: int, cafile: str | None, capath: str | None) -> None:
        self._library = library
        lib, ffi = library.lib, library.ffi
        context = self._context = library.made(lib.SSL_CTX_new(lib.TLS_client_method()), lib.SSL_CTX_free)
        lib.SSL_CTX_set_verify(context, lib.SSL_VERIFY_PEER, ffi.NULL)
        lib.SSL_CTX_set_options(context, lib.SSL_OP_NO_COMPRESSION | lib.SSL_OP_NO_RENEGOTIATION)
        lib.SSL_CTX_set_mode(context, lib.SSL_MODE_RELEASE_BUFFERS)
        files = (os.fsencode(name) if name else ffi.NULL for name in (cafile, capath))
        done = (
            lib.SSL_CTX_set_min_proto_version(context, lib.TLS1_2_VERSION) == 1
            and lib.SSL_CTX_set_cipher_list(context, _CIPHERS) == 1
            and lib.SSL_CTX_set_ciphersuites(context, _SUITES) == 1
            and lib.SSL_CTX_set_alpn_protos(context, b"\x08http/1.1", 9) == 0
            and lib.X509_VERIFY_PARAM_set_flags(lib.SSL_CTX_get0_param(context), verify_flags) == 1
            and lib.SSL_CTX_load_verify_locations(context, *files) == 1
        )
        if not done:
            raise _error(library)

    def connect(self, host: str, session: object | None) -> CryptographyTls:
        return CryptographyTls(self._library, self._context, host, session)


class CryptographyTls:
    """`engine.s3.tls.Tls` on an SSL of OpenSSL. What came is a read-only BIO over the memory that it lies in."""

    def __init__(self, library: Library, context: Any, host: str, session: object | None) -> None:
        self._library, self._host = library, host
        lib, ffi = library.lib, library.ffi
        self._record, self._outbox = library.record.shared, library.outbox.shared
        self._ssl = library.made(lib.SSL_new(context), library.free)
        self._in, self._out = lib.BIO_new(lib.BIO_s_mem()), lib.BIO_new(lib.BIO_s_mem())
        lib.SSL_set_bio(self._ssl, self._in, self._out)  # which owns them from now on
        self._lender: bytes | memoryview | None = None
        self._lent: Any = None  # where it begins
        self._at = ffi.new("char **")
        self._rest = b""
        self._first: Any = None  # session, which has no ticket yet
        self.closed = False
        self._name(host)
        if session is not None:
            lib.SSL_set_session(self._ssl, session)
        lib.SSL_set_connect_state(self._ssl)

    def _name(self, host: str) -> None:
        """Whose certificate it has to be. Raises `ssl.SSLError` where that cannot be asked for."""
        lib, trusted = self._library.lib, self._library.lib.SSL_get0_param(self._ssl)
        lib.X509_VERIFY_PARAM_set_hostflags(trusted, lib.X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)
        try:
            address = ipaddress.ip_address(host).packed
        except ValueError:
            name = host.encode("idna")
            if not name:
                raise ssl.SSLError(ssl.SSL_ERROR_SSL, "there is no name to check") from None
            done = lib.X509_VERIFY_PARAM_set1_host(trusted, name, len(name)) == 1
            lib.SSL_set_tlsext_host_name(self._ssl, name)
        else:
            done = lib.X509_VERIFY_PARAM_set1_ip(trusted, address, len(address)) == 1
        if not done:
            raise _error(self._library)

    @property
    def session(self) -> object | None:
        found = self._session()
        return None if found == self._first and self._library.lib.SSL_version(self._ssl) >= _TLS_1_3 else found

    def _session(self) -> Any:
        return self._library.made(self._library.lib.SSL_get1_session(self._ssl), self._library.lib.SSL_SESSION_free)

    @property
    def resumed(self) -> bool:
        return bool(self._library.lib.SSL_session_reused(self._ssl))

    @property
    def unread(self) -> bool:
        return bool(self._rest or self._library.lib.SSL_pending(self._ssl))

    def came(self, data: memoryview, size: int) -> None:
        if self._library.lib.ERR_peek_error():  # it would be taken for an error of this connection (SSL_get_error(3))
            self._library.lib.ERR_clear_error()
        if self._rest:
            whole, self._rest = self._rest + data[:size], b""
            self._read_from(whole, len(whole))
        elif size:
            self._read_from(data, size)

    def _read_from(self, data: bytes | memoryview, size: int) -> None:
        lib = self._library.lib
        if data is not self._lender:
            self._lender, self._lent = data, self._library.address_of(data)
        self._in = lib.BIO_new_mem_buf(self._lent, size)
        lib.BIO_set_mem_eof_return(self._in, -1)  # its end is no end of the connection
        lib.SSL_set_bio(self._ssl, self._in, self._out)  # and frees the one before

    def put_by(self) -> None:
        lib = self._library.lib
        size = lib.BIO_get_mem_data(self._in, self._at)
        if size:
            rest = bytearray(size)
            lib.BIO_read(self._in, self._library.ffi.from_buffer(rest), size)
            self._rest = bytes(rest)

    def shake(self) -> bool:
        outcome = self._library.lib.SSL_do_handshake(self._ssl)
        if outcome != 1:
            self._waits_or_raises(outcome)
            return False
        self._first = self._session()
        return True

    def read(self, into: memoryview) -> int:
        read, connection = self._library.lib.SSL_read, self._ssl
        filled, size = 0, len(into)
        with self._library.ffi.from_buffer(into, require_writable=True) as begin:
            while filled < size:
                came = read(connection, begin + filled, size - filled)
                if came <= 0:
                    self._waits_or_raises(came)
                    break
                filled += came
        return filled

    def read_record(self) -> bytes:
        came = self._library.lib.SSL_read(self._ssl, self._record, RECORD_BYTES)
        if came <= 0:
            self._waits_or_raises(came)
            return b""
        record: bytes = self._library.ffi.buffer(self._record, came)[:]
        return record

    def write(self, piece: bytes | memoryview) -> None:
        size = len(piece)
        with self._library.ffi.from_buffer(piece) as begin:
            for start in range(0, size, _WRITE_BYTES):
                if start:
                    self._take_sealed()
                if self._library.lib.SSL_write(self._ssl, begin + start, min(_WRITE_BYTES, size - start)) <= 0:
                    raise _error(self._library)

    def to_send(self) -> memoryview:
        self._take_sealed()
        return self._outbox.take()

    def keep_sent(self) -> None:
        self._outbox.renew()

    def _take_sealed(self) -> None:
        """Take what OpenSSL wants sent: its buffer grows no further then."""
        lib = self._library.lib
        size = lib.BIO_get_mem_data(self._out, self._at)
        if size:
            lib.BIO_read(self._out, self._outbox.room(size), size)

    def _waits_or_raises(self, outcome: int) -> None:
        """Nothing where it only waits for what is still to come, or where nothing is to come any more."""
        lib = self._library.lib
        code = lib.SSL_get_error(self._ssl, outcome)
        self.closed = self.closed or code == lib.SSL_ERROR_ZERO_RETURN
        if code in (lib.SSL_ERROR_WANT_READ, lib.SSL_ERROR_ZERO_RETURN):
            return
        verified = lib.SSL_get_verify_result(self._ssl)
        if verified == 0:  # X509_V_OK
            raise _error(self._library)
        lib.ERR_clear_error()
        said = self._library.ffi.string(lib.X509_verify_cert_error_string(verified)).decode()
        refused = ssl.SSLCertVerificationError(ssl.SSL_ERROR_SSL, f"certificate verify failed: {said}")
        refused.verify_code = verified
        refused.verify_message = f"{said}, it is not for {self._host!r}" if "mismatch" in said else said
        raise refused


def _error(library: Library) -> ssl.SSLError:
    """The last of the errors that OpenSSL keeps for this thread, which are none then."""
    lib, ffi = library.lib, library.ffi
    last = 0
    while code := lib.ERR_get_error():
        last = code
    reason = lib.ERR_reason_error_string(last)
    said = ffi.string(reason).decode() if reason != ffi.NULL else "unknown error"
    error = ssl.SSLError(ssl.SSL_ERROR_SSL, said)
    error.reason = said
    return error
