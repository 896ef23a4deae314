"""Every scaler has a page that says what its code says, with an example that validates.

`UPDATE_GOLDEN=1 pytest tests/golden` writes the pages anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scaler.engine import plugins
from scaler.engine.plugin_page import page
from scaler.manifest import load
from scaler.ports.errors import PluginBroken

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "scalers"
EXAMPLES = ROOT / "deploy" / "examples" / "scalers"
OWN = [plugin for plugin in plugins.installed() if plugin.distribution == plugins.DISTRIBUTION]
SECTIONS = ("Reads", "Active", "Parameters", "Errors", "Differences from KEDA")


def check(path: Path, text: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("plugin", OWN, ids=lambda plugin: plugin.type)
def test_a_scaler_s_page_is_what_its_code_says(plugin: plugins.Plugin) -> None:
    assert not isinstance(plugin.found, PluginBroken)
    text = page(plugin.found, example=(EXAMPLES / f"{plugin.type}.yaml").read_text())
    assert [section for section in SECTIONS if f"## {section}\n" not in text] == []
    check(PAGES / f"{plugin.type}.md", text)


@pytest.mark.parametrize("plugin", OWN, ids=lambda plugin: plugin.type)
def test_a_scaler_s_example_validates_and_uses_it(plugin: plugins.Plugin) -> None:
    loaded = load([EXAMPLES / f"{plugin.type}.yaml"], scalers=plugins.discover(), environ={}, strict=True)
    assert plugin.type in {trigger.type for workload in loaded.workloads for trigger in workload.triggers}


@pytest.mark.parametrize("plugin", OWN, ids=lambda plugin: plugin.type)
def test_every_parameter_says_what_it_means(plugin: plugins.Plugin) -> None:
    assert not isinstance(plugin.found, PluginBroken)
    assert [parameter.name for parameter in plugins.parameters(plugin.found) if not parameter.description] == []


def test_the_index_lists_every_scaler() -> None:
    rows = [f"| [`{plugin.type}`]({plugin.type}.md) | {plugin.summary} |" for plugin in OWN]
    head = (
        "# Scalers\n\nWhat this version reads; `scaler plugins` lists what is installed, others' packages included.\n"
    )
    check(PAGES / "README.md", "\n".join([head, "| type | reads |", "|---|---|", *rows]) + "\n")


def test_no_page_is_about_what_there_is_not() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {plugin.type for plugin in OWN} | {"README"}
