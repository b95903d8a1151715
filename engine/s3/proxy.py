"""HTTP proxies, as curl and botocore understand HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Reads the environment only."""

from __future__ import annotations

import base64
import os
import sys
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from engine.errors import UsageError


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

    default = 443 if scheme == "https" else 80
    netloc = host if port == default else f"{host}:{port}"
    if proxy_bypass(netloc) or proxy_bypass(host):
        return None
    proxies = getproxies()
    url = proxies.get(scheme) or proxies.get("all")
    if not url:
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise UsageError(
            f"the proxy {parts.scheme}://{parts.hostname or ''} cannot be used.",
            advice="HTTPS_PROXY and HTTP_PROXY name a proxy that is spoken to by plain HTTP: http://host:port.",
        )
    authorization = ""
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Proxy(parts.hostname, parts.port or 80, authorization)


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
