"""The image: what it is made of, and as whom it runs. `.ci/published.py` carries out what its first stage does."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def instructions() -> list[list[tuple[str, str]]]:
    """Each stage's instructions, in order."""
    stages: list[list[tuple[str, str]]] = []
    for line in (REPOSITORY / "Dockerfile").read_text("utf-8").splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        if word and word != "#":
            stages[-1].append((word, rest))
    return stages


def test_it_runs_as_an_ordinary_user_and_is_the_command() -> None:
    *_, final = instructions()
    words = [word for word, _ in final]
    assert dict(final)["USER"] not in ("", "root", "0")
    assert words.index("USER") > max(index for index, word in enumerate(words) if word in ("RUN", "COPY"))
    assert dict(final)["ENTRYPOINT"] == '["cartage"]'


def test_only_what_was_installed_is_in_it() -> None:
    first, final = instructions()
    assert [rest for word, rest in final if word == "COPY"] == ["--from=build /opt/cartage /opt/cartage"]
    assert [rest.split()[0] for stage in (first, final) for word, rest in stage if word == "FROM"] == [
        "python:3.13-slim",
        "python:3.13-slim",
    ]


def test_what_is_copied_is_there_and_no_more_is_sent() -> None:
    first, _ = instructions()
    named = [name for word, rest in first if word == "COPY" for name in rest.split()[:-1]]
    assert [name for name in named if not (REPOSITORY / name).exists()] == []
    ignored = (REPOSITORY / ".dockerignore").read_text("utf-8").split()
    assert ignored[0] == "*"
    assert sorted(line[1:] for line in ignored if line.startswith("!")) == sorted(named)
