"""Every example that help shows can be typed as it stands: one is run on a small migration, with the documented end."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.completion import script
from engine.cli.grammar.reference import reference
from engine.cli.grammar.words import Example
from tests.cli.commands import Terminal
from tests.cli.finish_scene import Scene
from tests.servers import Endpoint

VERBS = {verb.name: verb for verb in reference()}
ENDS = {"cleanup": {0, 5}, "receipt": {0, 5}, "delete": {0, 5}, "sync": {0, 5}}
"""How an example may end: the gate may be closed, and what is deleted has to be confirmed."""
UNCONFIRMED = {
    "cartage cleanup plan.toml --delete",
    "cartage revert plan.toml --delete",
}
"""Those that need a terminal, to type a name on: without one it is asked for by --confirm."""
BY_THEMSELVES = {"demo", "sandbox", "completion"}
"""Those that bring their own server, or need a shell."""


@pytest.fixture
def scene(sandbox: Endpoint, tmp_path: Path, terminal: Terminal) -> Scene:
    scene = Scene(sandbox, tmp_path)
    terminal.on(sandbox)
    text = scene.plan.read_text().replace('name = "raw"\n', 'name = "raw"\nexpect = { objects = 7 }\n', 1)
    scene.plan.write_text(text + '[cleanup]\nhold = "0s"\n')
    config = tmp_path / "config"
    config.write_text("[profile theirs]\nregion = us-east-1\n")
    credentials = tmp_path / "credentials"
    keys = f"aws_access_key_id = {sandbox.access_key}\naws_secret_access_key = {sandbox.secret_key}\n"
    credentials.write_text(f"[theirs]\n{keys}")
    terminal.set(AWS_CONFIG_FILE=str(config), AWS_SHARED_CREDENTIALS_FILE=str(credentials))
    return scene


def words_of(example: Example, scene: Scene) -> list[str]:
    line = example.line.replace("s3://mybucket/", f"s3://{scene.bucket}/")
    program, *words = shlex.split(line.replace("s3://theirs/", f"s3://{scene.bucket}/theirs/"))
    assert program == "cartage"
    return words


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in BY_THEMSELVES])
def test_the_examples_of_a_command_run(scene: Scene, terminal: Terminal, verb: str) -> None:
    if verb == "init":
        scene.plan.unlink()
    else:
        scene.moved()
    for key in ("old/a", "data/b", "project/c", "notebooks/d"):
        scene.put(key, b"x")
    for example in VERBS[verb].examples:
        if "--processes" in example.line:
            (scene.folder / "cards.ledger").unlink()  # shards are a folder, and not one file that is there already
        if "--follow" in example.line:  # until stdin ends, which it does at once
            with terminal.start(*words_of(example, scene)) as process:
                assert process.wait(60) == 0, example.line
            continue
        ended = terminal.call(*words_of(example, scene))
        if example.line in UNCONFIRMED:
            assert ended.code == 2 and "with --confirm" in ended.err, (example.line, ended.err)
        elif verb == "receipt" and "--check" in example.line:
            assert ended.code in (0, 4, 5), (example.line, ended.err)
        else:
            assert ended.code in ENDS.get(verb, {0}), (example.line, ended.out, ended.err)


def test_the_examples_of_the_sandbox_start_it(terminal: Terminal) -> None:
    behind, *others = VERBS["sandbox"].examples
    assert "--env" in behind.line, "which is typed in tests/cli/test_sandbox_behind.py"
    for example in others:
        words = shlex.split(example.line.replace("9000", "0"))[1:]  # that port may be somebody else's here
        with terminal.start(*words, "--scale", "0.001") as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("export AWS_ENDPOINT_URL_S3=http://127.0.0.1:")
            process.send_signal(signal.SIGINT)
            assert process.wait(20) in (0, 130)


def test_the_examples_of_completion_install_it(terminal: Terminal) -> None:
    for example in VERBS["completion"].examples:
        shell, file = example.line.split()[2], example.line.rpartition("~/")[2]
        (terminal.folder / file).parent.mkdir(parents=True)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        terminal.set(HOME=str(terminal.folder), PATH=path)
        subprocess.run(["sh", "-c", example.line], check=True)
        assert (terminal.folder / file).read_text() == script(shell)


def test_the_examples_of_the_demo_are_about_its_flags() -> None:
    """A demo is played in tests/cli/test_demo.py; here its flags alone are held to be some."""
    known = {name for flag in VERBS["demo"].flags for name in flag.spelling.split()}
    used = {word for example in VERBS["demo"].examples for word in shlex.split(example.line) if word.startswith("--")}
    assert used <= known
