"""Certificates for TLS on loopback: an authority made for one sandbox, and flawed ones for the tests that must refuse.

Needs the `cryptography` package, which comes with the extra `sandbox`.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FLAWS = ("", "expired", "self-signed", "unknown-authority")


class Certificates(NamedTuple):
    """`certificate` holds the server's key, certificate and chain; `authority` is what a client is to trust."""

    certificate: Path
    authority: Path


def make_certificates(folder: Path, names: tuple[str, ...], flaw: str) -> Certificates:
    """Write a certificate for `names` into a folder that only we can read, with at most one flaw."""
    if flaw not in FLAWS:
        raise ValueError(f"no such flaw: {flaw}")
    now = datetime.now(UTC)
    authority_key, authority = _make_authority(now)
    key = ec.generate_private_key(ec.SECP256R1())
    ends = now - timedelta(hours=1) if flaw == "expired" else now + timedelta(days=2)
    issuer, issuer_key = (_name(names[0]), key) if flaw == "self-signed" else (authority.subject, authority_key)
    certificate = (
        _builder(_name(names[0]), issuer, key.public_key(), issuer_key.public_key(), now - timedelta(days=1), ends)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    trusted = _make_authority(now)[1] if flaw == "unknown-authority" else authority
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made = Certificates(folder / "server.pem", folder / "authority.pem")
    made.certificate.touch(0o600)
    made.certificate.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    made.authority.write_bytes(trusted.public_bytes(serialization.Encoding.PEM))
    return made


def _make_authority(now: datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Cartage sandbox authority")
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(name, name, key.public_key(), key.public_key(), now - timedelta(days=1), now + timedelta(days=3))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _builder(subject: x509.Name, issuer: x509.Name, key: Any, issuer_key: Any, begins: datetime, ends: datetime) -> Any:
    """What every certificate has. Python 3.13 and newer refuse one that does not say whose key signed it."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
