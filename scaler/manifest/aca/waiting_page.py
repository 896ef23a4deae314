"""`hold.waitingPage`: a switch, or the path of an HTML file."""

from __future__ import annotations

from scaler.manifest.fields import read_flag
from scaler.manifest.located import Path
from scaler.manifest.problems import Report
from scaler.manifest.values import OutsideValues, Unknown, ValueMissing

# Every browser that waits gets it again every few seconds.
MAX_PAGE_BYTES = 256 * 1024
_DEFAULT_PAGE = ""


def read_waiting_page(report: Report, path: Path, text: str | None, outside: OutsideValues) -> str | None:
    """Return the page's HTML, empty for the default page, None for no page.

    A file is looked for from the manifest's folder; one that is missing was reported.
    """
    flag = None if text is None else read_flag(text)
    if text is None or flag is False:
        return None
    if flag is True:
        return _DEFAULT_PAGE
    try:
        page = outside.read(text, report.document.file)
    except ValueMissing as missing:
        outside.lacks(report, path, missing)
        return _DEFAULT_PAGE
    if isinstance(page, Unknown):
        return _DEFAULT_PAGE
    size = len(page.encode())
    if not page.strip():
        report.error(path, "a page with something on it", found="an empty file", hint="true is the default page")
    elif size > MAX_PAGE_BYTES:
        report.error(path, f"a page of at most {MAX_PAGE_BYTES} bytes", found=f"a file of {size} bytes")
    return page
