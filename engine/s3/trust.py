"""Whom TLS trusts. The chain and the host name are always checked."""

from __future__ import annotations

import importlib.util
import os
import ssl
from pathlib import Path

from engine.errors import UsageError
from engine.s3.tls import TlsContext
from engine.s3.tls_cryptography import CryptographyContext, Library, quicker_library
from engine.s3.tls_python import PythonContext


def make_context(ca_bundle: str = "") -> TlsContext:
    """A context for clients: TLS 1.2 at least, certificates of `ca_bundle` (a PEM file or a folder of hashed ones)
    alone where it is given, else of the system, else those that botocore brings. With CARTAGE_TLS=python, or where the
    keys are to be logged (SSLKEYLOGFILE), Python's `ssl` does all of it.

    Raises `UsageError` for a bundle that cannot be read."""
    try:
        cafile, capath = _given(ca_bundle)
        if (quicker := _quicker(cafile, capath)) is not None:
            return quicker
        context = ssl.create_default_context(cafile=cafile, capath=capath)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        return PythonContext(context)
    except (OSError, ssl.SSLError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(
            f"the bundle of certificates {ca_bundle!r} cannot be read ({error}).",
            advice="AWS_CA_BUNDLE (or ca_bundle in the plan) names a PEM file.",
        ) from error


def _quicker(cafile: str | None, capath: str | None) -> TlsContext | None:
    """The same by the quicker library, where there is one and it takes these certificates; Python says why it is not to
    be had."""
    library = _library()
    if library is None:
        return None
    if not (cafile or capath):
        system = ssl.get_default_verify_paths()
        cafile, capath = system.cafile, system.capath
        if os.pathsep in os.environ.get(system.openssl_capath_env, ""):
            return None  # several folders, of which Python tells none
    if not (cafile or capath) or "\0" in f"{cafile}{capath}":
        return None
    strictness = ssl.create_default_context(capath=os.devnull).verify_flags
    try:
        return CryptographyContext(library, int(strictness), cafile, capath)
    except ssl.SSLError:
        return None


def openssl_version() -> str:
    """Of the OpenSSL that does TLS here."""
    library = _library()
    if library is None:
        return ssl.OPENSSL_VERSION.split()[1]
    return f"{'.'.join(map(str, library.version))} (of cryptography)"


def _library() -> Library | None:
    if os.environ.get("CARTAGE_TLS") == "python" or os.environ.get("SSLKEYLOGFILE"):
        return None
    return quicker_library()


def _given(ca_bundle: str) -> tuple[str | None, str | None]:
    """The file and the folder that certificates are in; neither where they are the system's."""
    if ca_bundle:
        return (None, ca_bundle) if Path(ca_bundle).is_dir() else (ca_bundle, None)
    paths = ssl.get_default_verify_paths()
    knows_some = paths.cafile or (paths.capath and any(Path(paths.capath).iterdir()))
    return (None if knows_some else _bundled()), None


def _bundled() -> str | None:
    """botocore's certificates, for a Python whose OpenSSL knows none (as macOS installers leave it)."""
    found = importlib.util.find_spec("botocore")
    if found is None or found.origin is None:
        return None
    bundle = Path(found.origin).parent / "cacert.pem"
    return str(bundle) if bundle.exists() else None
