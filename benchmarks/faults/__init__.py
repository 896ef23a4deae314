"""Faults by the hundred: a real service under steady load, and what must hold after each fault."""

from __future__ import annotations

from benchmarks.faults.run import main

__all__ = ["main"]
