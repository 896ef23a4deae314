"""The page that a browser gets while an app starts, and which requests are a browser's."""

from __future__ import annotations

import html

# How often a waiting browser asks again: most containers start in one to three seconds, and each try is a request.
REFRESH_S = 2

# Needs nothing from elsewhere: the app is not there yet, and the browser may have no way to anything else.
DEFAULT_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="{refresh_s}">
<title>Starting {app}</title>
<style>
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #fff; --faint: #dadde1 }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e6eb; --paper: #18191a; --faint: #3a3b3c } }
body { margin: 0; min-height: 100vh; display: grid; place-content: center; justify-items: center; gap: 1rem;
  font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); text-align: center }
h1 { margin: 0; font-size: 1.25rem; font-weight: 600; overflow-wrap: anywhere }
p { margin: 0; opacity: .75 }
i { width: 2rem; height: 2rem; border: 3px solid var(--faint); border-top-color: var(--ink); border-radius: 50%;
  animation: turn 1s linear infinite }
@keyframes turn { to { transform: rotate(1turn) } }
@media (prefers-reduced-motion: reduce) { i { animation: none } }
</style>
</head>
<body>
<i></i>
<h1>{app} is starting</h1>
<p>This page loads itself again until it is there.</p>
</body>
</html>
"""

_HTML = ("text/html", "application/xhtml+xml")


def render(page: str, app: str) -> str:
    """Return a page for an app.

    Args:
        page: HTML in which `{app}` stands for the app's name and `{refresh_s}` for the seconds until the page is to be
            loaded again; all other braces stay. Empty for the default page.
        app: The app's name, in any characters.
    """
    return (page or DEFAULT_PAGE).replace("{refresh_s}", str(REFRESH_S)).replace("{app}", html.escape(app))


def reloads_itself(page: str) -> bool:
    """Return whether a page says when it is to be loaded again."""
    return not page or 'http-equiv="refresh"' in page.lower()


def prefers_html(accept: str) -> bool:
    """Return whether an Accept header is that of a browser that opens a page.

    HTML must be named, have the highest quality of all that is named, and come first among those. So `*/*`, which
    curl, scripts and a browser's own fetches of data send, is not.
    """
    best, best_quality = "", 0.0
    for part in accept.lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        if (quality := _quality(parameters)) > best_quality:
            best, best_quality = kind, quality
    return best in _HTML


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
