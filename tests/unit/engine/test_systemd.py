"""Readiness, told to a real socket in systemd's place."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from uuid import uuid4

import pytest

from scaler.engine import systemd


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
async def test_it_is_told_once_nothing_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, abstract: bool
) -> None:
    name = f"@scaler-{uuid4()}" if abstract else str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    configured, missing = asyncio.Event(), ["worker"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(name.replace("@", "\0"))
        told.settimeout(0)
        telling = asyncio.create_task(systemd.tell_ready(configured, lambda: missing))
        await asyncio.sleep(0)
        with pytest.raises(BlockingIOError):
            told.recv(100)
        configured.set()
        await asyncio.sleep(0.01)
        with pytest.raises(BlockingIOError):
            told.recv(100)
        missing.clear()
        await telling
        assert told.recv(100) == b"READY=1"


async def test_nobody_there_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured = asyncio.Event()
    configured.set()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    await systemd.tell_ready(configured, list)
    monkeypatch.delenv("NOTIFY_SOCKET")
    await systemd.tell_ready(configured, lambda: ["worker"])
