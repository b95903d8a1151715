"""`python -m bench.byte_plane`: what a byte costs a client that takes it off S3 to a file, or sends it from one.

nginx (from the PATH) serves and takes objects on a RAM disk, on one core; each client runs on another, in turn, and
processor seconds are the kernel's account of the whole process, its start included (the row `start` says how much that
is). It is no S3: it checks no signature, and keeps of an upload whatever part came last. The cipher is of the server's
choice, as with S3, and not of what each client would like best. What it measures is the client; the scenarios with a
ledger stand on top of it.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from bench.measure import run
from bench.peers import HOME, LOOPS, PEERS, Command, Place
from bench.running import CLIENT_CORE, SERVER_CORE
from engine.sandbox.certificates import make_certificates

BUCKET, LARGE, SMALL = "bench", "large", "small"
SMALL_BYTES = 100_000
PORTS = {"plain": 18_180, "tls": 18_543}
TIMEOUT_S = 300.0
CLIENTS = ("cartage", "s5cmd", "rclone", "obstore")
START_S = 0.5

CONFIG = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; {user}
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; client_max_body_size 0;
  client_body_temp_path {folder}/incoming; client_body_buffer_size 256k; default_type application/octet-stream;
  root {folder}/root;
  map $request_method:$args $said {{
    default "";
    "~^POST:.*uploads" "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>";
    "~^POST:.*uploadId" "<CompleteMultipartUploadResult><ETag>x-1</ETag></CompleteMultipartUploadResult>";
  }}
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {certificate};
    ssl_prefer_server_ciphers on;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256;
    location / {{
      if ($said) {{ return 200 $said; }}
      dav_methods PUT; create_full_put_path on;
      add_header ETag '"11111111111111111111111111111111"' always;
    }}
  }}
}}
"""


@contextmanager
def serving(size: int) -> Iterator[tuple[Path, Path]]:
    """nginx with one large and one small object: the folder of its files, and what is to be trusted."""
    ram = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=ram if ram.is_dir() else None, prefix="cartage-bench-") as name:
        folder = Path(name)
        (folder / "root" / BUCKET).mkdir(parents=True)
        with (folder / "root" / BUCKET / LARGE).open("wb") as file:
            for _ in range(size >> 20):
                file.write(os.urandom(1 << 20))
        (folder / "root" / BUCKET / SMALL).write_bytes(os.urandom(SMALL_BYTES))
        (folder / "tls").mkdir()
        found = make_certificates(folder / "tls", ("127.0.0.1", "localhost"), "")
        user = "user root;" if os.geteuid() == 0 else ""
        text = CONFIG.format(folder=folder, certificate=found.certificate, user=user, **PORTS)
        (folder / "nginx.conf").write_text(text)
        process = subprocess.Popen([shutil.which("nginx") or "nginx", "-p", name, "-c", str(folder / "nginx.conf")])
        try:
            time.sleep(START_S)
            if process.poll() is not None:
                raise click.ClickException(f"nginx did not start: {(folder / 'error.log').read_text()[-500:]}")
            _pin(process.pid)
            yield folder, found.authority
        finally:
            process.terminate()
            process.wait(10)


def _pin(master: int) -> None:
    import psutil

    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        for worker in psutil.Process(master).children():
            os.sched_setaffinity(worker.pid, {SERVER_CORE})


