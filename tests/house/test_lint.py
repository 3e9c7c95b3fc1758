"""The rules of the house hold: what `make lint` runs, CI runs too."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports", "--no-logo"]],
    ids=lambda command: command[0] + ("-format" if "format" in command else ""),
)
def test_make_lint_passes(command):
    done = subprocess.run(
        [PROGRAMS / command[0], *command[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
