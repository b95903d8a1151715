"""`cartage sandbox`: the embedded S3, started by hand, with what to export printed."""

from __future__ import annotations

import signal

import click

from engine.report.text import count_text, size_text


@click.command("sandbox")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 chooses a free one.")
@click.option("--latency-ms", type=click.FloatRange(min=0), default=0.0, help="What each call takes, in the middle.")
@click.option(
    "--rate", type=click.FloatRange(min=0), default=0.0, help="Requests a second before 503 SlowDown; 0: any."
)
@click.option("--reference/--empty", default=True, help="Fill it with the reference migration, or leave it empty.")
@click.option(
    "--scale",
    type=click.FloatRange(0.001, 1.0),
    default=1.0,
    show_default=True,
    help="A fraction of the reference migration.",
)
@click.option("--older-than-2024", is_flag=True, help="A bucket from before December 2024: no object has a checksum.")
def sandbox_command(
    port: int, latency_ms: float, rate: float, reference: bool, scale: float, older_than_2024: bool
) -> None:
    """Run an S3 on loopback until Ctrl-C. It keeps everything in memory and is gone with the command."""
    from engine.sandbox import SandboxSettings, start_sandbox

    settings = SandboxSettings(port=port, latency_ms=latency_ms, rate_rps=rate)
    with start_sandbox(settings) as sandbox:
        if reference:
            filled = sandbox.control("reference", {"scale": scale, "legacy_checksums": older_than_2024})
            click.echo(
                f"# s3://{filled['bucket']}/ holds {count_text(filled['objects'])} objects, "
                f"{size_text(filled['bytes'])}",
                err=True,
            )
        click.echo(f"export AWS_ENDPOINT_URL_S3={sandbox.url}")
        click.echo(f"export AWS_ACCESS_KEY_ID={sandbox.access_key}")
        click.echo(f"export AWS_SECRET_ACCESS_KEY={sandbox.secret_key}")
        click.echo(f"export AWS_REGION={sandbox.region}")
        click.echo("# Ctrl-C stops it", err=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