def command(client: str, job: str, place: Place, path: Path, amount: int) -> Command | None:
    """How a client does a job; None where it has no such job."""
    small = job.startswith("small")
    key = (SMALL if job.endswith("down") else "sent-small") if small else (LARGE if job == "down" else "sent")
    if client == "cartage":
        loop = str(LOOPS / "cartage_bytes.py")
        return Command((sys.executable, loop, job, BUCKET, key, str(path), str(amount)))
    if small:
        return None  # they list, which nginx cannot
    url, tool = f"s3://{BUCKET}/{key}", str(HOME / client / "bin" / client)
    if client == "s5cmd":
        begin = (tool, "--no-verify-ssl", "--endpoint-url", place.url, "--log", "error", "cp", "-c", "8", "-p", "8")
        return Command((*begin, url, str(path)) if job == "down" else (*begin, str(path), url))
    if client == "obstore":
        python = str(HOME / client / "bin" / "python")
        return Command((python, str(LOOPS / "obstore_bytes.py"), job, BUCKET, key, str(path), str(amount)))
    remote = (
        ("RCLONE_CONFIG_S3_TYPE", "s3"),
        ("RCLONE_CONFIG_S3_PROVIDER", "Other"),
        ("RCLONE_CONFIG_S3_ENV_AUTH", "true"),
        ("RCLONE_CONFIG_S3_ENDPOINT", place.url),
        ("RCLONE_CONFIG_S3_FORCE_PATH_STYLE", "true"),
    )
    flags: tuple[str, ...] = ("--config", "", "--ignore-checksum", "--no-check-certificate", "--stats", "0")
    flags += ("--multi-thread-streams", "8", "--multi-thread-chunk-size", "8M", "--s3-chunk-size", "8M")
    flags += ("--s3-no-check-bucket", "--s3-no-head", "--s3-disable-checksum", "--s3-upload-concurrency", "8")
    if job == "up":
        flags += ("--ignore-size",)  # what nginx has at the end is the last part
    there = f"s3:{BUCKET}/{key}"
    return Command((tool, "copyto", *flags, *((there, str(path)) if job == "down" else (str(path), there))), remote)


@click.command(help=__doc__)
@click.option("--mib", default=1024, show_default=True, help="Size of the large object.")
@click.option("--objects", default=5_000, show_default=True, help="How many small ones.")
@click.option("--runs", default=3, show_default=True, help="How often each client does each job.")
@click.option("--client", "clients", multiple=True, default=CLIENTS, type=click.Choice(CLIENTS))
@click.option("--way", "ways", multiple=True, default=tuple(PORTS), type=click.Choice(tuple(PORTS)))
def main(mib: int, objects: int, runs: int, clients: tuple[str, ...], ways: tuple[str, ...]) -> None:
    for client in clients:
        PEERS[client].install()
    size = mib << 20
    HOME.mkdir(parents=True, exist_ok=True)
    with serving(size) as (folder, authority):
        for way in ways:
            url = f"{'https' if way == 'tls' else 'http'}://127.0.0.1:{PORTS[way]}"
            place = Place(url, "key", "secret", "us-east-1", BUCKET, "", "", str(authority))
            for job in ("start", "down", "up", "small-down", "small-up"):
                found: dict[str, list[float]] = {}
                for _ in range(runs):
                    for client in clients:
                        cost = _once(client, job, place, folder, size, objects)
                        if cost is not None:
                            found.setdefault(client, []).append(cost)
                unit = "us/object" if job.startswith("small") else "s" if job == "start" else "s/GB"
                for client, costs in found.items():
                    shown = ", ".join(f"{cost:.3g}" for cost in costs)
                    click.echo(f"{way:6} {job:10} {client:8} {statistics.median(costs):8.3g} {unit:9} ({shown})")


def _once(client: str, job: str, place: Place, folder: Path, size: int, objects: int) -> float | None:
    """Processor seconds for a GB, microseconds for a small object, or seconds to start."""
    small = job.startswith("small")
    source = folder / "root" / BUCKET / LARGE
    path = source if job == "up" else folder / f"{client}.bin"
    amount = objects if small else 0 if job == "start" else size
    if job == "start":
        if client != "cartage":
            return None
        job = "down"
    built = command(client, job, place, path, amount)
    if built is None:
        return None
    environment = place.environment() | dict(built.environment)
    usage = run(built.argv, environment, core=CLIENT_CORE, folder=folder, timeout_s=TIMEOUT_S)
    if path != source:
        path.unlink(missing_ok=True)
    if usage.exit_code != 0:
        click.echo(f"{client}: {job}: ended with {usage.exit_code}: {usage.output[-300:]}", err=True)
        return None
    return usage.processor_s / objects * 1e6 if small else usage.processor_s / (amount / 1e9 if amount else 1)


if __name__ == "__main__":
    main()
