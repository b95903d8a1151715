"""Both libraries that do TLS give the same bytes, refuse the same servers and end the same way."""

from __future__ import annotations

import gc
import ipaddress
import random
import ssl
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.s3 import tls_cryptography
from engine.s3.tls import Tls, TlsContext
from engine.s3.tls_cryptography import CryptographyContext, Library, library, quicker_library
from engine.s3.tls_python import PythonContext
from engine.s3.trust import make_context
from tests.unit.s3.certificates import Issued, issue

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
SCRATCH_BYTES = 256 << 10


@pytest.fixture(scope="module")
def server(folder: Path, authority: Issued) -> Issued:
    return issue(folder, "localhost", authority)


@pytest.fixture
def context(tls_library: str, authority: Issued) -> TlsContext:
    made = make_context(str(authority.pem))
    assert isinstance(made, {"python": PythonContext, "cryptography": CryptographyContext}[tls_library])
    return made


class Server:
    """The other end, by Python's `ssl`."""

    def __init__(self, issued: Issued, version: ssl.TLSVersion = TLS_1_3) -> None:
        context = issued.context()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the versions that are to be refused
            context.minimum_version = context.maximum_version = version
        if version < TLS_1_2:
            context.set_ciphers("ALL:@SECLEVEL=0")
        self.context = context

    def accept(self) -> Ended:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        return Ended(incoming, outgoing, self.context.wrap_bio(incoming, outgoing, server_side=True))


