"""The waiting page and who gets it."""

from __future__ import annotations

import pytest

from scaler.ingress import waiting_page

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "preferred"),
    [
        pytest.param(CHROME, True, id="chrome"),
        pytest.param(FIREFOX, True, id="firefox"),
        pytest.param("TEXT/HTML", True, id="upper-case"),
        pytest.param("application/json;q=0.5, text/html", True, id="json-less"),
        pytest.param("*/*", False, id="curl"),
        pytest.param("", False, id="none"),
        pytest.param("application/json, text/html;q=0.5", False, id="html-less"),
        pytest.param("application/json, text/html", False, id="json-first"),
        pytest.param("text/html;q=0", False, id="html-refused"),
        pytest.param("text/html;q=x", False, id="no-number"),
        pytest.param("text/*", False, id="any-text"),
    ],
)
def test_a_browser_is_told_by_what_it_accepts_best(accept: str, *, preferred: bool) -> None:
    assert waiting_page.prefers_html(accept) is preferred


def test_the_default_page_names_the_app_loads_itself_again_and_needs_nothing_from_elsewhere() -> None:
    page = waiting_page.render("", "shop")
    assert "<title>Starting shop</title>" in page
    assert f'http-equiv="refresh" content="{waiting_page.REFRESH_S}"' in page
    assert "//" not in page.replace("<!doctype html>", "")
    assert "src=" not in page


def test_a_name_is_text_and_never_markup() -> None:
    page = waiting_page.render("<b title='{app}'>{app}</b>", "<script>'\"{refresh_s}")
    assert page == "<b title='&lt;script&gt;&#x27;&quot;{refresh_s}'>&lt;script&gt;&#x27;&quot;{refresh_s}</b>"


def test_other_braces_of_a_theme_stay() -> None:
    assert waiting_page.render("p { color: red } {other}", "shop") == "p { color: red } {other}"


def test_a_theme_that_does_not_load_itself_again_is_known() -> None:
    assert waiting_page.reloads_itself("")
    assert waiting_page.reloads_itself('<META HTTP-EQUIV="Refresh" content="5">')
    assert not waiting_page.reloads_itself("<p>wait</p>")
