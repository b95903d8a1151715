"""The parent's side: start a sandbox in a process of its own, speak to it, and stop it by its pid."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from typing import Any
from urllib.parse import urlsplit

from engine.errors import EngineError
from engine.extras import needs
from engine.sandbox.settings import SandboxSettings

STOP_S = 10.0
"""How long the process may take to end by itself before it is killed."""


class SandboxError(EngineError):
    """The sandbox did not start, or refused a command."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox. `ca_bundle` is the certificate authority to trust, where it speaks TLS."""

    url: str
    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    region: str
    pid: int
    ca_bundle: str | None
    control_port: int
    control_secret: str = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which the AWS tools, and Cartage, find it."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            **({"AWS_SESSION_TOKEN": self.session_token} if self.session_token else {}),
            **({"AWS_CA_BUNDLE": self.ca_bundle} if self.ca_bundle else {}),
            "AWS_REGION": self.region,  # the last: `cartage sandbox --env` waits for it
        }

    @property
    def past_a_proxy(self) -> dict[str, str]:
        """What has every tool ask this machine itself where the shell names a proxy, which would look for the address
        on its own: by both names, as some tools read the one only and some the other."""
        host = urlsplit(self.url).hostname or ""
        kept = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        proxies = {name for name in os.environ if name.lower().endswith("_proxy")} - {"no_proxy", "NO_PROXY"}
        if not proxies or {host, "*"} & set(kept.replace(",", " ").split()):
            return {}
        return dict.fromkeys(("no_proxy", "NO_PROXY"), f"{kept},{host}" if kept else host)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def control(self, command: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask for something beside S3 (engine/sandbox/control.py); raises SandboxError where it is refused."""
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=600)
        try:
            connection.request(
                "POST",
                f"/_cartage/{command}",
                json.dumps(arguments or {}).encode(),
                {"x-cartage-secret": self.control_secret},
            )
            answer = connection.getresponse()
            found: dict[str, Any] = json.loads(answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise SandboxError(f"The sandbox does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise SandboxError(f"The sandbox refused {command}: {found.get('error', '')}")
        return found


@contextlib.contextmanager
def start_sandbox(settings: SandboxSettings | None = None) -> Iterator[Sandbox]:
    """Start a sandbox, yield it once it listens, and stop it. It ends with this process too, however that ends.

    Raises `SandboxError` where it does not start, `ExtraMissing` where what only it needs is not installed."""
    with needs("sandbox"):
        import sortedcontainers  # noqa: F401  # in the sandbox's process, whose traceback would say less
    asked = settings if settings is not None else SandboxSettings()
    with contextlib.ExitStack() as stack:
        start: dict[str, Any] = {"settings": asked.as_json(), "secret": secrets.token_urlsafe(24)}
        ca_bundle = None
        if asked.tls:
            with needs("sandbox"):
                from engine.sandbox.certificates import make_certificates

            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cartage-tls-"))  # made with mode 0700
            made = make_certificates(Path(folder), asked.tls_names, asked.tls_flaw)
            start["certificate"], ca_bundle = str(made.certificate), str(made.authority)
        process = Popen(
            [sys.executable, "-P", "-m", "engine.sandbox"],
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,  # Ctrl-C is the parent's; the end of its stdin tells the sandbox
        )
        stack.callback(_stop, process)
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(start).encode() + b"\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            code = process.wait()
            raise SandboxError(
                f"The sandbox did not start (exit code {code}).",
                advice="Its own words are above. A port that is taken is the usual reason: port 0 chooses a free one.",
            )
        said = json.loads(line)
        yield Sandbox(
            url=said["url"],
            access_key=said["access_key"],
            secret_key=said["secret_key"],
            session_token=asked.session_token,
            region=asked.region,
            pid=process.pid,
            ca_bundle=ca_bundle,
            control_port=said["control_port"],
            control_secret=start["secret"],
        )


def _stop(process: Popen[bytes]) -> None:
    """End the process: by the end of its stdin, and where that is not enough, by its pid."""
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(STOP_S)
    except TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