@dataclass
class Ended:
    """A server's end of one connection."""

    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    tls: ssl.SSLObject

    def shake(self) -> None:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return

    def say(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.outgoing.read()

    def hear(self, sealed: bytes | memoryview) -> bytes:
        self.incoming.write(sealed)
        heard = b""
        while self.incoming.pending or self.tls.pending():
            heard += self.tls.read(1 << 16)
        return heard


class Client:
    """A connection's TLS, and the memory that it is handed what came in: as a loop does, the same each time."""

    def __init__(self, tls: Tls) -> None:
        self.tls = tls
        self.scratch = memoryview(bytearray(SCRATCH_BYTES))

    @contextmanager
    def taking(self, data: bytes) -> Iterator[None]:
        """What came is there in it, and what is not read then is put by: others' bytes come into the same memory."""
        self.scratch[: len(data)] = data
        self.tls.came(self.scratch, len(data))
        try:
            yield
        finally:
            self.tls.put_by()
            self.scratch[:] = bytes(SCRATCH_BYTES)

    def shake(self, end: Ended) -> None:
        done = self.tls.shake()
        while not done:
            end.incoming.write(self.tls.to_send())
            end.shake()
            try:
                with self.taking(end.outgoing.read()):
                    done = self.tls.shake()
            except ssl.SSLError:
                self.tls.to_send()  # the alert
                raise
        end.incoming.write(self.tls.to_send())
        end.shake()

    def read(self, window_bytes: int) -> bytes:
        window = memoryview(bytearray(window_bytes))
        return bytes(window[: self.tls.read(window)])


def connect(context: TlsContext, server: Server, host: str = "localhost", session: Any = None) -> tuple[Client, Ended]:
    client, end = Client(context.connect(host, session)), server.accept()
    client.shake(end)
    return client, end


STEPS = st.lists(
    st.tuples(st.integers(0, 90_000), st.lists(st.sampled_from([0, 1, 100, 16_384, 50_000]), max_size=4, min_size=0)),
    max_size=6,
)
"""How many bytes come, and into which windows they are read then; 0 is a record as it is."""


@pytest.mark.parametrize("name", ["python", "cryptography"])
@settings(max_examples=150, deadline=None)
@given(version=st.sampled_from([TLS_1_2, TLS_1_3]), sizes=st.lists(st.integers(1, 70_000), max_size=6), steps=STEPS)
def test_what_was_sent_is_read_however_it_comes(
    name: str,
    authority: Issued,
    server: Issued,
    version: ssl.TLSVersion,
    sizes: list[int],
    steps: list[tuple[int, list[int]]],
) -> None:
    """In pieces of any size, into windows of any size, with what is not read yet put by in between."""
    contexts = {"python": _by_python, "cryptography": _by_cryptography}
    client, end = connect(contexts[name](authority), Server(server, version))
    sent = [random.Random(size).randbytes(size) for size in sizes]
    wire = b"".join(end.say(one) for one in sent)
    heard = bytearray()
    for size, windows in cycle([*steps, (1_000, [50_000])]):  # the last: it comes to an end
        if not wire and not client.tls.unread:
            break
        with client.taking(wire[:size]):
            for window in windows:
                heard += client.read(window) if window else client.tls.read_record()
        wire = wire[size:]
    assert bytes(heard) == b"".join(sent)


def _by_python(authority: Issued) -> TlsContext:
    return PythonContext(ssl.create_default_context(cafile=str(authority.pem)))


def _by_cryptography(authority: Issued) -> TlsContext:
    found = library()
    assert found is not None
    return CryptographyContext(found, 0, str(authority.pem), None)


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_what_is_written_is_heard(context: TlsContext, server: Issued, version: ssl.TLSVersion) -> None:
    client, end = connect(context, Server(server, version))
    body = random.Random(1).randbytes(200_000)
    pieces: list[bytes | memoryview] = [b"GET / HTTP/1.1\r\n\r\n", body, b"x", memoryview(body)[17:-1]]
    for piece in pieces:
        client.tls.write(piece)
        assert end.hear(client.tls.to_send()) == piece
    assert not client.tls.to_send()


def test_what_is_still_being_sent_stays_as_it_is(context: TlsContext, server: Issued) -> None:
    """One connection's bytes are with the system, and another's are encrypted in the same memory."""
    first, end = connect(context, Server(server))
    second, other = connect(context, Server(server))
    first.tls.write(b"a" * 100_000)
    sent = first.tls.to_send()
    first.tls.keep_sent()
    second.tls.write(b"b" * 300_000)  # more than is made room for
    assert other.hear(second.tls.to_send()) == b"b" * 300_000
    assert end.hear(sent) == b"a" * 100_000


def test_a_window_that_is_not_filled_says_that_nothing_is_left(context: TlsContext, server: Issued) -> None:
    client, end = connect(context, Server(server))
    with client.taking(end.say(b"a" * 40_000)):
        assert len(client.read(30_000)) == 30_000
    assert client.tls.unread
    with client.taking(b""):
        assert len(client.read(30_000)) == 10_000
        assert client.tls.read_record() == b""
    assert not client.tls.unread


def test_the_garbage_collector_may_be_the_last_to_hold_one(context: TlsContext, server: Issued) -> None:
    """With memory that is older than itself, as a thread's is that has ended. (It was the end of the process.)"""
    scratch = memoryview(bytearray(SCRATCH_BYTES))
    client, end = connect(context, Server(server))
    client.scratch = scratch
    ring: dict[str, Any] = {"client": client}
    ring["ring"] = ring
    with client.taking(end.say(b"a" * 20_000)[:-1]):
        assert len(client.read(20_000)) == 16_384
    del client, scratch, ring
    gc.collect()


def test_the_other_ends_close_comes_after_what_it_said(context: TlsContext, server: Issued) -> None:
    client, end = connect(context, Server(server))
    said = end.say(b"the last")
    with pytest.raises(ssl.SSLWantReadError):
        end.tls.unwrap()
    assert not client.tls.closed
    with client.taking(said + end.outgoing.read()):
        assert client.tls.read_record() == b"the last"
        assert (client.tls.read_record(), client.read(100)) == (b"", b"")
    assert client.tls.closed


def test_it_is_heard_by_whoever_reads_what_it_said(context: TlsContext, server: Issued) -> None:
    client, end = connect(context, Server(server))
    said = end.say(b"the last")
    with pytest.raises(ssl.SSLWantReadError):
        end.tls.unwrap()
    with client.taking(said + end.outgoing.read()):
        assert client.read(100) == b"the last"
    assert client.tls.closed


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_what_was_changed_on_its_way_is_not_read(context: TlsContext, server: Issued, version: ssl.TLSVersion) -> None:
    client, end = connect(context, Server(server, version))
    spoilt = bytearray(end.say(b"first") + end.say(b"second"))
    spoilt[-1] ^= 1
    with client.taking(bytes(spoilt)):
        assert client.tls.read_record() == b"first"
        with pytest.raises(ssl.SSLError) as raised:
            client.read(100)
    assert raised.value.reason
    assert client.tls.to_send()  # the alert


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_a_session_is_taken_up(context: TlsContext, server: Issued, version: ssl.TLSVersion) -> None:
    serving = Server(server, version)
    client, end = connect(context, serving)
    assert not client.tls.resumed
    assert (client.tls.session is None) == (version == TLS_1_3)
    with client.taking(end.say(b"an answer")):  # TLS 1.3: the ticket came before it
        assert client.tls.read_record() == b"an answer"
    session = client.tls.session
    assert session is not None
    del client  # which ends without a word, as connections do
    gc.collect()
    for _ in range(3):
        again, _ = connect(context, serving, session=session)
        assert again.tls.resumed
        del again
        gc.collect()
    other, _ = connect(context, Server(server, version), session=session)
    assert not other.tls.resumed  # that one never gave it


def test_an_address_is_a_name_too(context: TlsContext, folder: Path, authority: Issued) -> None:
    for host in ("127.0.0.1", "::1"):
        issued = issue(folder, host, authority, address=ipaddress.ip_address(host))
        connect(context, Server(issued), host)
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            connect(context, Server(issued), "127.0.0.2")
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            connect(context, Server(issued), "localhost")


def test_a_wrong_name_is_said(context: TlsContext, folder: Path, authority: Issued) -> None:
    with pytest.raises(ssl.SSLCertVerificationError) as raised:
        connect(context, Server(issue(folder, "s3.example.com", authority)))
    assert raised.value.verify_message.lower().startswith("hostname mismatch")
    assert "'localhost'" in raised.value.verify_message


def test_no_name_is_no_leave_for_any(context: TlsContext) -> None:
    with pytest.raises((ssl.SSLError, ValueError)):
        context.connect("", None)


def test_a_close_in_the_handshake_ends_it(context: TlsContext) -> None:
    client = Client(context.connect("localhost", None))
    assert not client.tls.shake()
    client.tls.to_send()
    with client.taking(b"\x15\x03\x03\x00\x02\x01\x00"):  # close_notify
        try:
            assert not client.tls.shake()
            assert client.tls.closed
        except ssl.SSLError as error:  # as Python has it
            assert str(error)
    client.tls.to_send()


def test_the_flags_that_python_has_are_held(authority: Issued, server: Issued) -> None:
    found = library()
    assert found is not None
    strict = CryptographyContext(found, int(ssl.VERIFY_CRL_CHECK_LEAF), str(authority.pem), None)
    with pytest.raises(ssl.SSLCertVerificationError, match="CRL"):
        connect(strict, Server(server))


def test_the_systems_authorities_are_trusted(
    tls_library: str, server: Issued, authority: Issued, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.pem))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    made = make_context()
    assert isinstance(made, PythonContext) == (tls_library == "python")
    connect(made, Server(server))
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}:{tmp_path}")  # several, which Python alone can tell
    made = make_context()
    assert isinstance(made, PythonContext)
    connect(made, Server(server))


