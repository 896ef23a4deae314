"""The page in the browser: its files, as they come with the package."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from fastapi import FastAPI, HTTPException, Request, Response

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class _File(NamedTuple):
    content: bytes
    type: str
    tag: str


def add_page(app: FastAPI) -> None:
    """Serve the page at `/`, and what it is made of under `/page`."""

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return _answer("index.html", request)

    @app.get("/page/{name}", include_in_schema=False)
    async def part(name: str, request: Request) -> Response:
        return _answer(name, request)


def names() -> list[str]:
    """Return the names of all files that it is made of."""
    return sorted(_load())


def _answer(name: str, request: Request) -> Response:
    file = _load().get(name)
    if file is None:
        raise HTTPException(404, "no such file")
    # A newer version of the service comes with newer files: browsers ask each time, and mostly hear "as before".
    headers = {"etag": file.tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.type, headers=headers)


@cache
def _load() -> dict[str, _File]:
    """Return all files by name: what is not among them cannot be asked for."""
    found = {}
    for entry in files("scaler.observability").joinpath("page").iterdir():
        type_ = _TYPES.get(entry.name[entry.name.rfind(".") :])
        if type_ is not None:
            content = entry.read_bytes()
            found[entry.name] = _File(content, type_, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
    return found
