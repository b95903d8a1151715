"""What the shells complete: their own functions, as the printed scripts define them, are asked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.completion import script
from engine.cli.grammar.trying import SHELLS
from engine.cli.main import VERBS
from tests.cli.commands import Terminal, write_plan
from tests.cli.finish_scene import Scene
from tests.cli.test_help import BOTO, loaded
from tests.servers import Endpoint

ASK = {
    "bash": """source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        compopt() { COMPREPLY="(files)"; }
        _cartage_completion cartage; printf '%s\\n' "${COMPREPLY[@]}" """,
    "zsh": """compdef() { }; compadd() { print -l -- ${(P)@[-1]}; }
        _describe() { print -l -- ${${(P)3}%%:*}; }; _path_files() { print "(files)"; }
        source "$1"; shift; words=("$@"); CURRENT=$#; _cartage_completion""",
    "fish": """source $argv[1]; complete -C (string join ' ' -- $argv[2..-1])""",
}
"""How each shell is asked: its script, then the words of the line, of which the last is being typed."""
START = {"bash": ["bash", "--norc", "-c"], "zsh": ["zsh", "-f", "-c"], "fish": ["fish", "--no-config", "-c"]}


class Line:
    """A shell with the script in it."""

    def __init__(self, shell: str, folder: Path) -> None:
        self.shell, self.folder = shell, folder
        self.script = folder / f"completion.{shell}"
        self.script.write_text(script(shell))

    def completes(self, *words: str) -> list[str]:
        name = [] if self.shell == "fish" else [self.shell]  # what $0 is in the others
        ended = subprocess.run(
            [*START[self.shell], ASK[self.shell], *name, str(self.script), "cartage", *words],
            cwd=self.folder,
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0 and not ended.stderr, ended
        return [line.partition("\t")[0] for line in ended.stdout.splitlines() if line]


@pytest.fixture(params=SHELLS)
def line(request: pytest.FixtureRequest, terminal: Terminal) -> Line:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return Line(request.param, terminal.folder)


def test_commands_flags_and_values(line: Line) -> None:
    assert line.completes("ver") == ["verify"]
    assert set(line.completes("")) >= set(VERBS)
    assert line.completes("run", "--max") == ["--max-rps"]
    assert sorted(line.completes("run", "--links", "")) == ["follow", "keep", "skip"]
    assert line.completes("cp", "--storage-class", "GLACIER_") == ["GLACIER_IR"]
    assert line.completes("completion", "z") == ["zsh"]
    assert line.completes("help", "var") == ["variables"]


def test_plan_files_ledgers_and_profiles(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("week.toml", "month.toml", "week.ledger", "notes.txt"):
        (line.folder / name).write_text("")
    (line.folder / "plans").mkdir()
    (line.folder / "plans" / "inner.toml").write_text("")
    assert line.completes("plan", "") == ["month.toml", "week.toml"]
    assert line.completes("run", "we") == ["week.toml"]
    assert line.completes("run", "plans/") == ["plans/inner.toml"]
    assert line.completes("status", "--ledger", "") == ["week.ledger"]
    config = line.folder / "config"
    config.write_text("[default]\n[profile theirs]\n[services local]\n[sso-session work]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert line.completes("cp", "--from-profile", "") == ["default", "theirs"]


def test_a_folder_and_a_name_that_has_to_be_quoted_are_left_to_the_shell(line: Line) -> None:
    (line.folder / "plans").mkdir()
    (line.folder / "my plan.toml").write_text("")
    left = {"bash": ["(files)"], "zsh": ["(files)"]}
    assert line.completes("plan", "pl") == left.get(line.shell, ["plans/"])
    assert line.completes("plan", "my") == left.get(line.shell, ["my plan.toml"])
    assert line.completes("cp", "pl") == left.get(line.shell, ["plans/"])


def test_names_out_of_the_plan_and_the_ledger_on_the_line(
    line: Line, terminal: Terminal, sandbox: Endpoint, tmp_path: Path
) -> None:
    scene = Scene(sandbox, tmp_path)
    terminal.on(sandbox)
    text = scene.plan.read_text().replace('name = "raw"\n', 'name = "raw"\nexpect = { objects = 7 }\n', 1)
    scene.plan.write_text(text + '[sites.away]\nregion = "us-east-1"\n')
    assert sorted(line.completes("plan", "plan.toml", "--site", "")) == ["away", "connection"]
    scene.plan.write_text(text)
    assert line.completes("accept", "plan.toml", "") == [], "there is no ledger yet"
    terminal.call("plan", "plan.toml")
    assert line.completes("accept", "plan.toml", "raw") == ["raw.objects"]
    assert line.completes("accept", "plan.toml", "raw.objects", "--found", "") == ["5"]
    terminal.call("accept", "plan.toml", "raw.objects", "--found", "5", "--because", "known")
    assert line.completes("accept", "plan.toml", "--remove", "") == ["raw.objects"]


def test_a_plan_or_a_ledger_that_cannot_be_read_completes_nothing(line: Line) -> None:
    write_plan(line.folder, name="moving").write_text("[[")
    (line.folder / "moving.ledger").write_text("no ledger at all")
    assert line.completes("accept", "moving.toml", "ra") == []
    assert line.completes("plan", "moving.toml", "--site", "") == ["connection"]


def test_what_completes_loads_nothing_heavy(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It runs at every stroke of the key: about 60 ms of processor, half of it Python's own start."""
    write_plan(terminal.folder, name="plan")
    monkeypatch.setenv("_CARTAGE_COMPLETE", "bash_complete")
    for words in ("cartage ", "cartage run ", "cartage run --", "cartage accept plan.toml "):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
        modules = loaded(tmp_path)
        assert not modules & (BOTO | {"anyio", "asyncio", "msgspec", "tqdm", "ssl", "engine.ledger", "engine.plan"})


def test_the_script_is_the_same_text_wherever_it_is_printed(terminal: Terminal) -> None:
    for shell in SHELLS:
        assert terminal.call("completion", shell).out == script(shell)
        assert "_CARTAGE_COMPLETE" in script(shell) and str(terminal.folder) not in script(shell)
    ended = terminal.call("completion", "csh")
    assert ended.code == 2 and "'csh' is not one of 'bash', 'zsh', 'fish'" in ended.err
