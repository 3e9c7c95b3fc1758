"""The README tells the truth: every command is documented, and what it names exists."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from registry_pipeline import cli, tables

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(c.name or c.callback.__name__.replace("_", "-") for c in cli.app.registered_commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme_and_has_help(command):
    told = CliRunner().invoke(cli.app, [command, "--help"])

    assert told.exit_code == 0
    assert f"registry {command}" in README


def test_every_command_in_the_readme_exists():
    named = set(re.findall(r"`registry ([a-z][a-z-]+)", README))

    assert named <= {*COMMANDS, *(group.name for group in cli.app.registered_groups)}


def test_every_make_target_in_the_readme_exists():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")

    for target in set(re.findall(r"make (demo|test|dev|bench|lint|[a-z]+)`", README)):
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target


def test_every_published_table_is_in_the_readme():
    for table in tables.REGISTRY_TABLES:
        assert f"`{table}`" in README


def test_relative_links_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (REPOSITORY / link).exists(), link


def test_nothing_is_left_to_fill_in():
    assert not re.search(r"@[A-Z]+@", README)
