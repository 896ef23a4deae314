"""The files in deploy/completions are what the command prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from scaler.cli import app

FOLDER = Path(__file__).parents[3] / "deploy" / "completions"


@pytest.mark.parametrize(("shell", "name"), [("bash", "scaler.bash"), ("zsh", "_scaler"), ("fish", "scaler.fish")])
def test_a_file_is_what_the_command_prints_for_its_shell(
    shell: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Unless this is set, it is the shell that asks, not the one that is named.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    printed = CliRunner().invoke(app, ["--show-completion", shell], prog_name="scaler")
    assert printed.stdout == (FOLDER / name).read_text()
