"""The documentation says what the code does: every name that somebody may type or read is there, and no other."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from engine.storage.imports import mapping
from engine.storage.imports.presets import PRESETS
from hawker import app
from tests.reference_tables import (
    REFERENCE,
    TABLES,
    commands,
    interface,
    marketing_interface,
    rows_of,
    table,
    tables_of,
)
from tests.test_house_rules import files

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(path.name for path in ROOT.glob("*.md"))


@pytest.mark.parametrize("heading", TABLES)
def test_a_table_says_what_the_code_says(heading):
    """`make tables` writes what this compares."""
    documented, known = (
        text.splitlines() for text in (tables_of(REFERENCE.read_text())[heading], table(TABLES[heading]()))
    )
    assert documented == known


@pytest.mark.parametrize("heading", TABLES)
def test_no_line_of_a_table_lacks_its_meaning(heading):
    assert [row for row in list(TABLES[heading]())[1:] if heading != "Model families" and not row[-1]] == []


def test_every_preset_is_documented():
    assert [row[0].strip("`") for row in rows_of(REFERENCE.read_text(), "Import")] == list(PRESETS)


def test_the_documented_mapping_names_every_key_and_is_one_that_is_accepted():
    text = re.search(r"^## Import$.*?```toml\n(.*?)```", REFERENCE.read_text(), re.DOTALL | re.MULTILINE)[1]
    mapping.check_mapping(tomllib.loads(text))
    lines = dict(re.findall(r"^\[(\w+)\](.*?)(?=^\[|\Z)", text, re.DOTALL | re.MULTILINE))
    missing = [
        f"{section}.{key}"
        for section, keys in mapping._KNOWN.items()
        for key in keys
        if not re.search(rf"\b{key} =", lines[section]) and f"[{section}.{key}]" not in text
    ]
    assert missing == []


def test_the_readme_names_every_setting_and_every_command():
    readme = (ROOT / "README.md").read_text()
    assert [name for name in commands() if f"`hawker {name}" not in readme and f"hawker {name}" not in readme] == []
    assert [row[0] for row in TABLES["Settings"]() if row[0].startswith("`HAWKER") and row[0] not in readme] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_and_options_in_the_documents_exist(document):
    known = commands()
    for line in command_lines(document):
        words = shlex.split(line, comments=True)[1:]
        typed = next((name for name in (" ".join(words[:2]), *words[:1]) if name in known), None)
        assert typed, line
        options = {option for parameter in known[typed].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize("document", DOCUMENTS)
def test_requests_in_the_documents_exist(document):
    """A path with example ids fits one of the routes."""
    known = [*interface()["paths"], *marketing_interface()["paths"], "/docs", "/openapi.json"]
    routes = [re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) for path in known]
    text = (ROOT / document).read_text()
    asked = re.findall(r"(?<![\w.])(/(?:v1|health|metrics|docs|openapi)[\w/{}%.:-]*)", text)
    assert [path for path in asked if not any(re.fullmatch(route, path.rstrip(".:")) for route in routes)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_the_documents_name_exist(document):
    text = (ROOT / document).read_text()
    known = {*files(), *(str(folder) for name in files() for folder in Path(name).parents)}
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", text)
    rooms = re.findall(r"`((?:engine|training|serving|experiments|tests|notebooks)/[\w/.]*)`", text)
    assert [name for name in (*links, *rooms) if name.rstrip("/") not in known] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_in_the_documents_exist(document):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:`|^)make ([a-z]+)", (ROOT / document).read_text(), re.MULTILINE)
    assert set(named) <= targets


def test_every_make_target_that_people_use_is_in_the_readme():
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    everywhere = "".join((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md"))
    assert [target for target in phony if f"make {target}" not in everywhere] == []


def test_every_command_says_what_it_does():
    assert [name for name, command in commands().items() if not (command.help or "").strip()] == []
    assert app.info.help


def command_lines(document: str) -> list[str]:
    """What the documents tell to type: lines of code blocks, and code within text, that begin with hawker."""
    text = (ROOT / document).read_text()
    blocks = "\n".join(re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL))
    lines = re.findall(r"^(?:\$ )?((?:\S*/)?hawker \S.*)$", blocks, re.MULTILINE)
    return [line for line in (*lines, *re.findall(r"`(hawker [a-z][^`]*)`", text)) if "..." not in line]
