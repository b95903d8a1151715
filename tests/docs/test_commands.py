"""docs/commands.md is what the definitions say, and names all that can be typed."""

from __future__ import annotations

import importlib.util

from engine.cli.grammar.reference import reference, variables
from engine.cli.main import VERBS
from tests.docs.pages import DOCS

PAGE = DOCS / "commands.md"


def test_the_page_is_what_the_definitions_say() -> None:
    spec = importlib.util.spec_from_file_location("build_commands", DOCS / "build_commands.py")
    assert spec is not None and spec.loader is not None
    built = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(built)
    assert PAGE.read_text(encoding="utf-8") == built.page(), "write it anew: python docs/build_commands.py"


def test_every_command_flag_example_and_variable_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8").replace("\\|", "|")
    verbs = reference()
    assert [verb.name for verb in verbs] == list(VERBS)
    wanted = [f"\n### {verb.name}\n" for verb in verbs]
    wanted += [example.line for verb in verbs for example in verb.examples]
    wanted += [f"`{flag.spelling}`" for verb in verbs for _, flags in verb.own for flag in flags]
    wanted += [f"`{flag.variable}`" for flag in variables()]
    assert [item for item in wanted if item not in text] == []
