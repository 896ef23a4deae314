"""Every link of the documentation leads somewhere, and every page can be reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaler.testing.documentation import pages

ROOT = Path(__file__).parents[3]
DOCUMENTS = pages.documents(ROOT)


def targets(page: Path) -> list[tuple[Path, str]]:
    """Return the files and anchors that a page links to."""
    found = []
    for link in pages.links(page.read_text()):
        name, _, anchor = link.partition("#")
        found.append(((page.parent / name).resolve() if name else page, anchor))
    return found


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = [
        f"{file}#{anchor}"
        for file, anchor in targets(page)
        if not file.exists() or (anchor and anchor not in pages.anchors(file.read_text()))
    ]
    assert broken == []


def test_every_page_can_be_reached_from_the_index() -> None:
    reached: set[Path] = set()
    ahead = [ROOT / "docs" / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            ahead += [file for file, _ in targets(page) if file.suffix == ".md" and file.exists()]
    assert [str(page.relative_to(ROOT)) for page in DOCUMENTS[1:] if page not in reached] == []


def test_the_readme_leads_to_the_index() -> None:
    assert (ROOT / "docs" / "README.md") in [file for file, _ in targets(ROOT / "README.md")]


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_stand_in_console_blocks(page: Path) -> None:
    """tests/e2e/docs runs those, and no others."""
    blocks = list(pages.blocks(page.read_text()))
    assert [block.line for block in blocks if block.language in {"sh", "bash", "shell", "zsh"}] == []
    assert [step for step in pages.steps(page.read_text()) if isinstance(step, pages.Command) and not step.text] == []
