"""The S3 servers that tests run against, each on loopback, started by the test run and stopped by its pid.

No one server is S3 (tests/contract holds what each departs in). `start_moto`, `start_localstack`, `start_rgw`,
`start_swift`, `start_rclone`, `start_s3rver` and `start_sandbox_endpoint` are context managers that yield an `Endpoint`
once it answers and raise `ServerFailed`, with the end of its log, when it does not. Several test runs may start theirs
at once: ports are chosen free, and each server has a folder of its own in `CARTAGE_RUN_DIR`, else in `run` under the
real folder (`CARTAGE_REAL_DIR`, else `.real` in the repository).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.sandbox import Sandbox

REPOSITORY = Path(__file__).resolve().parent.parent
SCRIPTS = REPOSITORY / "tests" / "real"
START_S = 60.0
"""How long a server that is installed may take to answer its first request."""

INSTALL_S = 900.0
"""How long a start script may take that has to install the server first."""


KEEPER = """
import os, select, sys
try:
    select.select([os.pidfd_open(int(sys.argv[1]))], [], [])
except ProcessLookupError:
    pass
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Waits for a process to end, and then runs a command. Linux alone has what it takes; so do the start scripts."""


class ServerFailed(Exception):
    """A server could not be started; the message says why."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server answers, and how to sign for it. `name` is the server's kind: "moto", "localstack", "rgw",
    "swift" or "sandbox". `folder` holds its logs and pid files."""

    name: str
    url: str
    access_key: str
    secret_key: str
    region: str
    folder: Path | None = None

    @classmethod
    def of(cls, sandbox: Sandbox) -> Endpoint:
        return cls("sandbox", sandbox.url, sandbox.access_key, sandbox.secret_key, sandbox.region)

    def env(self) -> dict[str, str]:
        """The environment in which an AWS SDK or command finds this endpoint and nothing of the machine's own."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def clean_env(self) -> dict[str, str]:
        """`env()` over the process's environment without any AWS variable of its own, for a subprocess."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return inherited | self.env()

    def client(self) -> Any:
        """A plain boto3 client, for setting a test's scene by another hand than the engine's."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, max_pool_connections=32),
        )

    def emptied(self, bucket: str) -> Any:
        """The same client, with this bucket there and nothing in it."""
        client = self.client()
        if bucket not in [item["Name"] for item in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": self.region})
        for item in client.list_objects_v2(Bucket=bucket).get("Contents", ()):
            client.delete_object(Bucket=bucket, Key=item["Key"])
        return client


def real_dir() -> Path:
    """The folder outside git that holds everything the real servers need."""
    return Path(os.environ.get("CARTAGE_REAL_DIR") or REPOSITORY / ".real").resolve()


@contextlib.contextmanager
def start_moto() -> Iterator[Endpoint]:
    """moto's server, in a process of its own."""
    with _folder("moto") as folder:
        port = _free_ports(1)
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        yield from _served("moto", command, folder, port, "test", "test", "/moto-api/")


@contextlib.contextmanager
def start_localstack() -> Iterator[Endpoint]:
    """LocalStack's S3, in its own virtual environment (installed at first use)."""
    with _folder("localstack") as folder:
        yield from _scripted("localstack", folder, _free_ports(1), ["localstack"])


@contextlib.contextmanager
def start_rgw(*, extra: str = "") -> Iterator[Endpoint]:
    """Ceph's RADOS Gateway from Debian's packages (installed at first use). `extra` is further lines of radosgw's
    configuration, such as `rgw_max_concurrent_requests = 4`."""
    with _folder("rgw") as folder:
        yield from _scripted("rgw", folder / "cluster", _free_ports(10), ["rgw", "osd", "mon"], RGW_EXTRA=extra)


@contextlib.contextmanager
def start_swift() -> Iterator[Endpoint]:
    """OpenStack Swift's s3api from Debian's packages (installed at first use)."""
    with _folder("swift") as folder:
        daemons = ["proxy", "object", "container", "account", "memcached"]
        yield from _scripted("swift", folder / "server", _free_ports(5), daemons)


@contextlib.contextmanager
def start_rclone() -> Iterator[Endpoint]:
    """rclone's S3 over a plain folder; rclone is one of the judges (installed by install-judges.sh)."""
    with _folder("rclone") as folder:
        (folder / "data").mkdir()
        port = _free_ports(1)
        command = [str(real_dir() / "judges-venv" / "bin" / "rclone"), "serve", "s3", "--config", ""]
        command += ["--addr", f"127.0.0.1:{port}", "--auth-key", "cartage,not-a-secret", str(folder / "data")]
        yield from _served("rclone", command, folder, port, "cartage", "not-a-secret")


@contextlib.contextmanager
def start_s3rver() -> Iterator[Endpoint]:
    """node's s3rver, from the PATH: no test starts it (tests/real/trying.py does)."""
    with _folder("s3rver") as folder:
        (folder / "data").mkdir()
        port = _free_ports(1)
        command = ["s3rver", "-d", str(folder / "data"), "-a", "127.0.0.1", "-p", str(port)]
        yield from _served("s3rver", command, folder, port, "S3RVER", "S3RVER")


def _scripted(name: str, folder: Path, port: int, daemons: list[str], **environment: str) -> Iterator[Endpoint]:
    """A server of several processes, which its start script leaves in the background."""
    stop = [str(SCRIPTS / "stop.sh"), str(folder), *daemons]
    with _once_we_have_ended(stop):
        try:
            said = _run_script(f"start-{name}.sh", folder, port, **environment)
            yield Endpoint(name, said["endpoint"], said["access_key"], said["secret_key"], said["region"], folder)
        finally:
            subprocess.run(stop, check=True, stdin=subprocess.DEVNULL)


def _served(
    name: str, command: list[str], folder: Path, port: int, key: str, secret: str, at: str = ""
) -> Iterator[Endpoint]:
    with _once_we_have_ended([str(SCRIPTS / "stop.sh"), str(folder), name]):
        process = _spawn(command, folder / name)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until(lambda: _answers(url + at), process, folder / f"{name}.log")
            yield Endpoint(name, url, key, secret, "us-east-1", folder)
        finally:
            _stop(process)


@contextlib.contextmanager
def _once_we_have_ended(command: list[str]) -> Iterator[None]:
    """Have a command run should this process end within, however it is ended: the servers are in sessions of their own,
    which no signal reaches that is meant for the tests."""
    keeper = subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        keeper.kill()
        keeper.wait()


@contextlib.contextmanager
def start_sandbox_endpoint(settings: Any = None) -> Iterator[Endpoint]:
    """The project's own sandbox; `settings` is a `SandboxSettings`, or None for its defaults."""
    from engine.sandbox import SandboxSettings, start_sandbox

    with start_sandbox(settings if settings is not None else SandboxSettings()) as sandbox:
        yield Endpoint.of(sandbox)


@contextlib.contextmanager
def _folder(name: str) -> Iterator[Path]:
    """A new folder for one server's files, gone again afterwards."""
    parent = Path(os.environ.get("CARTAGE_RUN_DIR") or real_dir() / "run")
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count: int) -> int:
    """The first of `count` neighbouring ports that were all free a moment ago, below the range that the kernel gives
    to whoever asks for any: before the server takes it, nobody else will."""
    # Processes that look at once begin at different places, and single ports lie apart.
    starts = range(20000, 32000, count) if count > 1 else range(14000, 20000)
    offset = os.getpid() % len(starts)
    firsts: list[int] = [*starts[offset:], *starts[:offset]]
    for first in firsts:
        with contextlib.ExitStack() as probes:
            try:
                for port in range(first, first + count):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise ServerFailed(f"no {count} neighbouring ports are free")


def _spawn(command: list[str], stem: Path) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own (Ctrl-C is the test run's to handle), with its log and pid beside."""
    with stem.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, "CARTAGE_SERVER_DIR": str(stem.parent)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    stem.with_suffix(".pid").write_text(f"{process.pid}\n")
    return process


def _run_script(script: str, folder: Path, port: int, **environment: str) -> dict[str, str]:
    """Run a start script and read the `name=value` lines that it prints."""
    try:
        done = subprocess.run(
            [SCRIPTS / script, folder, str(port)],
            env={**os.environ, **environment, "CARTAGE_REAL_DIR": str(real_dir())},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ServerFailed(f"{script} took more than {INSTALL_S:.0f} s") from error
    if done.returncode != 0:
        raise ServerFailed(f"{script} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def _answers(url: str) -> bool:
    """Whether anything that speaks HTTP answers there; which status is no matter."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerFailed(f"{log.stem} ended with {process.returncode}:\n{_tail(log)}")
        if ready():
            return
        time.sleep(0.05)
    raise ServerFailed(f"{log.stem} did not answer within {START_S:.0f} s:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)
