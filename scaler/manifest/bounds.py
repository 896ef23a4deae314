"""The least and the greatest replica count, by whatever names a format has for them."""

from __future__ import annotations

from scaler.manifest.located import Path, Scalar
from scaler.manifest.problems import Report


def check_bounds(report: Report, path: Path, lowest: tuple[str, int], highest: tuple[str, int]) -> None:
    """Report a least count above the greatest one.

    Args:
        report: Of the document.
        path: Of the mapping with both.
        lowest: Name and value.
        highest: Name and value, the default when it is absent.
    """
    (low_name, low), (high_name, high) = lowest, highest
    written = report.document.get((*path, high_name))
    if report.is_broken((*path, high_name)) and isinstance(written, Scalar) and written.isdecimal():
        # It was refused by itself, as 0 is; swapped with the other one it may be what was meant.
        if low > int(written[:18]):
            report.add_hint((*path, high_name), f"are {low_name} and {high_name} swapped?")
        return
    if low > high:
        hint = "are the two swapped?" if written is not None else f"{high_name} is {high} when absent"
        report.error((*path, low_name), f"at most {high_name} ({high})", hint=hint)
