"""Whom TLS trusts. The chain and the host name are always checked."""

from __future__ import annotations

import importlib.util
import ssl
from pathlib import Path

from engine.errors import UsageError


def make_context(ca_bundle: str = "") -> ssl.SSLContext:
    """A context for clients: TLS 1.2 at least, certificates of `ca_bundle` (a PEM file or a folder of hashed ones)
    alone where it is given, else of the system, else those that botocore brings.

    Raises `UsageError` for a bundle that cannot be read."""
    try:
        if ca_bundle:
            folder = Path(ca_bundle).is_dir()
            context = ssl.create_default_context(
                cafile=None if folder else ca_bundle, capath=ca_bundle if folder else None
            )
        else:
            context = ssl.create_default_context(cafile=_bundled())
    except (OSError, ssl.SSLError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(
            f"the bundle of certificates {ca_bundle!r} cannot be read ({error}).",
            advice="AWS_CA_BUNDLE (or ca_bundle in the plan) names a PEM file.",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _bundled() -> str | None:
    """botocore's certificates, for a Python whose OpenSSL knows none (as macOS installers leave it)."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())):
        return None
    found = importlib.util.find_spec("botocore")
    if found is None or found.origin is None:
        return None
    bundle = Path(found.origin).parent / "cacert.pem"
    return str(bundle) if bundle.exists() else None
