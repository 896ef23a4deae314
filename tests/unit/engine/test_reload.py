"""Edits of manifests, in every way that files change, are taken up; what is broken changes nothing."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scaler.engine.reload import Configuration, Reloader, stamps
from scaler.model import Workload
from scaler.ports.errors import ConfigError
from scaler.ports.recorder import Recorder
from scaler.testing.leaks import until


class Manifests:
    """Everything in one folder of files, as a configuration; text with `bad` in it is no manifest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken: list[str] = []
        self.rejected = 0
        self.while_loading: Callable[[], object] = lambda: None
        self._loaded = ""
        (folder / "a.yaml").write_text("one")

    def load(self) -> Configuration:
        before = stamps([self.folder])
        files = sorted(self.folder.glob("*.yaml"))
        self._loaded = " ".join(file.read_text() for file in files)
        self.while_loading()
        if "bug" in self._loaded:
            raise ZeroDivisionError
        if "bad" in self._loaded:
            raise ConfigError(self._loaded)
        return Configuration((), (self.folder, *files), before)

    async def apply(self, workloads: Sequence[Workload]) -> None:  # noqa: ARG002
        self.taken.append(self._loaded)

    @asynccontextmanager
    async def reloaded(self) -> AsyncIterator[Reloader]:
        facts = Outcomes(self)
        reloader = Reloader(self.load, self.apply, facts, look_every_s=0.02, quiet_s=0.02)
        task = asyncio.create_task(reloader.run(self.load()))
        try:
            yield reloader
        finally:
            task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled()


class Outcomes(Recorder):
    def __init__(self, manifests: Manifests) -> None:
        self._manifests = manifests

    def configuration_reloaded(self, *, accepted: bool, part: str = "manifests") -> None:  # noqa: ARG002
        self._manifests.rejected += not accepted


@pytest.fixture
def manifests(tmp_path: Path) -> Manifests:
    folder = tmp_path / "manifests"
    folder.mkdir()
    return Manifests(folder)


def write(folder: Path) -> None:
    (folder / "a.yaml").write_text("two")


def replace(folder: Path) -> None:
    (folder / "a.yaml.new").write_text("two")
    (folder / "a.yaml.new").rename(folder / "a.yaml")


def remove_and_create(folder: Path) -> None:
    (folder / "a.yaml").unlink()
    write(folder)


def add(folder: Path) -> None:
    (folder / "b.yaml").write_text("two")


def replace_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    write(folder)


def link_elsewhere(folder: Path) -> None:
    (folder.parent / "elsewhere").write_text("two")
    (folder / "link").symlink_to(folder.parent / "elsewhere")
    (folder / "link").rename(folder / "a.yaml")


@pytest.mark.parametrize("edit", [write, replace, remove_and_create, add, replace_folder, link_elsewhere])
async def test_every_kind_of_edit_is_taken_up(manifests: Manifests, edit: Callable[[Path], None]) -> None:
    async with manifests.reloaded():
        await asyncio.sleep(0.1)
        edit(manifests.folder)
        await until(lambda: bool(manifests.taken) and "two" in manifests.taken[-1])


async def test_an_edit_behind_symbolic_links_is_taken_up(manifests: Manifests) -> None:
    """As Kubernetes updates a mounted ConfigMap: the file's link stays, one further on is replaced."""
    for version in ("one", "two"):
        (manifests.folder / version).mkdir()
        (manifests.folder / version / "a.yaml").write_text(version)
    (manifests.folder / "data").symlink_to("one")
    (manifests.folder / "a.yaml").unlink()
    (manifests.folder / "a.yaml").symlink_to("data/a.yaml")
    async with manifests.reloaded():
        (manifests.folder / "new").symlink_to("two")
        (manifests.folder / "new").rename(manifests.folder / "data")
        await until(lambda: manifests.taken == ["two"])


async def test_an_edit_while_the_manifests_are_read_is_not_lost(manifests: Manifests) -> None:
    manifests.while_loading = lambda: write(manifests.folder)
    reloading = manifests.reloaded()
    async with reloading:
        await until(lambda: "two" in manifests.taken)


async def test_nothing_is_read_again_while_nothing_changes(manifests: Manifests) -> None:
    async with manifests.reloaded():
        (manifests.folder / "a.yaml.swp").write_text("an editor's own")
        await asyncio.sleep(0.3)
        assert manifests.taken == []


async def test_a_request_reads_again(manifests: Manifests) -> None:
    async with manifests.reloaded() as reloader:
        reloader.request()
        await until(lambda: manifests.taken == ["one"])


@pytest.mark.parametrize("broken", ["bad", "bug"])
async def test_a_new_file_that_is_broken_changes_nothing_until_it_is_mended(manifests: Manifests, broken: str) -> None:
    with capture_logs() as logs:
        async with manifests.reloaded():
            (manifests.folder / "b.yaml").write_text(broken)
            await until(lambda: manifests.rejected == 1)
            assert manifests.taken == []
            (manifests.folder / "b.yaml").write_text("two")
            await until(lambda: manifests.taken == ["one two"])
    assert "configuration_kept" in [entry["event"] for entry in logs]
