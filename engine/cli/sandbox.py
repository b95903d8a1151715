"""`cartage sandbox`: the embedded S3, started by hand, with what to export printed."""

from __future__ import annotations

import signal

import click

from engine.report.text import count_text, size_text


def sandbox_command(
    port: int, latency_ms: float, rate: float, reference: bool, scale: float, older_than_2024: bool
) -> None:
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
