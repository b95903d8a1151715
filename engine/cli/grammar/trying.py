"""Commands to try Cartage out with, and about the command line itself."""

from __future__ import annotations

import click

from engine.cli.grammar.choices import complete_topics
from engine.cli.grammar.words import Example, Flag, Place, Switch, Verb

SHELLS = ("bash", "zsh", "fish")


def _scale(whole: str) -> Flag:
    share = click.FloatRange(0.001, 1.0)
    return Flag("--scale FRACTION", f"A fraction of {whole}.", type=share, default=1.0, show_default=True)


demo = Verb(
    "demo",
    """Start an S3 on loopback, fill it with the reference migration (52,994 objects, 26.8 GB, and a 5.6 GB model),
    plan it, run it, kill the run with SIGKILL about half way, resume, verify, clone the project's small parts into a
    folder, and print what happened.""",
    _scale("the 52,994 objects"),
    Switch("--keep", "Keep plan, ledgers and the cloned folder, and say where they are."),
    Flag("--store", "How to speak to S3.", type=click.Choice(["wire", "boto"]), default=None),
    examples=[
        Example("cartage demo", "the whole of it"),
        Example("cartage demo --scale 0.01 --keep", "a hundredth, with the ledger to look into"),
    ],
    bare=True,
)
sandbox = Verb(
    "sandbox",
    """Run an S3 on loopback until Ctrl-C, or behind a shell. It keeps everything in memory and is gone with the
    command.""",
    Flag("--port N", "0 chooses a free one.", type=click.IntRange(0, 65535), default=0),
    Flag("--latency-ms MS", "What each call takes, in the middle.", type=click.FloatRange(min=0), default=0.0),
    Flag("--rate N", "Requests a second before 503 SlowDown; 0: any.", type=click.FloatRange(min=0), default=0.0),
    Flag("--reference/--empty", "Fill it with the reference migration, or leave it empty.", default=True),
    _scale("the reference migration"),
    Switch("--older-than-2024", "A bucket from before December 2024: no object has a checksum."),
    Switch("--env", "Run it behind the shell, with which it ends, and print what the shell has to evaluate."),
    Flag("--until-ends PID", "End it with that process too.", type=click.IntRange(0), default=0),
    examples=[
        Example('eval "$(cartage sandbox --env)"', "behind this shell, whose commands find it from then on"),
        Example("cartage sandbox", "with the reference migration in it, until Ctrl-C"),
        Example("cartage sandbox --empty --port 9000", "with nothing, on a port of your own"),
    ],
    bare=True,
)
help = Verb(
    "help",
    """Show the help of a command, "flags" for what the flags mean that nearly every command takes, or "variables" for
    those of the environment that stand for flags.""",
    Place("topic", required=False, complete=complete_topics),
    examples=[
        Example("cartage help run", "a command"),
        Example("cartage help flags", "the flags of the connection, the ledger and the output"),
        Example("cartage help variables", "what the environment may say"),
    ],
    bare=True,
)
completion = Verb(
    "completion",
    """Print the script that has SHELL (bash, zsh or fish) complete commands, flags and their values: plan files and
    ledgers, profiles, storage classes, the sites of a plan, and what can be accepted, with the figure that was found.
    It reads files of this machine alone. Kept where the shell looks for it, it works from the next shell on; zsh looks
    in ~/.zfunc once ~/.zshrc says fpath+=~/.zfunc before compinit.""",
    Place("shell", type=click.Choice(SHELLS), metavar="SHELL"),
    examples=[
        Example("cartage completion bash > ~/.local/share/bash-completion/completions/cartage", "bash"),
        Example("cartage completion zsh > ~/.zfunc/_cartage", "zsh"),
        Example("cartage completion fish > ~/.config/fish/completions/cartage.fish", "fish"),
    ],
    bare=True,
)