def test_part_of_a_name_may_be_any_but_no_part_of_a_part(context: TlsContext, folder: Path, authority: Issued) -> None:
    connect(context, Server(issue(folder, "*.s3.example.com", authority)), "bucket.s3.example.com")
    for name in ("*.s3.example.com", "buck*.s3.example.com"):
        for host in ("a.bucket.s3.example.com", "bucket.s3.example.org", "bucket.s3.example.com"):
            if (name, host) != ("*.s3.example.com", "bucket.s3.example.com"):
                with pytest.raises(ssl.SSLCertVerificationError):
                    connect(context, Server(issue(folder, name, authority)), host)


def test_tls_1_1_is_refused(context: TlsContext, server: Issued) -> None:
    with pytest.raises(ssl.SSLError):
        connect(context, Server(server, ssl.TLSVersion.TLSv1_1))


def test_another_use_of_openssl_that_failed_is_no_failure_of_a_connection(authority: Issued, server: Issued) -> None:
    client, end = connect(_by_cryptography(authority), Server(server))
    found = library()
    assert found is not None
    lib, ffi = found.lib, found.ffi
    context = ffi.gc(lib.SSL_CTX_new(lib.TLS_client_method()), lib.SSL_CTX_free)
    assert lib.SSL_CTX_load_verify_locations(context, b"/nonexistent.pem", ffi.NULL) == 0  # it leaves its errors
    said = end.say(b"whole")
    with client.taking(said[:10]):
        assert client.read(100) == b""
    with client.taking(said[10:]):
        assert client.read(100) == b"whole"


def test_the_library_is_taken_where_it_is_quick_whole_and_no_older_than_pythons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    have = library()
    assert have is not None
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(tls_cryptography, "_is_fips", lambda: False)
    monkeypatch.setattr(ssl, "OPENSSL_VERSION_INFO", (3, 0, 0, 19, 0))
    assert quicker_library() is have
    there = SimpleNamespace(OpenSSL_version_num=lambda: 0x30500070)
    found = Library(there, have.ffi)
    assert found.version == (3, 5, 7)
    monkeypatch.setattr(tls_cryptography, "library", lambda: found)
    for pythons, taken in [((3, 0, 0, 19, 0), True), ((3, 5, 0, 7, 0), True), ((3, 5, 0, 8, 0), False)]:
        monkeypatch.setattr(ssl, "OPENSSL_VERSION_INFO", pythons)
        assert (quicker_library() is found) == taken
    monkeypatch.setattr(ssl, "OPENSSL_VERSION_INFO", (3, 0, 0, 13, 0))
    there.OpenSSL_version_num = lambda: 0x30000130  # 3.0.19
    assert quicker_library() is None
    there.OpenSSL_version_num = lambda: 0x30500070
    assert quicker_library() is found
    monkeypatch.setattr(tls_cryptography, "_is_fips", lambda: True)
    assert quicker_library() is None


def test_a_library_that_lacks_a_function_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.bindings.openssl.binding import Binding

    assert library.__wrapped__() is not None
    monkeypatch.setattr(Binding, "lib", SimpleNamespace(OpenSSL_version_num=lambda: 0x4000_0000))
    assert library.__wrapped__() is None
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.bindings.openssl.binding", None)  # as if not installed
    assert library.__wrapped__() is None


@pytest.mark.parametrize("name", ["CARTAGE_TLS", "SSLKEYLOGFILE"])
def test_python_does_it_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Issued, name: str
) -> None:
    monkeypatch.setattr("engine.s3.trust.quicker_library", library)
    make = partial(make_context, str(authority.pem))
    assert isinstance(make(), CryptographyContext)
    monkeypatch.setenv(name, "python" if name == "CARTAGE_TLS" else str(tmp_path / "keys"))
    assert isinstance(make(), PythonContext)
