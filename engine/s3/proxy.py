"""HTTP proxies, as curl and botocore understand HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Reads the environment only."""

from __future__ import annotations

import base64
import ipaddress
import os
import sys
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from engine.errors import UsageError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxy(NamedTuple):
    """`authorization` is the value of Proxy-Authorization, or empty."""

    host: str
    port: int
    authorization: str = ""

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"  # without its password


def proxy_for(scheme: str, host: str, port: int) -> Proxy | None:
    """The proxy that requests to this endpoint go through, or None.

    Raises `UsageError` for a proxy that is not spoken to by plain HTTP."""
    if sys.platform == "linux" and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None  # elsewhere the system has settings of its own
    from urllib.request import getproxies, proxy_bypass  # only now: it brings a whole HTTP client

    named = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if passes_by(host, port, named) or (not named and proxy_bypass(host)):
        return None
    proxies = getproxies()
    url = proxies.get(scheme) or proxies.get("all")
    if not url:
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        name, number = parts.hostname, parts.port
    except ValueError:  # whose words have a part of the password, where that has a character that ends a name
        raise _unusable("that the environment names") from None
    if parts.scheme != "http" or not name:
        raise _unusable(f"{parts.scheme}://{name or ''}")
    authorization = ""
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Proxy(name, number or 80, authorization)


def _unusable(proxy: str) -> UsageError:
    return UsageError(
        f"the proxy {proxy} cannot be used.",
        advice="HTTPS_PROXY and HTTP_PROXY name a proxy that is spoken to by plain HTTP: http://host:port. In a name "
        "or password before it (http://user:password@host:port) #, /, ? and @ are written as %23, %2F, %3F and %40.",
    )


def passes_by(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY names this host: "*", a name and all below it, an address with or without brackets, a network
    ("10.0.0.0/8", "fd00::/8": as curl and Go read it), each perhaps with a port."""
    address = _address(host)
    return any(_names(entry, host.lower().rstrip("."), address, port) for entry in no_proxy.replace(",", " ").split())


def _names(entry: str, host: str, address: _Address | None, port: int) -> bool:
    if entry == "*":
        return True
    if (network := _network(entry.strip("[]"))) is not None:
        return address is not None and address in network
    name, _, wanted = entry.rpartition(":") if entry.count(":") == 1 or "]:" in entry else (entry, "", "")
    if wanted and wanted != str(port):
        return False
    name = name.lower().strip("[]").removeprefix("*").strip(".")
    if (own := _address(name)) is not None:
        return own == address
    return bool(name) and address is None and (host == name or host.endswith(f".{name}"))


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if "/" not in text:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def connect_request(proxy: Proxy, host: str, port: int) -> bytes:
    """What asks a proxy for a tunnel (RFC 9110, 9.3.6)."""
    name = f"[{host}]" if ":" in host else host
    lines = [f"CONNECT {name}:{port} HTTP/1.1", f"Host: {name}:{port}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connect_status(head: bytes) -> int:
    """The status that a proxy answered with; 0 for what is no HTTP."""
    words = head.split(b"\r\n", 1)[0].split(None, 2)
    return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1].isdigit() else 0
